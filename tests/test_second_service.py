"""Another service with another model is one table: it is reached through every door, and its own limits hold."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import seedream_nb
from seedream_nb.errors import RequestError, SettingsError
from seedream_nb.scope import EmptyScope
from seedream_nb.service import SEEDREAM_4_0, SERVICES, Service
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.widgets.panel import Form
from seedream_nb.widgets.state import FORM, State
from tests.faults import Reply, jpeg
from tests.kernel import Kernel
from tests.pictures import encoded, gradient
from tests.test_widgets import ask
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults import FaultServer
    from tests.faults.script import Seen

TABLE = """
from types import MappingProxyType
from dataclasses import replace
from seedream_nb.service import SEEDREAM_4_0, SERVICES, Service
limits = replace(SEEDREAM_4_0.references, max_count=2)
brush = replace(
    SEEDREAM_4_0, name="brush-1", title="Brush 1", path="/paint", price=0.5, tiers=("2K", "3K"), max_images=4,
    spelling=MappingProxyType({
        "prompt": "text", "images": "sources", "size": "dimensions", "sequential": "mode",
        "max_images": "mode_options.most", "watermark": "mark",
    }),
    ratios=MappingProxyType({"1:1": "2048x2048", "3:2": "2496x1664"}),
    min_pixels=1920 * 1920, max_pixels=3072 * 3072, max_ratio=2, references=limits,
)
SERVICES["atelier"] = Service(
    name="atelier", base_url="https://atelier.example", models=(brush,), key_variable="ATELIER_TOKEN",
    keys_page="https://atelier.example/keys", account_page="https://atelier.example/account",
    billing_page="https://atelier.example/top-up", pictures_field="paintings", link_fields=("href",),
)
"""
"""A service that nobody has: all that the package is told of it."""

KEY = "at_Zq7XvTgWpLmRkYbN"


@pytest.fixture
def atelier(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Give the imaginary service, which the package knows for the length of a test and the fault server plays."""
    monkeypatch.setitem(SERVICES, "atelier", SERVICES["novita"])  # so that it is gone afterwards
    exec(TABLE, {})  # noqa: S102 - the same table that a kernel is told
    fault_server.on("/painting.jpg", Reply(body=jpeg(64, 64)))
    paintings = {"paintings": [{"href": f"{fault_server.url}/painting.jpg"}]}
    fault_server.on("/paint", Reply(body=json.dumps(paintings).encode()))
    return SERVICES["atelier"]


@pytest.fixture
def session(tmp_path: Path, fault_server: FaultServer, atelier: Service) -> Iterator[Session]:
    """Give a session that asks it, with the key of its own variable."""
    environ = {"SEEDREAM_BACKEND": atelier.name, atelier.key_variable: KEY, "SEEDREAM_BASE_URL": fault_server.url}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(atelier.key_variable, KEY)
        session = Session(settings=Settings(environ=environ, folder=tmp_path), lingers=False)
        yield session
        session.close()


def asked(fault_server: FaultServer) -> list[Seen]:
    """Return the requests for pictures that came, to whatever path."""
    return [seen for seen in fault_server.seen if seen.method == "POST"]


def sent(fault_server: FaultServer) -> dict[str, object]:
    """Return the one body that it was sent."""
    (post,) = asked(fault_server)
    assert post.path == "/paint"
    assert post.headers["authorization"] == f"Bearer {KEY}"
    body: dict[str, object] = json.loads(post.body)
    return body


PLAIN = {"text": "a fox", "dimensions": "2048x2048", "mode": "disabled", "mark": True}


def test_a_call_reaches_it(session: Session, fault_server: FaultServer) -> None:
    """With its own path, spelling, key, price and name in the history."""
    made = session.start("a fox").result()
    assert sent(fault_server) == PLAIN
    assert (len(made), made.cost, made.backend, made.request.model.name) == (1, 0.5, "atelier", "brush-1")
    assert session.history[-1].request == made.request


def test_a_field_may_lie_in_an_object(session: Session, fault_server: FaultServer) -> None:
    """As its table says with a dot."""
    session.start("a fox", max_images=3, images=[encoded(gradient(64, 48), "PNG")]).result()
    body = sent(fault_server)
    assert body["mode_options"] == {"most": 3}
    assert str(body["sources"]).startswith("['data:image/png;base64,")


def test_the_panel_reaches_it(session: Session, fault_server: FaultServer) -> None:
    """Its page is told its tiers and price, and what it asks goes there."""
    state = State(session)
    shown = state.snapshot()
    assert (list(shown["sizes"]), shown["price"], shown["free"]) == (["2K", "3K"], 0.5, False)
    filled = {**FORM, "prompt": "a fox", "size": "3K"}
    assert ask(Form("options", state), "generate", form=filled)["ok"] == {}
    until(lambda: all(job.over for job in session.jobs))
    assert sent(fault_server) == {**PLAIN, "dimensions": "3072x3072"}


@pytest.mark.slow
@pytest.mark.usefixtures("atelier")
def test_a_cell_reaches_it(tmp_path: Path, fault_server: FaultServer) -> None:
    """In a real kernel, with the key of its own variable; its own limits are told there."""
    environ = {"SEEDREAM_BACKEND": None, "ATELIER_TOKEN": KEY, "SEEDREAM_BASE_URL": fault_server.url}
    with Kernel(tmp_path, env=environ) as kernel:
        kernel.execute(TABLE)
        kernel.execute("%load_ext seedream_nb\n%seedream config backend=atelier")
        assert "1K" in kernel.execute("%%seedream -s 1K\na fox").text
        assert asked(fault_server) == []
        ran = kernel.execute("%%seedream\na fox")
        assert ran.error is None
        assert sent(fault_server) == PLAIN
        assert "2K or 3K" in kernel.execute("%%seedream -s 1K\na fox").text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": "1K"}, "Write 2K or 3K"),
        ({"size": "1024x1024"}, "1920x1920 to 3072x3072"),
        ({"aspect": "3:1"}, "beyond the range 1:2 to 2:1"),
        ({"max_images": 5}, "the range is 1 to 4"),
        ({"images": [encoded(gradient(20 + each, 20), "PNG") for each in range(3)]}, "found more than 2 references"),
    ],
)
def test_its_own_limits_hold(
    session: Session, fault_server: FaultServer, options: dict[str, object], told: str
) -> None:
    """What another model takes is refused, with what this one takes; nothing is sent."""
    with pytest.raises(RequestError, match=told):
        session.start("a fox", **options)
    assert asked(fault_server) == []


def test_its_refusals_name_its_own_pages(session: Session, fault_server: FaultServer) -> None:
    """Who has no money there is sent to its own page."""
    fault_server.on("/paint", Reply(status=402, body=b'{"message": "not enough balance"}'))
    with pytest.raises(seedream_nb.ApiError, match=r"https://atelier\.example/top-up"):
        session.start("a fox").result()


def test_its_key_is_missed_by_its_own_name(tmp_path: Path, atelier: Service) -> None:
    """A key for another service is none for it."""
    environ = {"SEEDREAM_BACKEND": atelier.name, "NOVITA_API_KEY": "sk_other"}
    with pytest.raises(SettingsError, match=r"https://atelier\.example/keys"):
        Session(settings=Settings(environ=environ, folder=tmp_path), scope=EmptyScope()).endpoint()


# -- who knows -----------------------------------------------------------------------------------------

PACKAGE = Path(seedream_nb.__file__).parent
KNOWING = {"service", "sandbox"}
NAMES = {"novita", "sandbox", "seedream-4.0", "2K", "4K"}
PARTS = ("novita.ai", "/v3/", "NOVITA_", "16 777 216", "4096x4096", "1K, 2K", "at most 15", "up to 10 ")
LIMITS = {0.03, 10_000_000, 36_000_000, SEEDREAM_4_0.min_pixels, SEEDREAM_4_0.max_pixels}


def known(source: str) -> list[object]:
    """Return what a module says of services itself: in code and messages, not where it documents."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation]
    return [
        node.value
        for node in constants
        if (isinstance(node.value, str) and any(part in node.value for part in PARTS))
        or (isinstance(node.value, str) and node.value in NAMES and id(node) not in keys)
        or (isinstance(node.value, int | float) and node.value in LIMITS)
    ]


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in KNOWING]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_room_knows_a_service(path: Path) -> None:
    """No path, limit, price, key's variable or backend's name stands outside `service/` and the sandbox."""
    assert known(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x == "sandbox"', ["sandbox"]),
        ('{"sandbox": 1}', []),
        ('"""As in the sandbox: /v3/x."""', []),
        ('url = f"{base}/v3/x"', ["/v3/x"]),
        ("most = 10_000_000", [10_000_000]),
    ],
)
def test_what_a_room_knows_is_found(source: str, found: list[object]) -> None:
    """In code and in messages, and nowhere else."""
    assert known(source) == found
