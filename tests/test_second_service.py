"""Another service with another model is one table: it is reached through every door, and its own limits hold."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import seedream_nb
from seedream_nb.errors import ReferenceImageError, RequestError, SettingsError
from seedream_nb.scope import EmptyScope
from seedream_nb.service import DEFAULT, SEEDREAM_4_0, SERVICES, Service
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.widgets.form import empty_form
from seedream_nb.widgets.state import State
from tests.faults import Reply, jpeg
from tests.kernel import Kernel
from tests.pictures import encoded, gradient, noise
from tests.test_widgets import ask
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedream_nb.storage.generation import Generation
    from tests.faults import FaultServer
    from tests.faults.script import Seen

TABLE = """
from types import MappingProxyType
from dataclasses import replace
from seedream_nb.service import SEEDREAM_4_0, SERVICES, Service
limits = replace(
    SEEDREAM_4_0.references, max_count=2, formats=MappingProxyType({"PNG": "image/png"}), max_bytes=30_000,
    max_pixels=120 * 120, min_side=9, max_ratio=2,
)
brush = replace(
    SEEDREAM_4_0, name="brush-1", title="Brush 1", path="/paint", price=0.5, tiers=("2K", "3K"), max_images=20,
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


def test_each_model_has_its_own_price(session: Session) -> None:
    """What is set holds for all of them; so do the estimates of a dry run and of the panel."""
    priced = [session.price(model) for model in (session.settings.model, SEEDREAM_4_0)]
    session.settings.change(price=0.2)
    assert (priced, session.price(SEEDREAM_4_0), State(session).snapshot()["price"]) == ([0.5, 0.03], 0.2, 0.2)


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
    filled = {**empty_form(session.settings.model), "prompt": "a fox", "size": "3K"}
    assert ask(state, "generate", form=filled)["ok"] == {}
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
        assert "2K or 3K" in kernel.execute("%%seedream -s 1K\na fox").text
        assert "from 1 to 20" in kernel.execute("%%seedream -n\na fox").text
        assert "the range is 1 to 20" in kernel.execute("%%seedream -n 21\na fox").text
        told = kernel.execute("%seedream help").text
        assert "Make pictures with Brush 1." in told
        assert "2K or 3K, WxH in pixels, or a ratio such as 3:2" in " ".join(told.split())
        kernel.execute("import numpy")
        tried = kernel.execute("%%seedream --dry-run -n 18 -i numpy.zeros((9,9),'uint8')\na fox").text
        assert "at most 9.00 USD" in tried
        refused = kernel.execute("%%seedream --dry-run -i numpy.zeros((8,9),'uint8')\na fox").text
        assert "each side must be more than 8" in refused
        assert asked(fault_server) == []
        ran = kernel.execute("%%seedream\na fox")
        assert ran.error is None
        assert sent(fault_server) == PLAIN


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": "1K"}, "Write 2K or 3K"),
        ({"size": "1024x1024"}, "1920x1920 to 3072x3072"),
        ({"aspect": "3:1"}, "beyond the range 1:2 to 2:1"),
        ({"max_images": 21}, "the range is 1 to 20"),
        ({"images": [encoded(gradient(20 + each, 20), "PNG") for each in range(3)]}, "found more than 2 references"),
        ({"images": encoded(gradient(8, 9), "PNG")}, "8x9 pixels; each side must be more than 8"),
        ({"images": encoded(gradient(50, 20), "PNG")}, "the ratio must be between 1:2 and 2:1. Crop it, for example"),
        ({"images": np.zeros((8, 9), np.uint8)}, "shape .8, 9.. has 9x8 pixels; each side must be more than 8"),
    ],
)
def test_its_own_limits_hold(
    session: Session, fault_server: FaultServer, options: dict[str, object], told: str
) -> None:
    """What another model takes is refused, with what this one takes; nothing is sent."""
    with pytest.raises(RequestError, match=told):
        session.start("a fox", **options)
    assert asked(fault_server) == []


# -- its references ------------------------------------------------------------------------------------

TINY = encoded(gradient(14, 20), "PNG")
"""Too small a reference for the other service."""


def noted(made: Generation) -> str:
    """Return what was done to the reference of a generation."""
    return "\n".join(made.warnings)


def test_a_reference_that_only_it_takes(session: Session, fault_server: FaultServer) -> None:
    """A side of 14 pixels is refused at the other service and sent here, in a call and from the tray."""
    state = State(session)
    state.tray.add(TINY)
    session.start("a fox", images=TINY).result()
    assert str(sent(fault_server)["sources"]).startswith("['data:image/png;base64,")
    session.settings.change(backend=DEFAULT.name, api_key="sk_other")
    for refused in (lambda: session.start("a fox", images=TINY), lambda: state.tray.add(TINY)):
        with pytest.raises(ReferenceImageError, match="14x20 pixels; each side must be more than 14"):
            refused()
    assert len(asked(fault_server)) == 1


def test_a_reference_that_was_added_for_another_model(session: Session, fault_server: FaultServer) -> None:
    """What the tray holds is asked for its shape again when the model that it goes to takes less."""
    state = State(session)
    session.settings.change(backend=DEFAULT.name)
    state.tray.add(encoded(gradient(50, 20), "PNG"))
    session.settings.change(backend="atelier")
    error = ask(state, "generate", form={**state.form.draft, "prompt": "a fox"})["error"]
    assert "50x20 pixels; the ratio must be between 1:2 and 2:1" in " ".join(error["told"])
    assert asked(fault_server) == []


def test_its_tray_holds_as_many_as_it_takes(session: Session) -> None:
    """The panel's page is told, and one more is refused."""
    state = State(session)
    assert state.snapshot()["most"] == {"references": 2, "pictures": 20}
    for width in (20, 21):
        state.tray.add(encoded(gradient(width, 20), "PNG"))
    content = encoded(gradient(22, 20), "PNG")
    with pytest.raises(ReferenceImageError, match="at most 2 references fit"):
        state.tray.receive("k", "more.png", len(content), 0, content)


def test_a_format_that_it_does_not_take_is_converted(session: Session, fault_server: FaultServer) -> None:
    """A JPEG, which the other service gets as it is, goes as PNG; it says so."""
    made = session.start("a fox", images=encoded(gradient(40, 30), "JPEG")).result()
    assert str(sent(fault_server)["sources"]).startswith("['data:image/png;base64,")
    assert "converted from JPEG to PNG" in noted(made)


def test_a_reference_of_more_pixels_or_bytes_than_it_takes(session: Session, fault_server: FaultServer) -> None:
    """Is scaled down until it fits; its own limits are told."""
    made = session.start("a fox", images=encoded(noise(130, 130), "PNG")).result()
    assert "(at most 0.0144 million pixels and 0.03 MB)" in noted(made)
    (source,) = cast("list[str]", sent(fault_server)["sources"])
    content = base64.b64decode(source.partition(",")[2])
    with Image.open(BytesIO(content)) as picture:
        assert picture.width * picture.height <= 120 * 120
    assert len(content) <= 30_000


def test_a_figure_is_drawn_for_it(session: Session) -> None:
    """What lies outside a figure's frame is drawn too, but where that is no shape that this model takes."""
    figure = Figure(figsize=(2, 2))
    for across, down in ((0, 0), (0, 1), (2.2, 1)):
        figure.text(across, down, "a fox")
    width, height = picture_size(session, figure)
    session.settings.change(backend=DEFAULT.name)
    wide, high = picture_size(session, figure)
    assert width == height
    assert wide > 2 * high


def picture_size(session: Session, figure: Figure) -> tuple[int, int]:
    """Return the pixels of the reference that a figure makes."""
    (reference,) = session.compose("a fox", images=figure).images
    assert reference.width is not None
    assert reference.height is not None
    return reference.width, reference.height


# -- its settings, its key, its pages ------------------------------------------------------------------


def test_a_size_is_set_for_its_model(session: Session) -> None:
    """A default size is one that the model takes which is then in force."""
    session.settings.change(size="3K")
    assert session.compose("a fox").size == "3K"
    with pytest.raises(SettingsError, match="Write 2K or 3K"):
        session.settings.change(size="1K")
    with pytest.raises(SettingsError, match="Write 1K, 2K or 4K"):
        session.settings.change(backend=DEFAULT.name, size="3K")


def test_a_key_that_was_set_goes_to_no_other_service(session: Session, fault_server: FaultServer) -> None:
    """`configure(api_key=…)` is for the service in force; the other has its own variable's, and its own address."""
    session.settings.change(backend=DEFAULT.name, api_key="sk_other", base_url="https://other.example")
    assert session.endpoint().host == "other.example"
    session.settings.change(backend="atelier")
    session.start("a fox").result()
    assert sent(fault_server) == PLAIN  # with its own key
    session.settings.change(backend=DEFAULT.name)
    found = session.endpoint().key
    assert found is not None
    assert found.reveal() == "sk_other"


def test_a_key_may_be_set_along_with_its_service(session: Session) -> None:
    """In one call, in any order."""
    session.settings.change(backend=DEFAULT.name)
    session.settings.change(api_key="at_fresh", backend="atelier")
    found = session.endpoint().key
    assert found is not None
    assert found.reveal() == "at_fresh"


@pytest.mark.parametrize("key", [KEY, "sk_Zq7XvTgWpLmRkYbN"])
def test_a_key_of_either_is_kept_out_of_prompts(session: Session, fault_server: FaultServer, key: str) -> None:
    """Whichever service is asked: the other's key lies about just as well."""
    session.settings.change(backend=DEFAULT.name, api_key="sk_Zq7XvTgWpLmRkYbN")
    session.settings.change(backend="atelier")
    with pytest.raises(RequestError, match="Your key is in the prompt"):
        session.start(f"a fox, {key}")
    assert asked(fault_server) == []


def test_its_refusals_name_its_own_pages(session: Session, fault_server: FaultServer) -> None:
    """Who has no money there, the wrong key or no permission is sent to its own pages, variable and model."""
    for status, body, told in (
        (402, b'{"message": "not enough balance"}', r"https://atelier\.example/top-up"),
        (403, b"{}", r"https://atelier\.example/account"),
        (403, b'{"message": "no model access"}', r"Allow Brush 1 .*https://atelier\.example/keys"),
        (401, b"{}", "ATELIER_TOKEN"),
    ):
        fault_server.on("/paint", Reply(status=status, body=body))
        with pytest.raises(seedream_nb.ApiError, match=told):
            session.start("a fox").result()


def test_its_key_is_missed_by_its_own_name(tmp_path: Path, atelier: Service) -> None:
    """A key for another service is none for it."""
    environ = {"SEEDREAM_BACKEND": atelier.name, "NOVITA_API_KEY": "sk_other"}
    with pytest.raises(SettingsError, match=r"https://atelier\.example/keys"):
        Session(settings=Settings(environ=environ, folder=tmp_path), scope=EmptyScope()).endpoint()
