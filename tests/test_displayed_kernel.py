"""What the notebook has shown: the picture shown last, and those of a cell, in a real kernel."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import IPython
import pytest

from tests import kernels
from tests.faults.script import POST, Links
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.server import FaultServer

pytestmark = pytest.mark.kernel

HELPERS = """
%load_ext seedream_nb
%seedream config backend=sandbox
import io, json
from PIL import Image
from IPython.display import display, update_display, clear_output, Image as Embedded
from tests.references import load_reference
from seedream_nb.errors import Problem
from seedream_nb.notebook.scope import NotebookScope
from seedream_nb.references.adapters import sources_of

def plain(color, size=(40, 30)):
    return Image.new("RGB", size, color)

def png(color, size=(40, 30)):
    stream = io.BytesIO()
    plain(color, size).save(stream, "PNG")
    return stream.getvalue()

def told(mark):
    import io as i
    try:
        values = NotebookScope(get_ipython()).shown(mark)
    except Problem as problem:
        return str(problem)
    found = []
    for value in values:
        for name, source in sources_of("x", value):
            one = load_reference(name, source).source
            one = i.BytesIO(one) if isinstance(one, bytes) else one
            one = one if isinstance(one, Image.Image) else Image.open(one)
            found.append([*one.size, "#%02x%02x%02x" % one.convert("RGB").getpixel((0, 0))])
    return found
"""


@pytest.fixture(scope="module", params=["the IPython installed", kernels.OLD_IPYTHON])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel of each IPython for all these tests; where the old one lacks, fail in CI and skip elsewhere."""
    is_old = request.param == kernels.OLD_IPYTHON
    if is_old and sys.version_info >= (3, 14):
        pytest.skip("Colab has Python 3.13, and its IPython was made for none later")
    if is_old and not kernels.is_there(request.param):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(kernels.ABSENT.format(version=request.param))
    env = kernels.environment(request.param) if is_old else {}
    with Kernel(tmp_path_factory.mktemp("notebook"), env) as kernel:
        told = kernel.execute("import IPython\nprint(IPython.__version__)").printed.strip()
        assert told == (kernels.OLD_IPYTHON if is_old else IPython.__version__)
        yield kernel


@pytest.fixture
def notebook(shared: Kernel) -> Kernel:
    """Give a notebook that has shown nothing yet; its next cell has the number 2."""
    shared.execute("%reset -f")
    shared.execute("%unload_ext seedream_nb")
    shared.execute("%reset -f")
    ran = shared.execute(HELPERS)
    assert ran.error is None
    return shared


def told(kernel: Kernel, mark: str = "@out") -> Any:
    """Return what a mark stands for: width, height and colour of each picture, or why there is none."""
    ran = kernel.execute(f"print(json.dumps(told({mark!r})))")
    assert ran.error is None, ran.text
    return json.loads(ran.printed)


RED, BLUE = [40, 30, "#ff0000"], [40, 30, "#0000ff"]

SHOWING = {
    "a value": "plain('red')",
    "display": "display(plain('red'))",
    "an update": "h = display(plain('blue'), display_id=True)\nh.update(plain('red'))",
    "raw": "display({'image/png': png('red'), 'text/plain': 'x'}, raw=True)",
    "Image": "display(Embedded(data=png('red')))",
    "animation": "for c in ('blue', 'green', 'red'):\n    clear_output(wait=True)\n    display(plain(c))",
    "captured before": "from IPython.utils.capture import capture_output\nwith capture_output() as c:\n"
    "    display(plain('red'))\nc.show()",
    "thread": "import threading\nt = threading.Thread(target=lambda: display(plain('red')))\nt.start()\nt.join()",
    "text too": "display(plain('red'))\ndisplay('words')\nprint('words')",
}


@pytest.mark.parametrize("code", SHOWING.values(), ids=SHOWING)
def test_what_a_cell_showed_is_one_picture(notebook: Kernel, code: str) -> None:
    """However it was shown, it is the one shown last, and the one of its cell, counted once."""
    notebook.execute(code)
    number = int(notebook.execute("print(len(In) - 2)").printed)
    assert told(notebook) == [RED]
    assert told(notebook, f"@[{number}]") == [RED]


def test_nothing_shown_is_told(notebook: Kernel) -> None:
    """In words, and for a cell with what there is."""
    assert "no picture was shown" in told(notebook)
    assert "nothing since" in told(notebook, "@[99]")
    notebook.execute("plain('red')")
    number = int(notebook.execute("print(len(In) - 2)").printed)
    assert f"cell [99] has shown no picture; there is @[{number}]." in told(notebook, "@[99]")


def test_a_cell_has_all_its_pictures_in_order(notebook: Kernel) -> None:
    """`@out` is the last of them."""
    notebook.execute("display(plain('red'))\ndisplay(plain('blue'))")
    number = int(notebook.execute("print(len(In) - 2)").printed)
    assert told(notebook, f"@[{number}]") == [RED, BLUE]
    assert told(notebook) == [BLUE]


def test_it_is_as_it_was_shown(notebook: Kernel) -> None:
    """What was painted over it since does not count."""
    notebook.execute("it = plain('red')\nit")
    notebook.execute("it.paste('blue', (0, 0, 40, 30))")
    assert told(notebook) == [RED]


def test_what_nobody_saw_was_not_shown(notebook: Kernel) -> None:
    """The output of `%%capture` is on no page."""
    notebook.execute("plain('red')")
    notebook.execute("%%capture\ndisplay(plain('blue'))\nplain('blue')")
    assert told(notebook) == [RED]


def test_an_update_stays_with_its_cell(notebook: Kernel) -> None:
    """A display that another cell updates is below the cell that made it, with its newest picture."""
    notebook.execute("display(plain('red'), display_id='here')")
    number = int(notebook.execute("print(len(In) - 2)").printed)
    notebook.execute("update_display(plain('blue'), display_id='here')")
    assert told(notebook, f"@[{number}]") == [BLUE]
    assert "has shown no picture" in told(notebook, f"@[{number + 2}]")


def test_what_an_update_replaced_is_gone_from_its_cell(notebook: Kernel) -> None:
    """By words, say."""
    notebook.execute("h = display(plain('red'), display_id=True)\nh.update('done')")
    number = int(notebook.execute("print(len(In) - 2)").printed)
    assert "has shown no picture" in told(notebook, f"@[{number}]")


def test_a_thing_that_shows_itself_takes_no_others_place(notebook: Kernel) -> None:
    """Nor is a drawing without PNG overlooked: it says so."""
    notebook.execute("h = display(plain('red'), display_id=True)")
    notebook.execute("class Speaks:\n    value = b''\n    def _ipython_display_(self):\n        print('words')")
    notebook.execute("speaks = Speaks()\nspeaks")
    assert told(notebook) == [RED]
    notebook.execute("class Drawing:\n    def _repr_svg_(self):\n        return '<svg/>'\ndrawing = Drawing()\ndrawing")
    assert "SVG" in notebook.execute("told('@out')").text


def test_a_widget_that_holds_a_picture_shows_it(notebook: Kernel) -> None:
    """`ipywidgets.Image`; other widgets show none."""
    notebook.execute("import ipywidgets\nw = ipywidgets.Image(value=png('red'), format='png')\nw")
    notebook.execute("ipywidgets.IntSlider()")
    assert told(notebook) == [RED]


def test_the_image_shown_is_the_variable(notebook: Kernel) -> None:
    """It has the same identity, so that both are one reference."""
    notebook.execute("it = plain('red')\nit")
    ran = notebook.execute(
        "print(load_reference('a', NotebookScope(get_ipython()).shown('@out')[0]) == load_reference('a', it))"
    )
    assert ran.printed == "True\n"


def test_a_result_is_its_files(notebook: Kernel) -> None:
    """In full size, not as the previews that are shown of it."""
    ran = notebook.execute("%%seedream --size 1K --aspect 1:1 -n 2\nfox")
    assert ran.error is None, ran.text
    shown = told(notebook)
    assert [each[:2] for each in shown] == [[1024, 1024]] * 2


def test_a_job_is_its_files(notebook: Kernel) -> None:
    """What it sends while it runs, and at its end, are previews."""
    notebook.execute("job = None")
    ran = notebook.execute("%%seedream --size 1K --aspect 1:1 --background --out job\nfox")
    assert ran.error is None, ran.text
    notebook.execute("job.result()\nimport time")
    notebook.until(lambda: "<img" in str(ran.shown))
    assert [each[:2] for each in told(notebook)] == [[1024, 1024]]


def test_a_stopped_cell_shows_what_still_comes(notebook: Kernel, fault_server: FaultServer) -> None:
    """Its pictures are the files, not the previews below it."""
    fault_server.on(POST, Links(width=1600, height=1200, delay=1.5))
    notebook.execute(
        f"import seedream_nb as sd\nsd.configure(backend=None, api_key='sk_x', base_url={fault_server.url!r})"
    )
    running = notebook.start("%%seedream\nfox")
    notebook.until(lambda: fault_server.posts and "Generating" in running.text)
    notebook.interrupt()
    running.wait()
    assert running.error is not None
    notebook.until(lambda: "<img" in str(running.shown))
    number = int(notebook.execute("print(len(In) - 2)").printed)
    assert [each[:2] for each in told(notebook, f"@[{number}]")] == [[1600, 1200]]
    assert [each[:2] for each in told(notebook)] == [[1600, 1200]]


def test_a_figure_is_drawn_large_while_it_looks_the_same(notebook: Kernel) -> None:
    """A figure that was changed since is as it was shown."""
    pytest.importorskip("matplotlib")
    notebook.execute("%matplotlib inline\nimport matplotlib.pyplot as plt")
    notebook.execute("fig, ax = plt.subplots()\nax.plot([1, 3, 2]);")
    number = int(notebook.execute("print(len(In) - 2)").printed)
    large, *_ = told(notebook)
    assert told(notebook, f"@[{number}]") == [large]
    notebook.execute("ax.set_title('changed')")
    small, *_ = told(notebook)
    assert large[0] > small[0] > 300


def test_a_figure_that_is_gone_is_as_it_was_shown(notebook: Kernel) -> None:
    """Nobody keeps it, and it is not held for this."""
    pytest.importorskip("matplotlib")
    notebook.execute("%matplotlib inline\nimport matplotlib.pyplot as plt, gc")
    notebook.execute("plt.plot([1, 3, 2]);")
    notebook.execute("gc.collect()")
    (shown,) = told(notebook)
    assert shown[0] > 300


NOISE = """
import os
noisy = io.BytesIO()
Image.frombytes("RGB", (3000, 2000), os.urandom(18_000_000)).save(noisy, "PNG", compress_level=0)
noise = lambda: Embedded(data=noisy.getvalue())
"""


def test_the_oldest_are_forgotten(notebook: Kernel) -> None:
    """At most 64 MB are held; what was forgotten is told as such."""
    notebook.execute(NOISE)
    notebook.execute("noise()")
    number = int(notebook.execute("print(len(In) - 2)").printed)
    notebook.execute("for _ in range(4):\n    display(noise())")
    held = "sum(each.size_bytes for each in get_ipython()._seedream_nb_shown._outputs.all())"
    assert 30_000_000 < int(notebook.execute(f"print({held})").printed) <= 64_000_000
    assert told(notebook)[0][:2] == [3000, 2000]
    assert "not kept any more" in str(told(notebook, f"@[{number}]"))


def test_unloading_gives_back_what_was_there(notebook: Kernel) -> None:
    """Nothing of ours is left on the shell, and somebody else's wrapper stays."""
    code = """
ip = get_ipython()
get = lambda: [vars(ip.display_formatter).get("format"), vars(ip.display_pub).get("publish"),
               vars(ip.display_pub).get("clear_output"), getattr(ip, "_seedream_nb_shown", None)]
loaded = get()
%unload_ext seedream_nb
print(all(loaded), get())
mine = ip.display_formatter.format = lambda *a, f=ip.display_formatter.format, **k: f(*a, **k)
%load_ext seedream_nb
%unload_ext seedream_nb
print(ip.display_formatter.format is mine)
del ip.display_formatter.format
"""
    assert notebook.execute(code).printed == "True [None, None, None, None]\nTrue\n"


def test_a_wrapper_around_ours_survives(notebook: Kernel) -> None:
    """Whoever came after us keeps theirs, and displays go on."""
    notebook.execute(
        "ip = get_ipython()\nip.display_formatter.format = lambda *a, f=ip.display_formatter.format, **k: f(*a, **k)"
    )
    notebook.execute("%unload_ext seedream_nb")
    assert notebook.execute("6 * 7").result == "42"
    notebook.execute("del ip.display_formatter.format")


def test_a_display_is_never_broken(notebook: Kernel) -> None:
    """Whatever fails where it is listened to."""
    notebook.execute("class Odd(list):\n    def __getattribute__(self, name):\n        raise RuntimeError(name)")
    notebook.execute("keep, In = In, None")
    shown = notebook.execute("display({'image/png': png('red'), 'text/plain': 'x'}, raw=True)").shown
    assert [bundle["text/plain"] for bundle in shown] == ["x"]
    notebook.execute("In = keep")


def test_a_reset_begins_anew(notebook: Kernel) -> None:
    """Cells are counted from 1 again, and the pictures of earlier ones are not theirs."""
    for _ in range(3):
        notebook.execute("plain('red')")
    notebook.execute("%reset -f")
    notebook.execute(HELPERS)
    notebook.execute("plain('blue')")
    assert told(notebook) == [BLUE]
    assert "there is @[" in told(notebook, "@[99]")
