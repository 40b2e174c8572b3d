"""Looks at a panel: in every width and theme, whether axe-core finds anything, and whether everything has its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import expect

from tests.browser.panel import SET_SOURCE
from tests.page import tools

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.panel import Panel

WIDTHS = {"wide": 1560, "middle": 860, "narrow": 520}
"""Of the page; the panel has some 1 400, 700 and 360 of it: what is beside the notebook is folded away."""
THEMES: dict[str, Literal["JupyterLab Light", "JupyterLab Dark"]] = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Without the first line axe skips colour contrast without a word, for the page's body can't scroll. Where it can't tell
# what lies behind a text, for half a pixel of a line that is cut is beyond an edge, it looks again with that in sight.
AXE = """async ([place, tags]) => {
  document.body.style.overflow = "visible"
  const contrast = rules => rules.filter(each => each.id === "color-contrast").flatMap(each => each.nodes)
  const told = ({target, failureSummary}) => [target.join(" "), failureSummary]
  const found = await axe.run(place, {runOnly: tags})
  const wrong = found.violations.map(({id, nodes}) => [id, nodes.map(told)])
  const unsure = []
  for (const node of contrast(found.incomplete)) {
    const element = document.querySelector(node.target[0])
    element?.scrollIntoView({block: "center"})
    const again = element ? await axe.run(element, {runOnly: ["color-contrast"]}) : {violations: [], incomplete: [node]}
    if (again.violations.length) wrong.push(["color-contrast", contrast(again.violations).map(told)])
    if (again.incomplete.length) unsure.push(told(node))
  }
  return {wrong, unsure, contrast: contrast(found.passes).length}
}"""
SPILLED = """() => {
  const panel = document.querySelector(".sd-panel").getBoundingClientRect()
  return [...document.querySelectorAll(".sd-panel :is(button, input, textarea, li, strong, label)")]
    .filter(each => each.getClientRects().length && !each.closest("dialog"))
    .filter(each => each.getBoundingClientRect().right > panel.right + 1)
    .map(each => each.outerHTML.slice(0, 120))
}"""
# What lies over a picture is for the mouse: by keyboard one comes to a menu, by touch to the full-size view.
SMALL = """() => [...document.querySelectorAll(".sd-panel :is(button, input:not([type=radio], [type=checkbox]))")]
  .filter(each => each.getClientRects().length && !each.closest(".sd-actions"))
  .filter(each => each.getBoundingClientRect().height < 31.5 || each.getBoundingClientRect().width < 31.5)
  .map(each => each.outerHTML.slice(0, 120))"""
# A reference lies under its own buttons; every other control of form and queue has its place alone.
OVERLAPPING = """() => {
  const all = [...document.querySelectorAll(".sd-panel :is(button, input, textarea)")]
    .filter(each => each.getClientRects().length && !each.closest("li, dialog, .sd-scroll"))
  const boxes = all.map(each => each.getBoundingClientRect())
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 ||
    a.bottom <= b.top + 1 || b.bottom <= a.top + 1
  const found = []
  all.forEach((one, i) => all.slice(i + 1).forEach((other, j) => {
    if (!apart(boxes[i], boxes[i + 1 + j])) found.push([one.outerHTML.slice(0, 90), other.outerHTML.slice(0, 90)])
  }))
  return found
}"""
# What ends in an ellipsis is shown in full elsewhere; nothing else may be cut.
CUT = """() => [...document.querySelectorAll(".sd-panel :is(button, label, strong, .sd-label, .sd-hint)")]
  .filter(each => each.getClientRects().length && getComputedStyle(each).textOverflow !== "ellipsis")
  .filter(each => !each.matches(".sd-face, .sd-reference") && each.clientWidth)
  .filter(each => each.scrollWidth > each.clientWidth + 1)
  .map(each => each.outerHTML.slice(0, 120))"""

# The notebook lays its cells out anew: what is looked at meanwhile is not where it was said to be.
STILL = """async () => {
  const all = () => [...document.querySelectorAll(".sd-panel, .sd-panel .sd-card")]
  const place = () => JSON.stringify(all().map(each => each.getBoundingClientRect()))
  const begun = performance.now()
  for (let last = "", since = begun; performance.now() - since < 200;) {
    if (performance.now() - begun > 10_000) throw new Error("the panel does not stay where it is")
    if (place() !== last) [last, since] = [place(), performance.now()]
    await new Promise(requestAnimationFrame)
  }
}"""

PICTURES = """
prompts = ["a lighthouse at dusk, oil on canvas", "一只狐狸在雪地里，水墨画，远山如黛，近处有一株老梅",
           "the sea and the hills and the wind " * 40, "product photo of a red mug, studio light"]
for prompt, size in zip(prompts, ["1536x864", "864x1536", "1568x672", "1024x1024"]):
    sd.generate(prompt, size=size)
sd.generate("fifteen views of a fox", size="1024x1024", max_images=15)
"""
"""Makes landscapes, a portrait, a panorama and a series, of short, long and Chinese prompts."""

REFUSED = {
    "code": 400,
    "reason": "INVALID_REQUEST_BODY",
    "message": "The request failed because the output image may contain sensitive information.",
    "metadata": {},
}
"""What the service answers when its safety check refuses a request."""


def axe_source() -> str:
    """Return axe-core; without it, fail on a machine that is there for tests (CI), and skip elsewhere."""
    if not tools.is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(tools.ABSENT)
    return tools.axe().read_text("utf-8")


def resize(page: Page, width: str | int, height: int = 2100) -> None:
    """Give the page a width, by name or in pixels; the whole panel is in sight, or axe-core can't tell its contrast."""
    page.set_viewport_size({"width": WIDTHS.get(str(width)) or int(width), "height": height})


def widen(page: Page, width: int) -> None:
    """Give the panel alone a width in pixels: it lays itself out by its own width, not by the page's."""
    page.evaluate("width => { document.querySelector('.sd-panel').style.width = `${width}px` }", width)


def misplaced(page: Page) -> dict[str, Any]:
    """Return what lies beyond the panel's edge, is too small for a finger, overlaps, or is cut off."""
    scripts = {"spilled": SPILLED, "small": SMALL, "overlapping": OVERLAPPING, "cut": CUT}
    return {name: found for name, script in scripts.items() if (found := page.evaluate(script))}


def picture_of(page: Page, name: str) -> None:
    """Take a picture of the page, if anybody wants one."""
    if folder := os.environ.get("SEEDREAM_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def look(panel: Panel, state: str, place: str = ".sd-panel") -> dict[str, Any]:
    """Look at a state of the panel, or at a part of it, in every width and theme.

    Returns:
        Where it breaks a rule of WCAG 2.2 AA, its contrast was not checked, or something has no place.
    """
    page = panel.page
    page.evaluate(axe_source())
    wrong: dict[str, Any] = {}
    for theme, name in THEMES.items():
        panel.notebook.theme(name)
        for width in WIDTHS:
            resize(page, width)
            if place == ".sd-panel":
                panel.region.locator("header").evaluate("each => each.scrollIntoView({block: 'start'})")
            page.evaluate(STILL)
            picture_of(page, f"{state}-{width}-{theme}")
            found = page.evaluate(AXE, [place, TAGS])
            faults = {**{key: found[key] for key in ("wrong", "unsure") if found[key]}, **misplaced(page)}
            if not found["contrast"]:
                faults["contrast"] = "was not checked"
            if faults:
                wrong[f"{state}-{width}-{theme}"] = faults
    return wrong


def use_service(panel: Panel, address: str) -> None:
    """Let the session of a panel use a service at this address, and wait until the panel shows it."""
    source = f"sd.configure(backend='novita', api_key='sk_none', base_url={address!r})"
    panel.page.evaluate(SET_SOURCE, [2, source])
    panel.notebook.run(2)
    expect(panel.region.locator("header")).to_contain_text(address.removeprefix("http://"))
