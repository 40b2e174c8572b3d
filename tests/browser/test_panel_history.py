"""The history in a real JupyterLab: choosing a picture of a series, what other doors made, what is gone from disk."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from benchmarks import bench_history
from seedream_nb.widgets.gallery import PAGE
from tests.browser.panel import COUNT

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.jupyter import Notebook
    from tests.browser.panel import Open, Panel
    from tests.faults.server import FaultServer


SERIES = "sd.generate('three foxes', size='1K', max_images=3)"
ELSEWHERE = """import subprocess, sys
code = '''
import sys
import seedream_nb as sd
sd.configure(backend="sandbox", home=sys.argv[1])
sd.generate("from another kernel", size="1K")
'''
_ = subprocess.run([sys.executable, "-c", code, str(sd.history.home)], check=True)"""
MANY = 120
LISTEN = """() => {
  const asked = window.askedFor = { marks: [], open: new Set() }
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
  kernel.anyMessage.connect((_, { msg, direction }) => {
    const said = msg.content.data?.content
    if (direction === "recv") asked.open.delete(said?.id)
    else if (said?.ask === "thumbnails") {
      asked.marks.push(...said.marks)
      asked.open.add(said.id)
    }
  })
}"""
"""Note which thumbnails the page asks the kernel for."""
ASKED_FOR = """async () => {
  for (let still = 0; still < 30; still++) {
    await new Promise(requestAnimationFrame)
    if (window.askedFor.open.size) still = 0
  }
  return window.askedFor.marks
}"""
"""The marks, once the page has its answers and asks for no more."""
SHOWS = """() => [...document.querySelectorAll("[role=listitem] img[data-picture]")].slice(0, 12)
  .every((each, place, all) => all.length === 12 && each.naturalWidth > 0)"""
"""The first rows have all their pictures."""
SERVICE = "sd.configure(backend='novita', api_key='sk_test', base_url={url!r})\n"
"""Makes small pictures faster than the sandbox does large ones."""
EXECUTE = "code => void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code})"
GONE = "[each.unlink() for each in sd.history.home.glob('*.jpg')]"


def test_each_picture_of_a_series_can_be_taken_from_its_card(show: Open, tmp_path: Path) -> None:
    """The card says which it shows; what is done with a picture is done with that one."""
    panel = show(before=SERIES)
    card = panel.history.first
    expect(card.get_by_text("1 of 3")).to_be_visible()
    card.get_by_role("button", name="Next picture").click()
    expect(card.get_by_text("2 of 3")).to_be_visible()
    expect(card.get_by_text("@1.2", exact=True)).to_be_visible()
    card.get_by_role("button", name="Use as reference").click()
    expect(panel.references.first).to_have_attribute("aria-label", "image 1: @1.2")
    card.get_by_role("button", name="Next picture").press("ArrowRight")
    expect(card.get_by_text("3 of 3")).to_be_visible()
    with panel.page.expect_download() as downloading:
        card.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename == "0001-three-foxes.zip"
    with zipfile.ZipFile(downloading.value.path()) as zipped:
        assert zipped.testzip() is None
        found = {name: zipped.read(name) for name in zipped.namelist()}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "home").glob("0001-*")}


def test_the_history_stays_in_its_order_when_more_is_made(show: Open, fault_server: FaultServer) -> None:
    """Newest first, over many rows."""
    made = SERVICE.format(url=fault_server.url) + "for n in range(14): sd.generate(f'fox {n}')"
    panel = show("for n in range(14, 16): sd.generate(f'fox {n}')", before=made)
    expect(panel.history).to_have_count(14)
    panel.notebook.run(2)
    expect(panel.history).to_have_count(16)
    names = panel.history.evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert names == [f"fox {n}" for n in range(15, -1, -1)]


@pytest.fixture
def long(show: Open, page: Notebook, tmp_path: Path) -> Panel:
    """Show a panel with many generations before it, which notes what it asks for."""
    home = tmp_path / "home"
    home.mkdir()
    bench_history.write(home, MANY)
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "picture.jpg")
    for path in home.glob("*-1-*.jpg"):
        path.unlink()
        os.link(tmp_path / "picture.jpg", path)
    page.page.evaluate(LISTEN)
    panel = show()
    page.page.wait_for_function(SHOWS)
    return panel


def number(panel: Panel, count: int) -> Locator:
    """Return the card of a generation of `bench_history`."""
    return panel.region.get_by_role("listitem", name=f"number {count},")


SCROLL = """([number, height]) => new Promise(done => {
  const scroller = document.querySelector(".sd-scroll")
  const timer = setInterval(() => {
    if (document.querySelector(`[role=listitem][aria-label*="number ${number},"]`)) {
      clearInterval(timer)
      done()
    } else scroller.scrollTop += height
  }, 30)
})"""


def scroll_to(panel: Panel, count: int, way: int = 1) -> Locator:
    """Scroll down, or up, until a card is there; return it, in sight and full."""
    panel.page.evaluate(SCROLL, [count, 300 * way])
    card = number(panel, count)
    card.scroll_into_view_if_needed()
    expect(card.get_by_role("button", name="Delete")).to_be_attached()
    return card


def scroll_to_the_end(panel: Panel) -> None:
    """Scroll until the oldest card is in sight, and full."""
    scroll_to(panel, 1)
    expect(number(panel, 1).locator("img[src]")).to_have_count(1)


def test_thumbnails_are_asked_for_as_they_come_into_sight(long: Panel) -> None:
    """Of many generations only the first screens' before one scrolls; far below, a card's when it is reached."""
    asked = long.page.evaluate(ASKED_FOR)
    assert f"@{MANY}.1" in asked
    assert len(asked) < PAGE  # not even all cards that are there already
    scroll_to_the_end(long)
    asked = long.page.evaluate(ASKED_FOR)
    assert "@1.1" in asked
    assert len(asked) == len(set(asked))


def test_only_what_is_near_is_on_the_page(long: Panel) -> None:
    """However many there are. When one comes back it is as it was, where it was; its picture is not asked for again."""
    card = scroll_to(long, MANY - 20)
    card.get_by_role("button", name="Next picture").click()
    expect(card).to_contain_text("2 of 4")
    number(long, MANY - 25).get_by_role("button", name="View @").focus()  # what Tab comes to would stay
    long.prompt.focus()
    top = card.evaluate("each => each.style.transform")
    scroll_to_the_end(long)
    expect(card).to_have_count(0)
    assert long.history.count() < PAGE
    asked = long.page.evaluate(ASKED_FOR)
    card = scroll_to(long, MANY - 20, -1)
    expect(card).to_contain_text("2 of 4")
    assert card.evaluate("each => each.style.transform") == top
    assert len(asked) == len(set(asked))
    assert "@100.2" in asked


RUSH = """async list => {
  let scroller = list
  while (getComputedStyle(scroller).overflowY !== "auto") scroller = scroller.parentElement
  let full = 0
  const isFilled = each => each.addedNodes.length && each.target.matches("[role=listitem]")
  const watch = new MutationObserver(seen => { full += seen.filter(isFilled).length })
  watch.observe(list, { childList: true, subtree: true })
  let [last, slowest] = [performance.now(), 0]
  for (let frame = 0; frame < 40; frame++) {
    if (frame === 10) full = 0 // that it is a rush is known by its second step
    scroller.scrollTop = frame % 2 ? scroller.scrollHeight : scroller.scrollHeight / 2
    await new Promise(requestAnimationFrame)
    slowest = Math.max(slowest, performance.now() - last)
    last = performance.now()
  }
  watch.disconnect()
  return slowest < 80 ? full : null
}"""
"""How many cards are filled in a rush; null where a machine that is busy makes it a walk."""


def test_what_rushes_by_is_not_made(long: Panel) -> None:
    """Faster than one can see: that would only hold up the scrolling. Where one comes to rest the cards are full."""
    scroll_to_the_end(long)
    scroll_to(long, MANY, -1)
    wall = long.region.get_by_role("list", name="History")
    rushes = [wall.evaluate(RUSH) for _ in range(4)]
    assert {*rushes} <= {0, None}
    expect(number(long, 1).get_by_role("button", name="Download")).to_be_attached()


def test_what_tab_comes_to_is_there_far_from_sight(long: Panel) -> None:
    """Who comes to the wall in another way than by scrolling finds all that can be done."""
    scroll_to_the_end(long)
    expect(number(long, MANY).get_by_role("button", name="Delete")).to_have_count(1)


def test_what_has_the_focus_stays_far_from_sight(long: Panel) -> None:
    """The next key goes on from there."""
    face = scroll_to(long, MANY - 20).get_by_role("button", name="View @")
    face.focus()
    scroll_to_the_end(long)
    expect(face).to_be_focused()


def test_a_panel_that_is_hidden_meanwhile_is_as_it_was(long: Panel) -> None:
    """As in another tab of JupyterLab, or where an output is folded: nothing is filled anew when one comes back."""
    card = scroll_to(long, MANY - 20)
    card.evaluate("each => { each.querySelector('button').dataset.same = 'yes' }")
    shown = long.region.element_handle()  # found by its role only while it is shown
    for display in ("none", ""):
        shown.evaluate("(each, display) => { each.style.display = display }", display)
        long.page.evaluate(ASKED_FOR)  # which waits for some frames
    expect(card.locator("[data-same]")).to_have_count(1)


def test_the_focus_stays_where_it_is_when_more_is_made(show: Open, fault_server: FaultServer) -> None:
    """Although the card that has it goes to another place of the wall."""
    made = "for n in range(12): sd.generate(f'fox {n}')"
    panel = show(before=SERVICE.format(url=fault_server.url) + made)
    expect(panel.history).to_have_count(12)
    panel.history.last.get_by_role("button", name="View @").focus()
    panel.page.evaluate(EXECUTE, "sd.generate('a hare')")
    expect(panel.history).to_have_count(13)
    expect(panel.history.last.get_by_role("button", name="View @")).to_be_focused()
    expect(panel.history.last).to_have_attribute("aria-label", "fox 0")


def test_prompts_of_other_kernels_are_walked_through_too(show: Open) -> None:
    """Of all sessions in this home; their pictures are in the history."""
    panel = show(before=ELSEWHERE)
    expect(panel.history).to_have_count(1)
    panel.prompt.fill("mine")
    panel.prompt.press("Alt+ArrowUp")
    expect(panel.prompt).to_have_value("from another kernel")
    panel.prompt.press("Alt+ArrowDown")
    expect(panel.prompt).to_have_value("mine")


def test_what_another_kernel_makes_appears(show: Open) -> None:
    """While the panel is open."""
    panel = show(ELSEWHERE)
    expect(panel.history).to_have_count(0)
    panel.notebook.run(2)
    expect(panel.history.first).to_have_attribute("aria-label", "from another kernel")


def test_typing_does_not_wait_for_the_kernel(show: Open) -> None:
    """While a cell keeps its main thread, what is typed is there, counted, and in the estimate."""
    panel = show("import time; time.sleep(15)")
    panel.notebook.select(2)
    panel.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
    panel.prompt.press_sequentially("three red foxes")
    panel.region.get_by_role("spinbutton", name="Max images").fill("4")
    panel.region.get_by_role("radio", name="4K").check()
    expect(panel.region.get_by_text("3 words")).to_be_visible()
    expect(panel.generate).to_contain_text("up to 4 pictures")
    expect(panel.region.get_by_text("4096 × 4096")).to_be_visible()
    assert panel.page.evaluate(COUNT, 2) is None  # it runs still


def test_a_picture_whose_file_is_gone_says_so(show: Open) -> None:
    """On its card and in full size; the request can still be made again."""
    panel = show(before=f"sd.generate('a fox', size='1K')\n{GONE}")
    card = panel.history.first
    expect(card.get_by_text("its file is missing")).to_be_visible()
    card.get_by_role("button", name="Download").click()
    expect(card.get_by_role("alert")).to_contain_text("can't be read")
    card.get_by_role("button", name="View @1").click()
    view = panel.page.get_by_role("dialog", name="Picture")
    expect(view.get_by_role("alert")).to_contain_text("can't be read")
    panel.page.keyboard.press("Escape")
    card.get_by_role("button", name="Run again").dblclick()
    expect(panel.history).to_have_count(2)
    expect(panel.history.first.get_by_role("button", name="View @2")).to_be_enabled()


def test_an_entry_whose_record_is_gone_leaves_the_wall(show: Open) -> None:
    """Without the page being loaded again."""
    panel = show("import shutil; shutil.rmtree(sd.history.home / 'journal')", before="sd.generate('a fox', size='1K')")
    expect(panel.history).to_have_count(1)
    panel.notebook.run(2)
    expect(panel.history).to_have_count(0)
    expect(panel.region.get_by_text("Your pictures will appear here.")).to_be_visible()


# -- what it was made from -----------------------------------------------------------------------------


def test_an_entry_says_what_it_was_made_from(show: Open) -> None:
    """By the mark of the picture that it had as a reference."""
    panel = show(before="g = sd.generate('a fox', size='1K'); g.edit('the fox at night', size='1K')")
    expect(panel.history.first).to_contain_text("from @1.1")
    expect(panel.history.last).not_to_contain_text("from")
