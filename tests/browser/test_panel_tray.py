"""The panel's reference tray in a real JupyterLab: by mouse, keyboard, clipboard and files, and what it refuses."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.panel import FILES, SET_SOURCE, fill, notebook
from tests.browser.test_panel import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.jupyter import Notebook, Server
    from tests.browser.panel import Open, Panel

TRAY = "panel._state.tray"
TALL = {"width": 1400, "height": 2600}
PASTE = """carried => document.activeElement.dispatchEvent(
  new ClipboardEvent('paste', {clipboardData: carried, bubbles: true, cancelable: true}))"""
COPY = """async text => {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0))
  await navigator.clipboard.write([new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})})])
}"""
SPARSE = """() => {
  const piece = new Blob([new Uint8Array(10_000_000)])
  const carried = new DataTransfer()
  carried.items.add(new File(Array(20).fill(piece), "huge.tif", {type: "image/tiff"}))
  return carried
}"""
# JupyterLab itself goes to the notebook's folder, at some time after the notebook is ready.
ROOT = """async name => {
  await window.jupyterapp.commands.execute('filebrowser:go-to-path', {path: '/'})
  return [...document.querySelectorAll('.jp-DirListing-item')].some(item => item.title.includes(name))
}"""
BAR = "item => getComputedStyle(item, '::before').width"


@pytest.fixture
def tall(page: Notebook) -> Iterator[None]:
    """Have the panel and what is below it in sight together."""
    before = page.page.viewport_size
    page.page.set_viewport_size(TALL)  # type: ignore[arg-type]  # a TypedDict
    yield
    if before is not None:
        page.page.set_viewport_size(before)


def drag(source: Locator, target: Locator, share: float = 0.5) -> None:
    """Press the mouse on the middle of one thing, and move it over another: to this share of its width."""
    target.scroll_into_view_if_needed()
    mouse = source.page.mouse
    x, y = _point(source, 0.5)
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 9, y + 9, steps=3)
    x, y = _point(target, share)
    mouse.move(x, y, steps=6)
    mouse.move(x + 1, y)


def _point(what: Locator, share: float) -> tuple[float, float]:
    box = what.bounding_box()
    assert box is not None
    return box["x"] + box["width"] * share, box["y"] + box["height"] / 2


def drop(panel: Panel, files: Sequence[tuple[str, str]]) -> None:
    """Drop files of these names and base64 contents together."""
    carried = panel.page.evaluate_handle(FILES, [[name, "image/png", content] for name, content in files])
    panel.zone.dispatch_event("drop", {"dataTransfer": carried})


def fill_tray(panel: Panel, *colours: str) -> None:
    """Put a picture of each colour into the tray, in this order."""
    drop(panel, [(f"{colour}.png", encoded(colour=colour)) for colour in colours])
    expect(panel.references).to_have_count(len(colours))


def order(panel: Panel, *names: str) -> None:
    """Wait until these are the references."""
    expect(panel.references).to_have_count(len(names))
    for number, name in enumerate(names, 1):
        expect(panel.references.nth(number - 1)).to_have_attribute("aria-label", f"image {number}: {name}")


def value(panel: Panel, expression: str) -> str:
    """Return what the fourth cell shows of an expression over `tray`, the panel's."""
    panel.page.evaluate(SET_SOURCE, [3, f"tray = {TRAY}\n{expression}"])
    shown: str = panel.notebook.run(3)[0]["data"]["text/plain"]
    return shown


def status(panel: Panel, text: str) -> None:
    """Wait until a screen reader is told this."""
    expect(panel.region.get_by_role("status").filter(has_text=text).first).to_be_attached()


# -- files ---------------------------------------------------------------------------------------------


def test_a_dropped_file_becomes_a_reference(show: Open) -> None:
    """By its own name, with its number."""
    panel = show()
    panel.drop("teal.png", encoded())
    order(panel, "teal.png")
    expect(panel.references.first.locator("img")).to_be_visible()
    status(panel, "teal.png is image 1.")


def test_files_that_are_dropped_elsewhere_on_the_panel_come_too(show: Open) -> None:
    """Else the browser would show the file in place of the notebook."""
    panel = show()
    carried = panel.page.evaluate_handle(FILES, [["teal.png", "image/png", encoded()]])
    panel.prompt.dispatch_event("drop", {"dataTransfer": carried})
    order(panel, "teal.png")


def test_a_large_photo_arrives_whole_with_its_progress(show: Open, tmp_path: Path) -> None:
    """40 MB, byte for byte: the file it was is the file it is."""
    photo = tmp_path / "photo.png"
    Image.merge("RGB", [Image.effect_noise((4200, 3300), 90 + band) for band in range(3)]).save(photo, compress_level=0)
    assert photo.stat().st_size > 40_000_000
    panel = show()
    with panel.page.expect_file_chooser() as chosen:
        panel.button("Add images").click()
    chosen.value.set_files(photo)
    progress = panel.region.get_by_role("progressbar", name="Sending photo.png")
    expect(progress).to_be_visible()
    expect(panel.references).to_have_count(1, timeout=60_000)
    expect(progress).to_be_hidden()
    assert value(panel, "tray.held()[0].sha256").strip("'") == hashlib.sha256(photo.read_bytes()).hexdigest()


def photo_on_its_way(panel: Panel, photo: Path) -> None:
    """Pick a large file, and wait until a part of it was sent."""
    with panel.page.expect_file_chooser() as chosen:
        panel.button("Add images").click()
    chosen.value.set_files(photo)
    expect(panel.region.get_by_role("progressbar", name="Sending photo.png")).to_be_visible()


def test_generate_waits_for_what_is_on_its_way(show: Open, tmp_path: Path) -> None:
    """A request without the photo that was dropped is not what was meant, and would cost money."""
    photo = tmp_path / "photo.png"
    Image.effect_noise((6000, 6000), 90).save(photo, compress_level=0)
    panel = show("sd.history[-1].request.images[0].name")
    panel.prompt.fill("image 1 at night")
    photo_on_its_way(panel, photo)
    panel.generate.click()
    expect(panel.history).to_have_count(1)
    assert panel.notebook.run(2)[0]["data"]["text/plain"] == "'photo.png'"


def test_generate_sends_nothing_when_a_reference_can_not_come(show: Open, tmp_path: Path) -> None:
    """It says so beside the button, and the tray says why."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(bytes(60_000_000))
    panel = show("len(sd.history)")
    panel.prompt.fill("image 1 at night")
    photo_on_its_way(panel, photo)
    panel.prompt.press("Control+Enter")
    panel.said("A reference image did not arrive")
    panel.said("photo.png")
    assert panel.notebook.run(2)[0]["data"]["text/plain"] == "0"


def test_a_view_that_is_closed_while_it_sends_leaves_nothing_behind(show: Open, tmp_path: Path) -> None:
    """The half of the file that has come goes from the kernel."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(bytes(90_000_000))
    panel = show()
    with panel.page.expect_file_chooser() as chosen:
        panel.button("Add images").click()
    chosen.value.set_files(photo)
    expect(panel.region.get_by_role("progressbar", name="Sending photo.png")).to_be_visible()
    panel.notebook.select(1)
    panel.notebook.command("notebook:clear-cell-output")
    left = "import time; time.sleep(1); tray.arriving._files, list(tray.arriving.folder().iterdir())"
    assert value(panel, left) == "(OrderedDict(), [])"


# -- drags ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tall")
def test_our_picture_dragged_from_an_output_is_the_original(show: Open) -> None:
    """By its mark, in full size: what a cell shows is but a preview."""
    panel = show("sd.generate('a fox', size='2K')")
    panel.notebook.run(2)
    drag(panel.notebook.output(2).get_by_role("img", name="a fox"), panel.zone)
    panel.page.mouse.up()
    order(panel, "@1.1")
    assert value(panel, "tray.held()[0].source == sd.history[-1][0].path, tray.held()[0].width") == "(True, 2048)"


@pytest.mark.usefixtures("tall")
def test_our_picture_of_another_folder_is_not_taken_for_one_of_this(show: Open, tmp_path: Path) -> None:
    """The same mark is another picture there."""
    panel = show("sd.generate('a fox', size='1K')")
    panel.notebook.run(2)
    value(panel, f"sd.configure(home={str(tmp_path / 'other')!r}); sd.generate('a hen', size='1K').mark")
    drag(panel.notebook.output(2).get_by_role("img", name="a fox"), panel.zone)
    panel.page.mouse.up()
    panel.said("@1.1: in this history that is a different picture")
    expect(panel.references).to_have_count(0)


@pytest.mark.usefixtures("tall")
@pytest.mark.parametrize("shown", ["photo", "HTML(f'<img alt=photo src=\"data:image/png;base64,{text}\">')"])
def test_a_foreign_picture_dragged_from_an_output_comes(show: Open, shown: str) -> None:
    """As it is in the page, whole: a value's PNG, or an image with a data URI."""
    before = (
        "import base64, io\nfrom IPython.display import HTML\nfrom PIL import Image\n"
        "photo = Image.new('RGB', (640, 480), 'navy')\nfile = io.BytesIO()\nphoto.save(file, 'PNG')\n"
        "text = base64.b64encode(file.getvalue()).decode()"
    )
    panel = show(shown, before=before)
    panel.notebook.run(2)
    drag(panel.notebook.output(2).get_by_role("img"), panel.zone)
    panel.page.mouse.up()
    expect(panel.references).to_have_count(1)
    assert value(panel, "tray.held()[0].width, tray.held()[0].height") == "(640, 480)"


@pytest.mark.usefixtures("tall")
def test_a_picture_dragged_from_the_history_is_the_original(show: Open) -> None:
    """By its mark too."""
    panel = show()
    panel.make("a fox", 1)
    drag(panel.history.first.get_by_role("button", name="View @1"), panel.zone)
    panel.page.mouse.up()
    order(panel, "@1.1")


def test_a_file_is_dragged_from_the_file_browser(shared_lab: Server, tmp_path: Path) -> None:
    """From another folder than the notebook's, with a name that means something to Python and to URLs."""
    deep = shared_lab.root / "deep"
    deep.mkdir()
    Image.new("RGB", (320, 240), "navy").save(shared_lab.root / "print('é #1%').png")
    opened = shared_lab.open(notebook(deep / "deep.ipynb", "", "", "", ""))
    panel = fill(opened, tmp_path)
    opened.page.wait_for_function(ROOT, arg="print(", polling=500)
    drag(opened.page.get_by_role("listitem", name="print('é #1%').png"), panel.zone)
    expect(panel.zone).to_have_css("border-top-style", "solid")
    opened.page.mouse.up()
    order(panel, "print('é #1%').png")
    expect(panel.zone).to_have_css("border-top-style", "dashed")
    assert value(panel, "tray.held()[0].width, tray.held()[0].height") == "(320, 240)"
    assert opened.problems == []
    opened.page.close()
    shared_lab.opened.remove(opened)


# -- the clipboard -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "name"),
    [("textbox", "Prompt"), ("radio", "2K"), ("button", "Add images"), ("textbox", "Add by name, path or URL")],
)
def test_a_pasted_picture_becomes_a_reference(show: Open, role: str, name: str) -> None:
    """Wherever in the panel the focus is: with the real keys."""
    panel = show()
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.page.bring_to_front()
    panel.page.evaluate(COPY, encoded())
    panel.region.get_by_role(role, name=name).first.focus()  # type: ignore[arg-type]
    panel.page.keyboard.press("Control+v")
    expect(panel.references).to_have_count(1)


def test_text_that_is_pasted_into_the_prompt_stays_text(show: Open) -> None:
    """Nothing is said of it."""
    panel = show()
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.page.bring_to_front()
    panel.page.evaluate("() => navigator.clipboard.writeText('a fox')")
    panel.prompt.focus()
    panel.page.keyboard.press("Control+v")
    expect(panel.prompt).to_have_value("a fox")
    expect(panel.region.get_by_text("contains no picture")).to_have_count(0)


# -- what is refused -----------------------------------------------------------------------------------


def test_an_eleventh_reference_by_name_is_told(show: Open) -> None:
    """What was written stays in the field."""
    panel = show(before="from PIL import Image\nphoto = Image.new('RGB', (400, 300), 'navy')")
    drop(panel, [(f"{number}.png", encoded(300 + number)) for number in range(10)])
    expect(panel.references).to_have_count(10)
    panel.add("photo")
    panel.said("found more than 10 references")
    expect(panel.name).to_have_value("photo")


def test_a_file_of_200_megabytes_is_told_before_any_of_it_is_sent(show: Open) -> None:
    """With the limit, and what to do."""
    panel = show()
    sent: list[int] = []
    listening = panel.page.context.new_cdp_session(panel.page)
    listening.on("Network.webSocketFrameSent", lambda frame: sent.append(len(frame["response"]["payloadData"])))
    listening.send("Network.enable")
    panel.zone.dispatch_event("drop", {"dataTransfer": panel.page.evaluate_handle(SPARSE)})
    panel.said("huge.tif: has 200 MB; the panel takes up to 100 MB.")
    panel.add("nothing_of_this_name")
    panel.said("nothing_of_this_name")
    listening.detach()
    assert 0 < sum(sent) < 100_000


def test_what_can_not_be_read_any_more_is_told(show: Open, tmp_path: Path) -> None:
    """A file that has changed since it was chosen; those beside it come."""
    for name in ("first.png", "second.png"):
        Image.effect_noise((1600, 1200), 90).convert("RGB").save(tmp_path / name, compress_level=0)
    panel = show()
    with panel.page.expect_file_chooser() as chosen:
        panel.button("Add images").click()
    chosen.value.set_files([tmp_path / "first.png", tmp_path / "second.png"])
    (tmp_path / "second.png").write_bytes(b"something else")
    panel.said("second.png: it can't be read here")
    order(panel, "first.png")


# -- by name -------------------------------------------------------------------------------------------


def test_a_variable_becomes_a_reference_by_its_name(show: Open) -> None:
    """And what does not exist is told at the tray."""
    panel = show(before="from PIL import Image\nphoto = Image.new('RGB', (400, 300), 'navy')")
    panel.add("photo")
    expect(panel.references).to_have_count(1)
    expect(panel.references.first.locator("img")).to_be_visible()
    expect(panel.name).to_have_value("")
    panel.add("foto")
    panel.said("foto")
    expect(panel.name).to_have_value("foto")


@pytest.mark.parametrize(("begun", "offered"), [("pho", "photo"), ("@", "@1"), ("beside", "beside.png")])
def test_names_marks_and_files_are_offered(show: Open, shared_lab: Server, begun: str, offered: str) -> None:
    """A click adds one."""
    Image.new("RGB", (400, 300), "teal").save(shared_lab.root / "beside.png")
    before = "from PIL import Image\nphoto = Image.new('RGB', (400, 300), 'navy')\nsd.generate('a fox', size='1K')"
    panel = show(before=before)
    panel.name.press_sequentially(begun)
    # Until the list is that of the whole word, what is in it moves.
    suggested = panel.region.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(suggested.filter(has_not_text=begun)).to_have_count(0)
    panel.region.get_by_role("listbox", name="Suggestions").get_by_role("option", name=offered, exact=True).click()
    expect(panel.references).to_have_count(1)
    expect(panel.name).to_have_value("")


def test_a_suggestion_is_taken_when_the_mouse_goes_down(show: Open) -> None:
    """The list may be renewed before it comes up, and then there would be no click."""
    panel = show(before="from PIL import Image\nphoto = Image.new('RGB', (400, 300), 'navy')")
    panel.name.press_sequentially("photo")
    suggested = panel.region.get_by_role("listbox", name="Suggestions").get_by_role("option")
    option = suggested.filter(has_text="photo")
    expect(suggested).to_have_count(1)
    option.hover()
    panel.page.mouse.down()
    expect(panel.references).to_have_count(1)
    panel.page.mouse.up()
    expect(panel.references).to_have_count(1)


def test_suggestions_are_taken_by_keyboard(show: Open) -> None:
    """Arrows choose, Enter takes; the field keeps the focus and says which is chosen."""
    panel = show(
        before="from PIL import Image\nshot_a, shot_b = (Image.new('RGB', (400, 300), c) for c in ('red', 'blue'))"
    )
    panel.name.press_sequentially("shot_")
    options = panel.region.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(options).to_have_count(2)
    status(panel, "2 suggestions.")
    for key, chosen in [("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0), ("ArrowDown", 1)]:
        panel.name.press(key)
        expect(options.nth(chosen)).to_have_attribute("aria-selected", "true")
        expect(panel.name).to_have_attribute("aria-activedescendant", options.nth(chosen).get_attribute("id") or "-")
    panel.name.press("Enter")
    order(panel, "shot_b")
    expect(options).to_have_count(0)
    expect(panel.name).to_be_focused()


def test_escape_closes_the_suggestions(show: Open) -> None:
    """What was written stays, and Enter takes that."""
    panel = show(before="from PIL import Image\nphoto, photos = Image.new('RGB', (400, 300), 'red'), []")
    panel.name.press_sequentially("photo")
    suggested = panel.region.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(suggested.first).to_be_visible()
    panel.name.press("Escape")
    expect(suggested).to_have_count(0)
    expect(panel.name).to_have_value("photo")
    panel.name.press("Enter")
    order(panel, "photo")


# -- the order -----------------------------------------------------------------------------------------


def test_references_are_moved_by_mouse(show: Open) -> None:
    """A bar shows where it will be."""
    panel = show()
    fill_tray(panel, "teal", "navy", "gold")
    last = panel.references.filter(has_text="gold")
    drag(panel.references.filter(has_text="teal"), last, 0.8)
    expect(last).to_have_attribute("data-gap", "after")
    assert last.evaluate(BAR) == "4px"
    panel.page.mouse.up()
    order(panel, "navy.png", "gold.png", "teal.png")
    expect(panel.region.locator("[data-gap]")).to_have_count(0)
    status(panel, "teal.png is now image 3 of 3.")
    expect(panel.region.get_by_role("alert").filter(has_text=re.compile(r"\S"))).to_have_count(0)


# -- the host ------------------------------------------------------------------------------------------


def test_a_tray_can_be_used_alone(show: Open) -> None:
    """Its value is what `images=` takes, and it counts no pictures that nobody has asked for."""
    panel = show(
        "tray = sd.ReferenceTray()\ntray", "sd.generate('a fox', images=tray.value, size='1K').request.images[0].name"
    )
    panel.notebook.run(2)
    alone = panel.notebook.output(2)
    expect(alone.get_by_text("0 of 10", exact=True)).to_be_visible()
    carried = panel.page.evaluate_handle(FILES, [["teal.png", "image/png", encoded()]])
    alone.get_by_role("button", name="Add images").dispatch_event("drop", {"dataTransfer": carried})
    expect(alone.get_by_role("listitem", name="image 1: teal.png")).to_be_visible()
    expect(alone.get_by_text("1 of 10", exact=True)).to_be_visible()
    expect(panel.references).to_have_count(0)
    assert panel.notebook.run(3)[0]["data"]["text/plain"] == "'teal.png'"


def test_a_tray_alone_tells_of_a_restart(show_alone: Open) -> None:
    """And what to do."""
    panel = show_alone("tray = sd.ReferenceTray()\ntray")
    panel.notebook.run(2)
    alone = panel.notebook.output(2)
    expect(alone.get_by_role("button", name="Add images")).to_be_visible()
    expect(alone.get_by_text("0 of 10", exact=True)).to_be_visible()
    panel.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(alone.get_by_role("alert").filter(has_text="The kernel was restarted.")).to_be_visible()
