"""Runs the suite as Colab can: loaded with `-p tests.colab.plugin` in the environment of `make test-colab`."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from tests import kernels

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LEFT_OUT = ("browser", "page", "test_complete*.py")
"""What takes a browser or the developers' tools, and what Tab offers: IPython 7.34 has no matchers for that."""
ELSEWHERE = ("test_binder_build.py",)
"""What builds an environment of its own, with versions of its own."""
TESTS_LEFT_OUT = {
    "test_papermill_*": "Colab has no papermill",
    "test_tab_completes_an_option": "what Tab offers: IPython 7.34 has no matchers for that",
}
"""Single tests, by name, and why; each run says so at its top."""
OTHERS = {*kernels.OLDER, kernels.OLD_IPYTHON}
"""Kernels beside the one installed: here that one is what is tested."""
OLD = ("IPython", "ipykernel", "ipywidgets", "jupyter_client", "traitlets")
"""Of Colab's age: they use what later versions of Python and of traitlets discourage."""


def pytest_configure(config: pytest.Config) -> None:
    """Let old packages warn of their age; what warns of ours is an error, as everywhere."""
    for package in OLD:
        config.addinivalue_line("filterwarnings", rf"ignore::DeprecationWarning:{package}(\..*)?")
    # Said of a line in jupyter_client by a module of Python's own.
    config.addinivalue_line("filterwarnings", "ignore:Parsing dates involving a day of month:DeprecationWarning")


def pytest_report_header() -> list[str]:
    """Say which single tests are left out, and why."""
    return [f"test left out: {name}: {why}" for name, why in TESTS_LEFT_OUT.items()]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what can't be run there."""
    return any(collection_path.match(pattern) for pattern in (*LEFT_OUT, *ELSEWHERE)) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out single tests, and what is tested with other kernels."""
    left_out = [item for item in items if _is_left_out(item.name) or OTHERS & set(_parameters(item))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _is_left_out(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in TESTS_LEFT_OUT)


def _parameters(item: pytest.Item) -> list[str]:
    call = getattr(item, "callspec", None)
    return [] if call is None else [value for value in call.params.values() if isinstance(value, str)]
