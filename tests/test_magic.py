"""The magic in a real kernel: a picture below the cell, in a variable, in a file, in the history."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import stat
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kernel import Output, Ran

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the notebook's folder."""
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Kernel]:
    """Start one kernel for the tests that leave it as it was: in the sandbox, the extension loaded."""
    with Kernel(folder, env={"SEEDREAM_BACKEND": "sandbox", "NOVITA_API_KEY": None}) as kernel:
        kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd")
        yield kernel


@pytest.fixture(scope="module")
def fox(shared: Kernel) -> Ran:
    """Run one cell that makes one small picture."""
    return ok(shared.execute("%%seedream -s 1K -o fox\na fox in the snow, ink wash"))


def ok(ran: Ran) -> Ran:
    """Make sure that a cell did not fail."""
    assert ran.error is None, ran.error
    return ran


def previews(bundle: Output) -> list[Image.Image]:
    """Return the pictures that an output's HTML holds."""
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", bundle["text/html"])
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


def size_of(path: Path | str) -> tuple[int, int]:
    """Return width and height of a picture file."""
    with Image.open(path) as image:
        return image.size


def test_loading_prints_nothing(tmp_path: Path) -> None:
    """`%load_ext seedream_nb` shows nothing and returns nothing."""
    with Kernel(tmp_path) as kernel:
        assert kernel.execute("%load_ext seedream_nb").outputs == []


def test_unloading_puts_everything_back(tmp_path: Path) -> None:
    """After `%unload_ext` the magics, formatters and completers are those of before."""
    state = """
ip = get_ipython()
def state():
    formatter = ip.display_formatter.ipython_display_formatter
    magics = {kind: sorted(names) for kind, names in ip.magics_manager.magics.items()}
    printers = sorted(map(str, formatter.type_printers)), sorted(map(str, formatter.deferred_printers))
    names = sorted(vars(ip).keys() - {"_last_input_line"})
    return magics, printers, list(ip.Completer.custom_matchers), "format" in vars(ip.display_formatter), names
before = state()
"""
    with Kernel(tmp_path) as kernel:
        ok(kernel.execute(state))
        ok(kernel.execute("%load_ext seedream_nb"))
        ok(kernel.execute("%unload_ext seedream_nb"))
        assert kernel.execute("state() == before").result == "True"
        assert "not found" in kernel.execute("%seedream").text


def test_the_cells_one_output_is_the_result(fox: Ran) -> None:
    """A finished cell has one output: its value, with a preview."""
    assert [output["output_type"] for output in fox.outputs] == ["execute_result"]
    assert previews(fox.shown[0])[0].size == (1024, 1024)


def test_the_result_reads_as_plain_text(fox: Ran) -> None:
    """Beside the HTML there is plain text: the mark, the size, the sandbox label and the path."""
    assert fox.result is not None
    for word in ("@", "1024x1024", "sandbox", "-1-a-fox-in-the-snow-ink-wash.jpg"):
        assert word in fox.result


def test_the_result_is_labelled_as_the_sandboxs(fox: Ran) -> None:
    """In the sandbox the label is visible in the notebook."""
    assert ">sandbox</span>" in fox.shown[0]["text/html"]


def test_the_preview_has_alternative_text_and_a_link(fox: Ran) -> None:
    """The preview says what it shows and links to the full-size file."""
    html = fox.shown[0]["text/html"]
    assert 'alt="a fox in the snow, ink wash' in html
    assert re.search(r'href="seedream/[0-9]{4}-1-a-fox-in-the-snow-ink-wash\.jpg"', html)


def test_links_lead_from_the_notebook_wherever_the_kernel_has_gone(shared: Kernel, fox: Ran, folder: Path) -> None:
    """After `%cd` a result's links and paths are as before: the page looks from the notebook's folder."""
    (folder / "elsewhere").mkdir()
    before = fox.shown[0]["text/html"]
    try:
        ok(shared.execute("%cd -q elsewhere"))
        assert ok(shared.execute("fox")).shown[0]["text/html"] == before
        made = ok(shared.execute("%%seedream -s 1K\na fox elsewhere"))
        assert re.search(r'href="seedream/[0-9]{4}-1-a-fox-elsewhere\.jpg"', made.shown[0]["text/html"])
    finally:
        ok(shared.execute("%cd -q .."))


def test_the_value_is_in_the_variable_and_in_the_notebooks_own(shared: Kernel, fox: Ran) -> None:
    """`--out`, `_` and `Out[n]` hold the same generation."""
    assert fox.error is None
    number = next(each["execution_count"] for each in fox.outputs)
    ran = shared.execute(f"fox is Out[{number}], type(fox).__name__, len(fox), fox.status")
    assert ran.result == "(True, 'Generation', 1, 'done')"


def test_the_underscore_is_the_result(shared: Kernel) -> None:
    """The cell after a picture finds it in `_`."""
    ok(shared.execute("%%seedream -s 1K\na lamp"))
    assert shared.execute("_[0].width").result == "1024"


def test_the_file_is_on_disk_as_the_service_sent_it(shared: Kernel, fox: Ran, folder: Path) -> None:
    """The full-size picture is a file in `home` with the size asked for."""
    assert fox.error is None
    (path,) = (folder / "seedream").glob("*-1-a-fox-in-the-snow-ink-wash.jpg")
    assert size_of(path) == (1024, 1024)
    assert (
        shared.execute("import hashlib; hashlib.sha256(fox[0].to_bytes()).hexdigest() == fox[0].sha256").result
        == "True"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_files_are_private(fox: Ran, folder: Path) -> None:
    """Files have mode 0600 and folders 0700; a .gitignore keeps the journal out of commits."""
    assert fox.error is None
    home = folder / "seedream"
    files = [path for path in home.rglob("*") if path.is_file() and path.name != ".gitignore"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")] if path.is_dir()} == {0o700}
    assert "/journal/" in (home / ".gitignore").read_text()


def test_braces_take_the_notebooks_values(shared: Kernel) -> None:
    """`{name}`, `{row["key"]}` and formats are replaced; other braces stay."""
    ok(shared.execute("style = 'ukiyo-e'; row = {'n': 2.5}"))
    ok(shared.execute('%%seedream -s 1K -o g\na wave, {style}, {row["n"]:.2f}, {{style}}, {"json": [1]}'))
    assert shared.execute("g.prompt").result == repr('a wave, ukiyo-e, 2.50, {style}, {"json": [1]}')
    assert shared.execute("g.template").result == repr('a wave, {style}, {row["n"]:.2f}, {{style}}, {"json": [1]}')


def test_a_series_lands_in_one_result(shared: Kernel, folder: Path) -> None:
    """`-n 3` gives a generation of three pictures, each a file."""
    ran = ok(shared.execute("%%seedream -s 1K -n 3 -o series\nthree views of a teapot"))
    assert [image.size for image in previews(ran.shown[0])] == [(640, 640)] * 3
    paths = json.loads(shared.execute("import json; print(json.dumps([str(p.path) for p in series]))").printed)
    assert [size_of(path) for path in paths] == [(1024, 1024)] * 3
    assert folder in {type(folder)(path).parent.parent for path in paths}


def test_a_file_is_a_reference(shared: Kernel, folder: Path) -> None:
    """`-i photo.png` goes along, and is kept under `inputs/`."""
    Image.new("RGB", (200, 150), "teal").save(folder / "photo.png")
    ok(shared.execute("%%seedream -s 1K -i photo.png -o edited\nmake it night"))
    assert shared.execute("len(edited.request.images), edited.request.images[0].name").result == "(1, 'photo.png')"
    assert list((folder / "seedream" / "inputs").glob("*.png"))


def test_dry_run_sends_and_spends_nothing(shared: Kernel) -> None:
    """`--dry-run` shows the request and the estimate, has no value, and leaves no trace."""
    before = shared.execute("len(sd.history)").result
    ran = ok(shared.execute("%%seedream --dry-run -n 4 -s 16:9\nfour banners"))
    assert '"2560x1440"' in ran.text
    assert "up to 4 pictures, at most 0.12 USD" in ran.text
    assert ran.result is None
    assert shared.execute("len(sd.history)").result == before


def test_once_shows_what_is_there(shared: Kernel) -> None:
    """`--once` shows the complete result of the same request, and says so."""
    ok(shared.execute("%%seedream -s 1K --once -o first\na red boat"))
    before = shared.execute("len(sd.history)").result
    ran = ok(shared.execute("%%seedream -s 1K --once -o second\na red boat"))
    assert shared.execute("first.id == second.id").result == "True"
    assert shared.execute("len(sd.history)").result == before
    assert "From the history" in ran.text


def test_save_copies_the_files(shared: Kernel, folder: Path) -> None:
    """`--save folder` leaves copies of the full-size files there."""
    ok(shared.execute("%%seedream -s 1K --save out/pictures\na kite"))
    assert len(list((folder / "out" / "pictures").glob("*kite.jpg"))) == 1


def test_background_returns_a_job_and_keeps_its_output_up_to_date(shared: Kernel) -> None:
    """`--background` gives a Job at once; the picture comes to that cell's output."""
    ran = ok(shared.execute("%%seedream -s 1K -b -o job\na green door"))
    assert shared.execute("type(job).__name__").result == "'Job'"
    assert shared.execute("job.result().status").result == "'done'"
    shared.until(lambda: ran.shown and "<img" in ran.shown[0]["text/html"])
    assert len(ran.outputs) == 1


def test_python_makes_pictures_too(shared: Kernel) -> None:
    """`sd.generate` returns a generation; braces are text unless values are given."""
    ok(shared.execute("a = sd.generate('a {style} house', size='1K')"))
    ok(shared.execute("b = sd.generate('a {s} house', values={'s': 'blue'}, size='1K')"))
    assert shared.execute("a.prompt, b.prompt").result == "('a {style} house', 'a blue house')"


def test_a_result_is_edited_and_run_again(shared: Kernel, fox: Ran) -> None:
    """`edit` uses the pictures as references, `rerun` asks the same again with changes."""
    assert fox.error is None
    ok(shared.execute("e = fox.edit('at night', size='1K'); r = fox.rerun(size='1280x960')"))
    assert shared.execute("e.sources == [fox[0].mark], len(e.request.images)").result == "(True, 1)"
    assert shared.execute("r.prompt == fox.prompt, r[0].width, r[0].height").result == "(True, 1280, 960)"


def test_pictures_become_arrays(shared: Kernel, fox: Ran) -> None:
    """A picture is a PIL image or an array when asked."""
    assert fox.error is None
    assert (
        shared.execute("import numpy; numpy.asarray(fox[0]).shape, fox[0].to_pil().size").result
        == "((1024, 1024, 3), (1024, 1024))"
    )


def test_a_job_is_awaited_in_a_cell(shared: Kernel) -> None:
    """`await job` works at the top level of a cell."""
    ran = ok(shared.execute("g = await sd.submit('a clock', size='1K')\ng.status"))
    assert ran.result == "'done'"


BAD = [
    ("%%seedream\n   ", "prompt is empty"),
    ("%%seedream --sise 2K\na fox", "--size"),
    ("%%seedream\na {stile} fox", "style"),
    ("%%seedream -s 512x512\na fox", "1024x1024"),
    ("%%seedream -n 0\na fox", "1 to 15"),
    ("%%seedream -n 12 -i a.png -i b.png -i c.png -i d.png\na fox", "The nearest is 11"),
    ("%%seedream -i fotto.png\na fox", "photo.png"),
    ("%%seedream -i text.png\na fox", "text.png"),
    ("%%seedream -s 99K -n 99 --watermak\na fox", "99K"),
    ("%seedream config api_key=sk_123", "login"),
    ("%seedream config budgett=1", "budget"),
    ("%seedream histry", "history"),
    ("%seedream show @999", "999"),
]


@pytest.mark.parametrize(("code", "told"), BAD, ids=[code.splitlines()[0] for code, _ in BAD])
def test_bad_input_gets_a_clear_error_and_sends_nothing(shared: Kernel, folder: Path, code: str, told: str) -> None:
    """What can't be asked fails the cell with at most five lines, no traceback, and nothing in the history."""
    for index, name in enumerate("abcd"):
        Image.new("RGB", (64, 64), (index, 0, 0)).save(folder / f"{name}.png")
    Image.new("RGB", (200, 150), "teal").save(folder / "photo.png")
    (folder / "text.png").write_text("not a picture")
    ok(shared.execute("style = 'x'"))
    before = shared.execute("len(sd.history)").result
    ran = shared.execute(code)
    assert ran.error is not None
    lines = "\n".join(ran.error["traceback"]).splitlines()
    assert told in "\n".join(lines)
    assert len(lines) <= 5
    assert not any("Traceback" in line or ".py" in line for line in lines)
    assert shared.execute("len(sd.history)").result == before


def test_several_problems_are_told_together(shared: Kernel) -> None:
    """A wrong size, a wrong count and a misspelt name are one error."""
    ran = shared.execute("%%seedream -s 99K -n 99 -i nofile.png\na {fxo}")
    assert ran.error is not None
    text = "\n".join(ran.error["traceback"])
    assert all(part in text for part in ("99K", "99", "nofile.png", "fxo"))


def test_no_key_is_three_lines(tmp_path: Path) -> None:
    """Without a key the default backend says where to get one, how to log in, and how to try without."""
    with Kernel(tmp_path) as kernel:
        kernel.execute("%load_ext seedream_nb")
        ran = kernel.execute("%%seedream\na fox")
        assert ran.error is not None
        lines = "\n".join(ran.error["traceback"]).splitlines()
        assert len(lines) == 3
        assert "%seedream login" in lines[1]
        assert "backend=sandbox" in lines[2]
        assert not (tmp_path / "seedream").exists()


def test_the_history_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A restarted kernel finds what the one before has made, and counts on."""
    with Kernel(tmp_path, env={"SEEDREAM_BACKEND": "sandbox"}) as kernel:
        kernel.execute("%load_ext seedream_nb")
        ok(kernel.execute("%%seedream -s 1K\na fox"))
        kernel.restart()
        ok(kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd"))
        assert kernel.execute("[g.prompt for g in sd.history]").result == "['a fox']"
        ok(kernel.execute("%%seedream -s 1K -o g\na hare"))
        assert kernel.execute("g.id").result == "2"


def test_status_history_config_and_help_are_readable(shared: Kernel, fox: Ran) -> None:
    """The verbs that only tell something do so without failing."""
    assert fox.error is None
    assert "sandbox" in ok(shared.execute("%seedream")).printed
    assert "a fox in the snow" in ok(shared.execute("%seedream history snow")).text
    assert "SEEDREAM_BUDGET" in ok(shared.execute("%env SEEDREAM_BUDGET=9\n%seedream config")).printed
    assert "--max-images" in ok(shared.execute("%seedream help")).printed
    assert "<img" in ok(shared.execute("%seedream show @last")).shown[0]["text/html"]
    ok(shared.execute("del __import__('os').environ['SEEDREAM_BUDGET']"))


def test_a_display_that_fails_fails_no_cell(tmp_path: Path) -> None:
    """What is shown on the way is a courtesy, and so is a variable: the cell's result was paid for and comes."""
    broken = """
%load_ext seedream_nb
ip = get_ipython()
def broken(*parts, **more):
    raise RuntimeError("the page is gone")
publish, push = type(ip.display_pub).publish, ip.push
type(ip.display_pub).publish = broken
ip.push = lambda names, **more: broken() if "fox" in names else push(names, **more)
"""
    mended = "type(ip.display_pub).publish, ip.push = publish, push; print(Out[2].status)"
    with Kernel(tmp_path, env={"SEEDREAM_BACKEND": "sandbox", "NOVITA_API_KEY": None}) as kernel:
        ok(kernel.execute(broken))
        ran = ok(kernel.execute("%%seedream -s 1K -o fox\na fox in the snow"))
        assert "fox could not be set (RuntimeError): the result is in Out and in the history." in ran.text
        assert "done" in ok(kernel.execute(mended)).text
