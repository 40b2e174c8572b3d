"""Each model is told what its own page says: path, fields, sizes, references, price; none stands in for another."""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from seedream_nb.cell import cell_of, read
from seedream_nb.errors import BudgetError, ContentRefusedError, RequestError, SettingsError
from seedream_nb.sandbox import create_app
from seedream_nb.service import DEFAULT, NOVITA, SEEDREAM_4_0, SEEDREAM_4_5, SEEDREAM_5_0_LITE, SERVICES, Model
from seedream_nb.sizes import shape_of, spell_size
from seedream_nb.storage.history import History
from seedream_nb.view import generation_bundle
from seedream_nb.widgets.form import empty_form
from seedream_nb.widgets.state import State
from tests.batches import ask as ask_batch
from tests.faults import Links, Reply, jpeg
from tests.pictures import encoded, gradient
from tests.test_widgets import ask
from tests.waiting import until

if TYPE_CHECKING:
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults import FaultServer

MODELS = {model.name: model for model in (SEEDREAM_4_0, SEEDREAM_4_5, SEEDREAM_5_0_LITE)}
NEWER = ["seedream-4.5", "seedream-5.0-lite"]
PHOTO = encoded(gradient(), "PNG")

# The table of the pages, written once more: name, path, references (field, most, formats), tiers, pixels, price.
ROWS: dict[str, tuple[str, str, int, str, dict[str, int], int, int, float]] = {
    "seedream-4.0": (
        "/v3/seedream-4.0", "images", 10, "jpeg png", {"1K": 1024, "2K": 2048, "4K": 4096}, 1_048_576, 16_777_216, 0.03,
    ),
    "seedream-4.5": (
        "/v3/seedream-4.5", "image", 14, "jpeg png webp bmp tiff gif", {"2K": 2048, "4K": 4096}, 3_686_400, 16_777_216,
        0.04,
    ),
    "seedream-5.0-lite": (
        "/v3/seedream-5.0-lite", "image", 14, "jpeg png webp bmp tiff gif", {"2K": 2048, "3K": 3072}, 3_686_400,
        10_404_496, 0.035,
    ),
}  # fmt: skip
each_model = pytest.mark.parametrize("name", MODELS)
each_newer = pytest.mark.parametrize("name", NEWER)


@pytest.fixture
def session(new_session: NewSession, fault_server: FaultServer) -> Session:
    """Give a session whose service has all models."""
    for model in MODELS.values():
        fault_server.on(model.path, Links(count=1))
    return new_session()


def sent(fault_server: FaultServer) -> tuple[str, dict[str, Any]]:
    """Return where the newest request went, and what it said."""
    post = [seen for seen in fault_server.seen if seen.method == "POST"][-1]
    return post.path, post.json()


# -- the table -----------------------------------------------------------------------------------------


@each_model
def test_a_request_goes_to_its_path(session: Session, fault_server: FaultServer, name: str) -> None:
    """With the fields that every page has."""
    session.start("a fox", model=name).result()
    plain = {"prompt": "a fox", "size": "2048x2048", "sequential_image_generation": "disabled", "watermark": True}
    assert sent(fault_server) == (ROWS[name][0], plain)


@each_model
def test_references_go_in_its_field(session: Session, fault_server: FaultServer, name: str) -> None:
    """As a list, though the newer ones name it in the singular."""
    session.start("a fox", model=name, images=[PHOTO, "https://example.com/a.png"]).result()
    _, body = sent(fault_server)
    data, url = body[ROWS[name][1]]
    assert data.startswith("data:image/png;base64,")
    assert url == "https://example.com/a.png"
    assert {"image", "images"} & set(body) == {ROWS[name][1]}


@each_model
def test_the_number_of_a_series_stands_where_its_page_says(
    session: Session, fault_server: FaultServer, name: str
) -> None:
    """In an object of its own with the newer ones."""
    session.start("a series of 3 foxes", model=name, max_images=3).result()
    _, body = sent(fault_server)
    assert body["sequential_image_generation"] == "auto"
    series = {key: value for key, value in body.items() if key not in {"prompt", "size", "watermark"}}
    own = {"max_images": 3} if name == "seedream-4.0" else {"sequential_image_generation_options": {"max_images": 3}}
    assert series == {"sequential_image_generation": "auto", **own}


@each_model
def test_its_limits_are_those_of_its_page(name: str) -> None:
    """Tiers, pixels in all, ratio, references, references and pictures together, default size, price."""
    _, field, most, formats, tiers, low, high, price = ROWS[name]
    model = MODELS[name]
    assert (model.tiers, model.min_pixels, model.max_pixels, model.price) == (tuple(tiers), low, high, price)
    assert (model.spelled("images"), model.references.max_count) == (field, most)
    assert {media_type.removeprefix("image/") for media_type in model.references.formats.values()} == {*formats.split()}
    assert (model.max_images, model.max_ratio, model.default_size) == (15, 16, "2048x2048")


@each_newer
@pytest.mark.parametrize("ratio", SEEDREAM_4_0.ratios)
def test_a_ratio_is_the_largest_of_its_tier(name: str, ratio: str) -> None:
    """Within the tier's square and what the model takes: the newer pages have no table. `--size` reads alike."""
    model = MODELS[name]
    across, down = map(int, ratio.split(":"))
    for tier, side in ROWS[name][4].items():
        width, height = shape_of(spell_size(tier, ratio, model)) or (0, 0)
        assert model.min_pixels <= width * height <= side * side
        assert (width + 8) * (height + 8) * 1.02 > side * side
        assert (width % 8, height % 8) == (0, 0)
        assert abs(width / height / (across / down) - 1) <= 0.01
    assert spell_size(ratio, None, model) == model.ratios[ratio] == spell_size("2K", ratio, model)


@each_model
@pytest.mark.parametrize("ratio", ["16:1", "1:16", "5:4", "1.91:1", "3:1"])
def test_any_ratio_fits_its_limits(name: str, ratio: str) -> None:
    """In each of its tiers."""
    model = MODELS[name]
    for tier in model.tiers:
        width, height = shape_of(spell_size(tier, ratio, model)) or (0, 0)
        assert model.min_pixels <= width * height <= model.max_pixels


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("seedream-4.5", {"size": "1K"}, 'size: "1K" is not a size of Seedream 4.5. Write 2K or 4K, .*mean 2K'),
        ("seedream-5.0-lite", {"size": "4K"}, 'size: "4K" is not a size of Seedream 5.0 lite. .*Did you mean 3K'),
        ("seedream-5.0-lite", {"size": "1K", "aspect": "16:9"}, "aspect: goes with --size 2K or 3K, not with 1K"),
        ("seedream-4.5", {"size": "1024x1024"}, "1 048 576 pixels .*3 686 400 to 16 777 216.* 4.5 that fits is 1920x1"),
        (
            "seedream-5.0-lite",
            {"size": "4096x4096"},
            "16 777 216 pixels .*to 10 404 496.* fits is 322[0-9]x32",
        ),
        ("seedream-4.5", {"images": [f"https://e.com/{n}" for n in range(15)]}, "found more than 14 references"),
        ("seedream-4.0", {"images": [f"https://e.com/{n}" for n in range(11)]}, "found more than 10 references"),
        ("seedream-4.5", {"images": ["https://e.com"], "max_images": 15}, "with 1 reference the range is 1 to 14"),
    ],
)
def test_what_another_model_takes_is_refused(
    session: Session, fault_server: FaultServer, name: str, options: dict[str, Any], told: str
) -> None:
    """With the nearest that this one takes; nothing is sent."""
    with pytest.raises(RequestError, match=told):
        session.start("a fox", model=name, **options)
    assert fault_server.posts == []


@each_newer
def test_fourteen_references_are_taken(session: Session, fault_server: FaultServer, name: str) -> None:
    """With one picture they are the fifteen that there may be."""
    urls = [f"https://e.com/{number}" for number in range(14)]
    session.start("a fox", model=name, images=urls).result()
    assert sent(fault_server)[1]["image"] == urls


@each_newer
def test_an_error_in_the_place_of_a_picture_is_its_refusal(
    session: Session, fault_server: FaultServer, name: str
) -> None:
    """In the service's words, and not billed; the others are results. If all are errors, it is no success."""
    link = f"{fault_server.url}/there.jpg"
    error = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "may contain sensitive information"}}
    fault_server.on("/there.jpg", Reply(body=jpeg(64, 64)))
    fault_server.on(MODELS[name].path, Reply(body=json.dumps({"images": [{"url": link}, error]}).encode()))
    made = session.start("a series of 2 foxes", model=name, max_images=2).result()
    assert (made.status, len(made), made.cost) == ("partial", 1, MODELS[name].price)
    assert "may contain sensitive information" in " ".join([*made.missing.values(), *made.warnings])
    fault_server.on(MODELS[name].path, Reply(body=json.dumps({"images": [error]}).encode()))
    with pytest.raises(ContentRefusedError, match="may contain sensitive information"):
        session.start("a fox", model=name).result()


def test_a_sweep_over_models_asks_each(session: Session, fault_server: FaultServer) -> None:
    """On the same prompt, each at its own path and price."""
    batch = ask_batch(session, over={"model": [*MODELS]}).result()
    assert sorted(seen.path for seen in fault_server.seen if seen.method == "POST") == [row[0] for row in ROWS.values()]
    assert batch.cost == pytest.approx(0.03 + 0.04 + 0.035)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("doubao-seedream-4-5-251128", "seedream-4.5"),
        ("doubao-seedream-5-0-260128", "seedream-5.0-lite"),
        ("bytedance/seedream-4", "seedream-4.0"),
        ("seedream-4-0-250828", "seedream-4.0"),
        ("Seedream-4.5", "seedream-4.5"),
        ("4.5", "seedream-4.5"),
        ("seedream5.0", "seedream-5.0-lite"),
    ],
)
def test_a_vendors_name_is_refused_with_ours(
    session: Session, fault_server: FaultServer, written: str, meant: str
) -> None:
    """In a request as in the settings: never does one model stand in for another."""
    told = rf"must be one of seedream-4\.0, .*Did you mean {meant}\?"
    with pytest.raises(RequestError, match=told):
        session.start("a fox", model=written)
    with pytest.raises(SettingsError, match=told):
        session.settings.change(model=written)
    assert fault_server.posts == []


@pytest.mark.parametrize("value", [4.5, True, ["seedream-4.5"], b"seedream-4.5"])
def test_a_model_is_text(session: Session, value: object) -> None:
    """Anything else is refused."""
    with pytest.raises(RequestError, match=r"model: found .*write a name such as seedream-4.0"):
        session.start("a fox", model=value)


# -- everything follows the model ----------------------------------------------------------------------


def test_a_setting_holds_for_requests_that_name_none(session: Session, fault_server: FaultServer) -> None:
    """And a request may name another."""
    session.settings.change(model="seedream-4.5")
    session.start("a fox", size="16:9").result()
    assert sent(fault_server)[0] == "/v3/seedream-4.5"
    assert sent(fault_server)[1]["size"] == "2728x1536"
    session.start("a fox", size="16:9", model="seedream-4.0").result()
    assert sent(fault_server)[0] == "/v3/seedream-4.0"
    assert sent(fault_server)[1]["size"] == "2560x1440"


def test_a_size_that_is_set_must_be_one_of_the_model(session: Session) -> None:
    """Whichever of the two is set last, and when both are; then nothing is changed."""
    session.settings.change(size="1K")
    with pytest.raises(SettingsError, match=r"not a size of Seedream 4.5. Write 2K or 4K"):
        session.settings.change(model="seedream-4.5")
    session.settings.change(model="seedream-4.5", size="4K")
    with pytest.raises(SettingsError, match=r"not a size of Seedream 4.5"):
        session.settings.change(size="1K")
    with pytest.raises(SettingsError, match=r"not a size of Seedream 5.0 lite"):
        session.settings.change(model="seedream-5.0-lite")
    session.settings.change(model=None, size="1K")
    assert session.compose("a fox").model is DEFAULT.model


def test_the_environment_names_a_model(new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that this version doesn't know is refused, and never replaced."""
    session = new_session()
    environ: dict[str, str] = {}
    monkeypatch.setattr(session.settings, "_environ", environ)
    environ["SEEDREAM_MODEL"] = "seedream-5.0-lite"
    assert session.compose("a fox").model is SEEDREAM_5_0_LITE
    environ["SEEDREAM_MODEL"] = "seedream-9"
    with pytest.raises(SettingsError, match="SEEDREAM_MODEL='seedream-9' in the environment: must be one of"):
        session.compose("a fox")


@each_model
def test_each_costs_its_own_price(session: Session, name: str) -> None:
    """In the generation, and in what was spent."""
    made = session.start("a fox", model=name).result()
    assert made.cost == ROWS[name][-1]
    assert session.budget.spent == pytest.approx(ROWS[name][-1])


def test_the_budget_counts_by_the_model(session: Session, fault_server: FaultServer) -> None:
    """0.10 USD are three pictures of 4.0 and two of 4.5."""
    session.settings.change(budget=0.10)
    session.compose("a fox", max_images=3, model="seedream-4.0")
    with pytest.raises(BudgetError, match=r"0\.12 USD"):
        session.start("a series of 3", max_images=3, model="seedream-4.5").result()
    assert fault_server.posts == []


def test_what_is_run_again_keeps_its_model(session: Session, fault_server: FaultServer) -> None:
    """Unless it is told another, whatever the setting says by now."""
    made = session.start("a fox", size="4K", model="seedream-4.5").result()
    session.settings.change(model="seedream-5.0-lite")
    made.rerun()
    assert sent(fault_server)[0] == "/v3/seedream-4.5"
    with pytest.raises(RequestError, match=r"not a size of Seedream 5.0 lite"):
        made.rerun(model="seedream-5.0-lite")
    made.rerun(model="seedream-5.0-lite", size="3K")
    assert sent(fault_server)[0] == "/v3/seedream-5.0-lite"


def test_once_asks_for_the_same_model(session: Session, fault_server: FaultServer) -> None:
    """Another model is another request."""
    made = session.start("a fox", model="seedream-4.5").result()
    session.start("a fox", once=True).result()
    assert sent(fault_server)[0] == "/v3/seedream-4.0"
    assert session.start("a fox", model="seedream-4.5", once=True).result().id == made.id


@each_model
def test_the_cell_of_a_generation_names_its_model(session: Session, name: str) -> None:
    """Where it is not the one in force, and its size where that differs; read again, it asks for the same."""
    made = session.start("a fox", size="16:9", model=name).result()
    for set_model in (None, "seedream-4.5"):
        session.settings.change(model=set_model)
        line, _, body = cell_of(made, session).partition("\n")
        options, problems = read(line.removeprefix("%%seedream"), session.settings.model)
        assert problems == []
        assert session.compose(body, **options).fingerprint == made.request.fingerprint
        assert ("--model" in line) == (name != (set_model or "seedream-4.0"))


def test_a_result_names_its_model(session: Session) -> None:
    """In text and in HTML, unless it is the usual one."""
    made = session.start("a fox", model="seedream-4.5").result()
    usual = session.start("a fox").result()
    for shown in (generation_bundle(made), generation_bundle(session.history[made.id])):
        assert "Seedream 4.5" in shown["text/plain"]
        assert "Seedream 4.5" in shown["text/html"]
    assert "Seedream 4" not in "".join(map(str, generation_bundle(usual).values()))


def test_a_journal_keeps_the_model(session: Session) -> None:
    """What the first release wrote, which had none, is 4.0."""
    for name in MODELS:
        session.start("a fox", model=name).result()
    read_again = History(session.history.home)
    assert [each.request.model.name for each in read_again] == [*MODELS]
    record = session.history[1].request.to_record()
    assert "model" not in record


@pytest.mark.parametrize(("size", "shown"), [("16:9", "2728x1536"), ("4K", "4K")])
def test_what_a_later_versions_model_made_is_read(
    session: Session, fault_server: FaultServer, size: str, shown: str
) -> None:
    """It stands in the history with pictures and cost, also pickled; nothing is sent to a model of that name."""
    session.start("a fox", size=size, model="seedream-4.5").result()
    (file,) = session.history.home.glob("journal/*.jsonl")
    file.write_text(file.read_text("utf-8").replace("seedream-4.5", "seedream-9.0"), "utf-8")
    (made,) = History(session.history.home)
    assert (made.request.model.name, made.request.size, len(made), made.cost) == ("seedream-9.0", shown, 1, 0.04)
    assert pickle.loads(pickle.dumps(made)).request == made.request  # noqa: S301 - just made
    assert made.request.to_record()["model"] == "seedream-9.0"
    with pytest.raises(RequestError, match=r"found seedream-9\.0; it must be one of"):
        session.again(made.request, {})
    with pytest.raises(RequestError, match=r"novita has no model seedream-9\.0: name another"):
        session.submit(made.request)
    assert session.again(made.request, {"model": "seedream-4.5"}).model is SEEDREAM_4_5
    assert len(fault_server.posts) == 1


# -- references ----------------------------------------------------------------------------------------


@each_newer
@pytest.mark.parametrize("form", ["WEBP", "BMP", "TIFF", "GIF"])
def test_a_format_that_it_takes_is_sent_as_it_is(
    session: Session, fault_server: FaultServer, name: str, form: str
) -> None:
    """Byte for byte; for the model that lacks the format it is converted, which is said."""
    content = encoded(gradient().quantize(), form) if form == "GIF" else encoded(gradient(), form)
    made = session.start("a fox", model=name, images=content).result()
    (data,) = sent(fault_server)[1]["image"]
    assert data == f"data:image/{form.lower()};base64,{base64.b64encode(content).decode()}"
    assert made.warnings == []
    older = made.rerun(model="seedream-4.0")
    (data,) = sent(fault_server)[1]["images"]
    assert data.startswith(("data:image/png;base64,", "data:image/jpeg;base64,"))
    assert f"converted from {form} to" in "".join(older.warnings)


def test_what_a_format_tells_stays_home(session: Session, fault_server: FaultServer) -> None:
    """A TIFF with a description is encoded again, and says so; a moving GIF is its first frame."""
    told = encoded(gradient(), "TIFF", description="SECRET")
    moving = encoded(gradient(), "GIF", save_all=True, append_images=[gradient(mode="RGB").rotate(180)])
    made = session.start("a fox", model="seedream-4.5", images=[told, moving]).result()
    images = sent(fault_server)[1]["image"]
    assert [data.partition(";")[0] for data in images] == ["data:image/png"] * 2
    assert "converted from TIFF to PNG" in "".join(made.warnings)
    assert "only the first of its 2 frames was sent" in "".join(made.warnings)


# -- the sandbox, written independently ----------------------------------------------------------------


async def asked(name: str, body: dict[str, Any]) -> httpx.Response:
    """Ask a sandbox, as any client would."""
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        return await client.post(ROWS[name][0], json=body, timeout=60)


def data_of(form: str) -> str:
    """Return a reference of a format, as a data URI."""
    content = encoded(gradient().quantize(), form) if form == "gif" else encoded(gradient(), form)
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


@each_model
@pytest.mark.anyio
async def test_the_sandbox_takes_what_the_page_says(name: str) -> None:
    """Each format of references in its field; any other field, size or format is a 400."""
    _, field, most, formats, tiers, *_ = ROWS[name]
    smallest = {"prompt": "a fox", "size": "1600x2304" if name in NEWER else "1024x1024"}
    assert (await asked(name, {**smallest, field: [data_of(form) for form in formats.split()]})).status_code == 200
    other = {"image": "images", "images": "image"}[field]
    wrong: list[dict[str, Any]] = [
        {other: [data_of("png")]},
        {field: [data_of("png")] * (most + 1)},
        {"size": "1K" if "1K" not in tiers else "3K"},
        {"size": "1024x1023"},
        {"size": "4096x4104"},
        {"max_images": 2} if name in NEWER else {"sequential_image_generation_options": {"max_images": 2}},
        {"sequential_image_generation_options": {"max_images": 16}} if name in NEWER else {"max_images": 16},
        {"optimize_prompt_options": {"mode": "fast"}},
        *([] if name in NEWER else [{field: [data_of("webp")]}]),
    ]
    for more in wrong:
        reply = await asked(name, {**smallest, **more})
        assert (reply.status_code, json.loads(reply.content)["reason"]) == (400, "INVALID_REQUEST_BODY"), more


@each_model
def test_the_sandbox_makes_what_is_asked(session: Session, name: str) -> None:
    """Through the package: pictures of exactly the size, and as many as the prompt says."""
    session.settings.change(backend="sandbox", model=name)
    made = session.start("a series of 2 foxes", size="16:9", max_images=3, images=PHOTO).result()
    expected = shape_of(MODELS[name].ratios["16:9"])
    assert [(picture.width, picture.height) for picture in made.images] == [expected] * 2
    assert made.cost == 0


# -- one more ------------------------------------------------------------------------------------------


def test_a_fourth_model_is_one_table(
    session: Session, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An imaginary one is asked through call, cell, panel and settings as soon as the service has it."""
    own = {**SEEDREAM_4_5.spelling, "prompt": "text"}
    fourth: Model = replace(
        SEEDREAM_4_5, name="seedream-9.9", title="Seedream 9.9", path="/v9/seedream", price=0.5,
        spelling=MappingProxyType(own), tiers=("2K", "8K"),
    )  # fmt: skip
    monkeypatch.setitem(SERVICES, NOVITA.name, replace(NOVITA, models=(*NOVITA.models, fourth)))
    fault_server.on("/v9/seedream", Links(count=1))
    made = session.start("a fox", model="seedream-9.9").result()
    assert sent(fault_server)[0] == "/v9/seedream"
    assert (sent(fault_server)[1]["text"], made.cost) == ("a fox", 0.5)
    options, problems = read("--model seedream-9.9 -s 8K", session.settings.model)
    assert (options["size"], problems) == ("8K", [])
    panel = State(session)
    (offer,) = [offer for offer in panel.snapshot()["models"] if offer["name"] == "seedream-9.9"]
    assert (offer["title"], list(offer["sizes"]), offer["price"]) == ("Seedream 9.9", ["2K", "8K"], 0.5)
    ask(panel, "generate", form={**empty_form(fourth), "prompt": "a hen", "size": "8K"})
    until(lambda: all(job.over for job in session.jobs))
    assert sent(fault_server)[1]["text"] == "a hen"
    assert cell_of(session.history[-1], session).startswith("%%seedream --model seedream-9.9 --size ")
    session.settings.change(model="seedream-9.9")
    assert session.compose("a fox").model is fourth
