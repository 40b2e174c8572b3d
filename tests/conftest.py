"""What every test stands on: an empty environment, a home and a folder of its own, no way off the machine."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import re
import uuid
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from tests.faults.server import FaultServer

    NewSession = Callable[..., Session]

pytest_plugins = ["tests.guard.plugin", "tests.faults.fixture"]

# Tests share a processor, so a slow example says nothing; and none leaves files outside its folder.
hypothesis.settings.register_profile("here", deadline=None, database=None, max_examples=50)
# What `make nightly` asks for: all of it takes too long for every change. What it finds stays as an `@example`.
hypothesis.settings.register_profile("nightly", hypothesis.settings.get_profile("here"), max_examples=1000)
# What `make check` asks for.
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("here"), max_examples=15)
hypothesis.settings.load_profile("here")

PLACES = (
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
)
"""Where programs of the various systems look for a person's files."""

OURS = ("SEEDREAM_", "NOVITA_", "BINDER_", "JUPYTER", "JPY_", "IPYTHON", "COLAB_", "VSCODE_")
CERTIFICATES = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
LONG = 120
NUMBERS = itertools.count()
"""Of the tests' folders: pytest finds the next one by reading all names, which takes longer the more there are."""

FOR_THE_TESTS = {"SEEDREAM_CHROMIUM", "SEEDREAM_SCREENSHOTS"}


def leads_astray(name: str) -> bool:
    """Return whether an environment variable could change what is tested: settings, hosts, proxies, certificates."""
    is_network = name.upper().endswith("_PROXY") or name in CERTIFICATES
    return is_network or (name.upper().startswith(OURS) and name not in FOR_THE_TESTS)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what is long by its length: some are whole pictures, and each test's name is handed to each process."""
    return f"{argname}-{len(val)}" if isinstance(val, str | bytes) and len(val) > LONG else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the tests themselves from being looked at for garbage: they are many, and there to stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that share what their module makes once, such as a kernel, to one process: else each makes its own."""
    for item in items:
        if isinstance(item, pytest.Function) and not item.get_closest_marker("xdist_group"):
            kinds = made_by_the_module(item)
            if kinds is not None:
                item.add_marker(pytest.mark.xdist_group("-".join([item.path.stem, *map(str, kinds)])))

    items[:] = longest_first(items)


def pytest_configure(config: pytest.Config) -> None:
    """Let xdist give out the groups in our order, not by how many tests are in each."""
    config.option.loadscopereorder = False


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with the long groups before the short ones, so that at the end no process has a long one left.

    A group is as long as its longest test: those in a browser, those that may take minutes, those in a kernel, the
    slow ones, the others. Within a group nothing changes.
    """
    groups = dict[str, list[pytest.Item]]()
    for item in items:
        group = item.get_closest_marker("xdist_group")
        groups.setdefault(group.args[0] if group else item.nodeid, []).append(item)
    return list(itertools.chain.from_iterable(sorted(groups.values(), key=lambda group: min(map(shortness, group)))))


def shortness(item: pytest.Item) -> tuple[float, ...]:
    """Return what puts a test behind longer ones."""
    limit = item.get_closest_marker("timeout")
    seconds = float(limit.args[0] if limit else item.config.getini("timeout"))
    unmarked = [item.get_closest_marker(name) is None for name in ("kernel", "slow")]
    return (item.get_closest_marker("browser") is None, -seconds, *unmarked)


def made_by_the_module(item: pytest.Function) -> list[int] | None:
    """Return which kinds of parametrized things of its module a test shares; None if it shares nothing."""
    known = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest tells it nowhere else
    shared = [name for name in item.fixturenames if name in known and known[name][-1].scope == "module"]
    kinds = item.callspec.indices if hasattr(item, "callspec") else {}
    return sorted(kinds[name] for name in shared if known[name][-1].params) if shared else None


@contextlib.contextmanager
def empty_environment(home: Path) -> Iterator[pytest.MonkeyPatch]:
    """Leave nothing in the environment that could change what is tested, and make this folder the user's home."""
    home.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(leads_astray, list(os.environ)):
            patch.delenv(name)
        for name in PLACES:
            patch.setenv(name, str(home))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        yield patch


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for this test, as pytest's own fixture does, but in a time that does not grow with their number."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}-{next(NUMBERS)}"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each test an empty environment, `tmp_path` as its folder, and a home elsewhere."""
    home = tmp_path_factory.getbasetemp() / "homes" / uuid.uuid4().hex
    with empty_environment(home) as patch:
        patch.chdir(tmp_path)
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on the loop that Jupyter has."""
    return "asyncio"


@pytest.fixture
def new_session(tmp_path: Path, fault_server: FaultServer) -> Iterator[NewSession]:
    """Give a function that begins a session in `tmp_path`, as a restarted kernel does, with the fault server."""
    begun: list[Session] = []

    def begin(key: str = "sk_test", **parts: Any) -> Session:
        settings = Settings(environ={}, folder=tmp_path)
        settings.change(base_url=fault_server.url, api_key=key)
        begun.append(Session(settings=settings, lingers=False, **parts))
        return begun[-1]

    yield begin
    for session in begun:
        session.close()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """Start a real IPython kernel in `tmp_path`."""
    with Kernel(tmp_path) as started:
        yield started
