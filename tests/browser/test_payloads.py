"""In a real browser: whatever prompts, names, services and journals hold, a notebook shows it and runs none of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from seedream_nb.view import bundle, history_bundle, request_bundle
from tests.faults.script import POST, Links, Reply
from tests.payloads import PAYLOADS
from tests.pictures import encoded, gradient
from tests.test_renderers import session, shown, written

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from seedream_nb.session import Session
    from tests.browser.jupyter import Notebook, Server
    from tests.faults.server import FaultServer

__all__ = ["session"]  # a fixture

# What stands in outputs and should not: elements that run or fetch, handlers, addresses, styles that fetch.
FOUND = """() => [...document.querySelectorAll(".jp-OutputArea-output *")].flatMap(element => {
  const told = []
  const odd = "script,iframe,object,embed,base,meta,link,form,video,audio,svg"
  // In plain text JupyterLab itself makes links of whatever looks like an address, of any scheme.
  if (element.closest(".jp-RenderedText")) return told
  if (element.matches(odd)) told.push(element.tagName)
  for (const {name, value} of element.attributes) {
    if (name.startsWith("on") || name === "srcdoc" || name === "formaction") told.push(name)
    if (["href", "src", "action", "data"].includes(name)) {
      const fine = name === "src" ? /^data:image\\/(jpeg|png);base64,/ : /^(?!javascript|data|vbscript)/i
      if (!fine.test(value.trim())) told.push(`${name}=${value.slice(0, 80)}`)
    }
    if (name === "style" && /url\\(|expression|@import/i.test(value)) told.push(`style=${value.slice(0, 80)}`)
  }
  return told
})"""

MATH = """() => document.querySelectorAll(".jp-OutputArea-output mjx-container").length"""

TEXT = """() => [...document.querySelectorAll(".jp-OutputArea-output")].map(each => each.textContent).join(" ")"""

BEGIN = """
import json
%load_ext seedream_nb
import seedream_nb as sd
sd.configure(base_url="{url}", api_key="sk_test", price=0)
payloads = json.load(open("payloads.json"))
"""

RESULTS = """
for payload in payloads:
    display(sd.generate(payload))
"""

VIEWS = """
from dataclasses import replace
from IPython.display import display
from seedream_nb.errors import SeedreamError
from seedream_nb.jobs.job import Job
from seedream_nb.request import Reference, make_request
from seedream_nb.view import bundle, history_bundle, job_bundle, picture_bundle, request_bundle

FIELDS = ("name", "sha256", "media_type", "width", "height", "size_bytes")
made = sd.history[1]
for payload in payloads:
    inputs = (
        replace(Reference.from_record(dict.fromkeys(FIELDS, payload), sd.history.home), source=made[0].path),
        Reference(name=payload, url=payload),
        Reference(name=payload, sha256=payload, media_type=payload),
    )
    hostile = replace(
        made, prompt=payload, template=payload, backend=payload, host=payload, status=payload, warnings=[payload],
        error=payload, sources=[payload, "@1 " + payload], notebook=payload, missing={{2: payload}},
    )
    hostile = replace(hostile, request=replace(made.request, prompt=payload, images=inputs))
    gone = replace(made[0], path=made[0].path.with_name("gone " + payload.replace("/", "_").replace(chr(0), "")))
    request = replace(make_request("x", images=inputs[:2]), prompt=payload, warnings=(payload,))
    running = Job(request, backend="sandbox", host="x", price=0.0, timeout=60.0)
    running.update(pictures=[made[0], gone], phase=payload, wait=payload, expected=2)
    failed = Job(request, backend="novita", host="x", price=0.0, timeout=60.0)
    failed.finish(replace(hostile, images=[]), SeedreamError(payload, hint=payload))
    views = [bundle(hostile), bundle(replace(hostile, images=[gone])), picture_bundle(gone), job_bundle(running)]
    views += [job_bundle(failed), request_bundle(request, 0.03, payload), history_bundle([hostile])]
    for view in views:
        display({{key: value for key, value in view.items() if key != "image/jpeg"}}, raw=True)
"""

REFUSALS = """
for payload in payloads:
    try:
        sd.generate("a fox")
    except sd.SeedreamError:
        get_ipython().showtraceback()
"""

VERBS = """
for verb in ("", "history", "history pwned", "recover", "usage", "show @1"):
    get_ipython().run_line_magic("seedream", verb)
print(sd.history[1])
sd.history
"""

CELLS = [
    BEGIN,
    RESULTS,
    VIEWS.replace("{{", "{").replace("}}", "}"),
    REFUSALS,
    "%%seedream -i *.png --out named\n{payloads[0]} {payloads[7]}",
    "%%seedream -i *.png --dry-run\n{payloads[36]} {payloads[1]}",
    "%%seedream -b\n{payloads[2]}",
    "%%seedream --sizes <img/src=/pwned/onerror=window.pwned=1>\n{payloadz}",
    VERBS,
]


def refusal(payload: str) -> Reply:
    """Return a refusal of the service whose every word is this."""
    words = {"code": payload, "reason": payload, "message": payload, "metadata": {"trace_id": payload}}
    return Reply(status=400, body=json.dumps(words).encode())


class Watched:
    """What a page did on its own: dialogs, and requests that a payload asks for."""

    def __init__(self, page: Page) -> None:
        """Watch a page from now on."""
        self.told: list[str] = []
        self._page = page
        page.on("dialog", self._on_dialog)
        page.on("request", lambda request: self._note(request.url))
        page.on("popup", lambda popup: self.told.append(f"popup {popup.url}"))

    def _on_dialog(self, dialog: Any) -> None:
        self.told.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _note(self, url: str) -> None:
        # JupyterLab itself asks its own server about what looks like a path in a text.
        if "pwned" in url and "/api/resolvePath?" not in url:
            self.told.append(f"request {url}")

    def check(self) -> None:
        """Make sure that nothing ran, nothing was asked for, and nothing stands in the outputs that could."""
        assert self._page.evaluate("() => window.pwned") is None
        assert self.told == []
        assert self._page.evaluate(FOUND) == []


def write(folder: Path, url: str) -> Path:
    """Write the notebook, its payloads and files with such names."""
    (folder / "payloads.json").write_text(json.dumps(PAYLOADS))
    for number, payload in enumerate(PAYLOADS[:8]):
        name = payload.replace("/", "").replace("\0", "")[:60]
        (folder / f"{name}.png").write_bytes(encoded(gradient(60 + number, 60), "PNG"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [new_code_cell(CELLS[0].replace("{url}", url)), *map(new_code_cell, CELLS[1:])]
    nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / "payloads.ipynb")
    return folder / "payloads.ipynb"


def look_at_all(notebook: Notebook, watched: Watched) -> str:
    """Bring each output into view, check it, and return all text that was seen."""
    texts = []
    for index in range(len(CELLS)):
        notebook.output(index).wait_for(state="attached")
        watched.check()
        texts.append(notebook.page.evaluate(TEXT))
    return " ".join(texts)


@pytest.fixture
def ran(lab: Server, fault_server: FaultServer) -> tuple[Notebook, Watched]:
    """Run the notebook in a real JupyterLab, and save it."""
    opened = lab.open(write(lab.root, fault_server.url), height=3000)
    watched = Watched(opened.page)
    for index in range(len(CELLS)):
        if CELLS[index] == REFUSALS:
            fault_server.on(POST, *map(refusal, PAYLOADS), Links())
        outputs = opened.run(index)
        errors = [output for output in outputs if output["output_type"] == "error"]
        assert len(errors) == {REFUSALS: len(PAYLOADS), CELLS[7]: 1}.get(CELLS[index], 0), outputs[-1:]
    return opened, watched


@pytest.mark.timeout(300)  # on a machine that does much else
def test_no_payload_runs(ran: tuple[Notebook, Watched], lab: Server, browser: Browser, tmp_path: Path) -> None:
    """None runs, asks for anything or becomes an element: as it runs, reopened without trust, and converted to HTML."""
    opened, watched = ran
    assert "onerror=window.pwned=1" in look_at_all(opened, watched)
    opened.command("docmanager:save")
    assert opened.problems == []

    saved = nbformat.read(lab.root / "payloads.ipynb", as_version=4)
    # Changed, so that it is not the notebook that was signed: nobody trusts it.
    saved.metadata["from"] = "elsewhere"
    nbformat.write(saved, lab.root / "elsewhere.ipynb")
    again = lab.open(lab.root / "elsewhere.ipynb", height=3000)
    watched = Watched(again.page)
    assert "onerror=window.pwned=1" in look_at_all(again, watched)

    from nbconvert.exporters import HTMLExporter

    text, _ = HTMLExporter().from_notebook_node(saved)  # type: ignore[no-untyped-call]
    (tmp_path / "converted.html").write_text(text)
    page = browser.new_page()
    page.route("http*://**/*", lambda route: route.abort())  # what nbconvert's own page wants from elsewhere
    watched = Watched(page)
    page.goto((tmp_path / "converted.html").as_uri())
    assert "onerror=window.pwned=1" in page.evaluate(TEXT)
    watched.check()
    page.close()


def test_no_text_is_typeset(lab: Server, session: Session, tmp_path: Path) -> None:
    """Dollars in a prompt stay dollars: what others wrote is no formula either, whose commands could make links."""
    prompt = r"a fox for $5 or $6, \(\href{javascript:window.pwned=1}{click}\) and $\class{pwned}{x}$"
    generation = session.start(prompt, size="1K").result()
    views = [bundle(generation), history_bundle([generation]), request_bundle(generation.request, 0.03, "sandbox")]
    plain = {"text/html": "<p>$x^2$</p>"}
    notebook = lab.open(written(shown(*views, plain), tmp_path), height=3000)
    # Once the last one is typeset, which nobody keeps from it, the others would be.
    notebook.page.wait_for_function(f"() => ({MATH})() > 0")
    assert notebook.page.evaluate(MATH) == 1
