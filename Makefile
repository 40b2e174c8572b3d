# Every command sets up what it needs in .venv, once, and again after pyproject.toml has changed.

.DEFAULT_GOAL := help
.PHONY: help demo lab notebooks test nightly test-colab check bench docs dist dist-test release-check clean
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
# The newest Python of 3.11 or later that can make an environment; searched for only when one is needed.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
  $$python -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1 \
  && echo $$python && break; done)
# How many tests run at once: half of them wait for a kernel, a page or a clock. Those of `make check` wait for nothing.
PROCESSORS := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell expr 2 \* $(PROCESSORS))
# Without cached bytecode, each of the many processes that tests start would compile everything it imports.
unexport PYTHONDONTWRITEBYTECODE
LAB ?=
BACKEND ?= sandbox
# What an environment for developers gets.
DEV_GROUPS := dev

help:
	@echo "make demo         run the first tutorial without a key, and say where its pictures are"
	@echo "make lab          open JupyterLab on the tutorials"
	@echo "make check        lint, types and quick tests"
	@echo "make test         all tests, including those in a real browser"
	@echo "make nightly      the same, with longer random searches"
	@echo "make test-colab   the tests, with the versions of Google Colab"
	@echo "make notebooks    run all tutorials, and save their outputs (BACKEND=auto: with your key, into demo/with-key)"
	@echo "make docs         build the documentation into site/"
	@echo "make dist         build the wheel and the source distribution into dist/"
	@echo "make dist-test    install them into empty environments, with the lowest and the newest libraries"
	@echo "make bench        measure speed, memory and size"
	@echo "make clean        remove everything that these have made"

demo: $(VENV)/demo.done
	@$(PY) notebooks/run.py notebooks/01-first-picture.ipynb demo

lab: $(VENV)/lab.done
	@$(PY) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir=notebooks $(LAB)

notebooks: $(VENV)/lab.done
	@$(PY) notebooks/run.py all $(if $(filter auto,$(BACKEND)),demo/with-key)

check: $(VENV)/dev.done
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@said=.mypy_cache/said; mkdir -p .mypy_cache; $(PY) -m mypy >$$said 2>&1 & types=$$!; trap 'kill $$types' INT; \
	  $(PY) -m pytest -n $(PROCESSORS) --dist loadgroup -m "not slow and not kernel" --ignore=tests/browser --hypothesis-profile=quick; tests=$$?; \
	  wait $$types; types=$$?; cat .mypy_cache/said; [ $$tests = 0 ] && [ $$types = 0 ]

FOR_TESTS := $(addprefix $(VENV)/,dev.done values.done docs.done browser.done kernels.done page.done)

test: $(FOR_TESTS)
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup

nightly: $(FOR_TESTS)
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup --hypothesis-profile=nightly

# They are fetched side by side; but one pip at a time writes into the environment, and in a new one it does all at once.
ifneq ($(filter test nightly,$(MAKECMDGOALS)),)
MAKEFLAGS += -j 4
DEV_GROUPS := dev values docs
$(VENV)/docs.done: | $(VENV)/values.done
endif

# Colab's Python, else the newest for which its libraries were made.
COLAB := .venv-colab
COLAB_PYTHON ?= $(shell for python in python3.13 $(HOME)/.pyenv/versions/3.13*/bin/python3.13 python3.12 python3.11 $(PYTHON); do \
  $$python -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1 \
  && echo $$python && break; done)

test-colab:
	@$(COLAB_PYTHON) -m tests.colab.environment $(COLAB)
	@$(COLAB)/$(notdir $(patsubst %/,%,$(dir $(PY))))/python -P -m pytest --import-mode=append -p tests.colab.plugin -n $(WORKERS) --dist loadgroup

bench: $(VENV)/dev.done
	@$(PY) -m benchmarks

# The variable keeps an advertisement of its theme out of the output.
docs: $(VENV)/docs.done
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict -f docs/mkdocs.yml
	@echo "The documentation: site/index.html"

dist: $(VENV)/dist.done
	@rm -rf dist
	@$(PY) -m hatchling build

dist-test: dist $(VENV)/dev.done
	@SEEDREAM_DIST=dist $(PY) -m pytest tests/test_wheel.py

# What a tag says, the package and its texts say too.
release-check: $(VENV)/dist.done
	@[ "v$$($(PY) -m hatchling version)" = "$(TAG)" ] || { echo "The tag $(TAG) is not this version."; exit 1; }
	@! grep -niE "not released yet|not on PyPI yet" CHANGELOG.md README.md docs/pages/*.md

clean:
	rm -rf $(VENV) $(COLAB) demo dist site .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/python.done:
	@test -n "$(PYTHON)" || { echo "This needs Python 3.11 or later with its venv module (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version), once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -qq --disable-pip-version-check "pip>=25.1"
	@touch $@

$(VENV)/%.done: pyproject.toml | $(VENV)/python.done
	@[ $@ -nt pyproject.toml ] || echo "Installing what 'make $(firstword $(MAKECMDGOALS))' needs ..."
	@[ $@ -nt pyproject.toml ] || $(PY) -m pip install -qq --disable-pip-version-check --group $* --editable .
	@touch $@

# Everything that the others need is among what the developers need. Compiling it takes as long as fetching and
# unpacking it: all processors do that, not pip, and leave out the tests of others. What can't be compiled is a template.
$(VENV)/dev.done: pyproject.toml | $(VENV)/python.done
	@echo "Installing what developers need ..."
	@$(PY) -m pip install -qq --disable-pip-version-check --no-compile $(addprefix --group ,$(DEV_GROUPS)) --editable .
	@$(PY) -m compileall -qq -j 0 -x '/tests/' $$($(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))") || true
	@touch $@ $(addprefix $(VENV)/,$(addsuffix .done,$(DEV_GROUPS) demo lab dist))

$(VENV)/values.done: | $(VENV)/dev.done

$(VENV)/browser.done: | $(VENV)/dev.done
	@$(PY) -m tests.browser.chromium && touch $@ || true

$(VENV)/kernels.done: tests/kernels.py | $(VENV)/python.done
	@$(PY) -m tests.kernels && touch $@ || true

$(VENV)/page.done: | $(VENV)/python.done
	@$(PY) -m tests.page.tools && touch $@ || true
