"""What is offered for a Tab, told from the text before the cursor; and what IPython is given of it."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.cell import read, split
from seedream_nb.notebook.complete import IDENTIFIER, Completer
from seedream_nb.notebook.complete.lines import complete
from seedream_nb.notebook.complete.sources import NotebookSources
from seedream_nb.notebook.complete.word import Offer, Offers
from seedream_nb.notebook.scope import NotebookScope
from seedream_nb.options import OPTIONS
from seedream_nb.references.adapters import held
from seedream_nb.service import DEFAULT
from seedream_nb.session import Session
from seedream_nb.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedream_nb.service import Model
    from tests.conftest import NewSession

LONG = [flag for option in OPTIONS for flag in option.flags if flag.startswith("--")]
FOLDERS = {
    "": [
        (".hidden", True),
        ("-dash.png", False),
        ("it's.png", False),
        ("my shots", True),
        ("notes.txt", False),
        ("photo (1).JPG", False),
        ("photo.jpg", False),
        ("shots", True),
    ],
    "my shots/": [("a b.jpg", False), ("ab.jpg", False)],
    "shots/": [("x.png", False), (".y.png", False)],
    "~/": [("home.png", False)],
}


class Table:
    """What a made-up notebook has to offer."""

    def model(self) -> Model:
        """Return the usual one."""
        return DEFAULT.model

    def references(self) -> Iterable[Offer]:
        """Two generations; the newest has two pictures."""
        return offers("@last", "@12", "@12.1", "@12.2", "@3", description="a fox")

    def shown(self) -> Iterable[Offer]:
        """Two cells showed a picture."""
        return offers("@out", "@[7]", "@[5]", description="shown")

    def generations(self) -> Iterable[Offer]:
        """One more, without pictures."""
        return offers("@13", "@last", "@12", "@3", description="a fox")

    def deleted(self) -> Iterable[Offer]:
        """One that was deleted."""
        return offers("@11", description="an owl")

    def names(self) -> Iterable[str]:
        """All names."""
        return ["df", "fox", "photos", "style"]

    def pictures(self) -> Iterable[Offer]:
        """Those that hold pictures."""
        return offers("fox", "photos", description="picture")

    def results(self) -> Iterable[Offer]:
        """Those that hold results."""
        return offers("fox", description="result")

    def entries(self, folder: str) -> Iterable[tuple[str, bool]]:
        """Return the names in one of the folders above."""
        return FOLDERS.get(folder, [])


def offers(*texts: str, description: str) -> list[Offer]:
    """Return offers that are all described alike."""
    return [Offer(text=text, description=description) for text in texts]


def at_end(cell: str) -> Offers | None:
    """Complete at the end of a cell, or at the | in it."""
    before, _, _ = cell.partition("|")
    lines = before.split("\n")
    return complete(cell.replace("|", "", 1), len(lines) - 1, len(lines[-1]), Table())


def texts(cell: str) -> list[str]:
    """Return the completions, which must be there, as texts."""
    found = at_end(cell)
    assert found is not None
    assert all(offer.description for offer in found.offers)
    return [offer.text for offer in found.offers]


RATIOS = ["1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"]

OFFERED: list[tuple[str, str, list[str]]] = [
    ("%%seedream ", "", [*LONG, "--help"]),
    ("%%seedream -", "-", [*LONG, "--help"]),
    ("%%seedream --si", "--si", ["--size"]),
    ("%%seedream -si", "-si", ["--size"]),
    ("%%seedream -n", "-n", ["--max-images"]),
    ("%%seedream -s", "-s", ["--size"]),
    ("%%seedream --w", "--w", ["--watermark"]),
    ("%%seedream --x", "--x", []),
    ("%%seedream --no", "--no", ["--no-watermark", "--no-once"]),
    ("%%seedream --watermark --no", "--no", ["--no-once"]),
    ("%%seedream --si| --size 2K", "--si", []),
    ("%%seedream -i fox --im", "--im", ["--image"]),
    ("%%seedream" + " -i fox" * 10 + " --im", "--im", []),
    ("%%seedream --size 16:9 --as", "--as", []),
    ("%%seedream --size 1k --as", "--as", ["--aspect"]),
    ("%%seedream --sequential disabled --m", "--m", ["--model"]),
    ("%%seedream --model ", "", ["seedream-4.0", "seedream-4.5", "seedream-5.0-lite"]),
    ("%%seedream --model seedream-4.5 -s ", "", ["2K", "4K", *RATIOS]),
    ("%%seedream zebra", "zebra", []),
    ("%%seedream --size ", "", ["1K", "2K", "4K", *RATIOS]),
    ("%%seedream -s 16:", "16:", ["16:9"]),
    ("%%seedream --size=2", "2", ["2K", "2:3", "21:9"]),
    ("%%seedream -s2", "2", ["2K", "2:3", "21:9"]),
    ("%%seedream -s 4k", "4k", ["4K"]),
    ("%%seedream -a 5:4 -s ", "", ["1K", "2K", "4K"]),
    ("%%seedream --aspect ", "", RATIOS),
    ("%%seedream --sequential ", "", ["auto", "disabled"]),
    ("%%seedream -n 4 --sequential ", "", ["auto"]),
    ("%%seedream -n ", "", [str(number) for number in range(1, 16)]),
    ("%%seedream -i @3 -i fox -n 1", "1", ["1", "10", "11", "12", "13"]),
    ("%%seedream --timeout ", "", ["600"]),
    ("%%seedream --out ", "", ["fox"]),
    ("%%seedream --out z", "z", []),
    ("%%seedream --save ", "", ['"my shots/"', "shots/"]),
    ('%%seedream --save "my', '"my', ['"my shots/"']),
    ("%%seedream -i @", "@", ["@out", "@last", "@12", "@12.1", "@12.2", "@3", "@[7]", "@[5]"]),
    ("%%seedream -i @o", "@o", ["@out"]),
    ("%%seedream -i @[", "@[", ["@[7]", "@[5]"]),
    ('%%seedream -i "@[5', '"@[5', ['"@[5]"']),
    ("%%seedream --image=@[5", "@[5", ["@[5]"]),
    ("%%seedream -i @12.", "@12.", ["@12.1", "@12.2"]),
    ("%%seedream -i @12", "@12", ["@12", "@12.1", "@12.2"]),
    ("%%seedream --image=fo", "fo", ["fox"]),
    ("%%seedream -i ph", "ph", ["photos", '"photo (1).JPG"', "photo.jpg"]),
    ("%%seedream -i -d", "-d", ["--dry-run"]),
    ("%%seedream --image=-d", "-d", ['"-dash.png"']),
    ("%%seedream -i it", "it", ['''"it's.png"''']),
    ("%%seedream -i 'it", "'it", []),
    ("%%seedream -i no", "no", []),
    ("%%seedream -i my", "my", ['"my shots/']),
    ('%%seedream -i "my shots/', '"my shots/', ['"my shots/a b.jpg"', '"my shots/ab.jpg"']),
    ("%%seedream -i 'my shots/a", "'my shots/a", ["'my shots/a b.jpg'", "'my shots/ab.jpg'"]),
    ('%%seedream -i "my shots/a|"', '"my shots/a', ['"my shots/a b.jpg', '"my shots/ab.jpg']),
    ('%%seedream -i "my shots/"ab', '"my shots/"ab', ['"my shots/"ab.jpg']),
    ("%%seedream -i photo(", "photo(", []),
    ("%%seedream -i shots/", "shots/", ["shots/x.png"]),
    ("%%seedream -i .h", ".h", [".hidden/"]),
    ("%%seedream -i ~/h", "~/h", ["~/home.png"]),
    ("%%seedream\nA fox in {sty", "sty", ["style"]),
    ("%%seedream\nDon't, {", "", ["df", "fox", "photos", "style"]),
    ("\n  %%seedream --si", "--si", ["--size"]),
    ("%%time\n%%seedream --si", "--si", ["--size"]),
    ("%seedream sh", "sh", ["show"]),
    ("%seedream show ", "", ["@13", "@last", "@12", "@3"]),
    ("%seedream show @12.", "@12.", ["@12.1", "@12.2"]),
    ("%seedream show @3 ", "", []),
    ("%seedream code @1", "@1", ["@13", "@12"]),
    ("x = 1\n  y = %seedream rerun @l", "@l", ["@last"]),
    ("%seedream rerun @3 --si", "--si", ["--size"]),
    ("%seedream rerun @3 --size 16:", "16:", ["16:9"]),
    ("%seedream help lo", "lo", ["login", "logout"]),
    ("%seedream history f", "f", []),
    ("%seedream login ", "", []),
    ("%seedream doctor ", "", ["--paid"]),
    ("%seedream doctor --p", "--p", ["--paid"]),
    ("%seedream doctor --paid ", "", []),
    ("%seedream delete ", "", ["@13", "@last", "@12", "@3", "failed", "--forever"]),
    ("%seedream delete @3 @1", "@1", ["@13", "@12"]),
    ("%seedream delete --forever f", "f", ["failed"]),
    ("%seedream restore ", "", ["@11", "all"]),
    ("%seedream nonsense ", "", []),
    ("%seedream config ba", "ba", ["backend=", "base_url="]),
    ("%seedream config api", "api", []),
    ("%seedream config api_key=", "", []),
    ("%seedream config backend=", "", ["novita", "sandbox", "auto"]),
    ("%seedream config size=16:", "16:", ["16:9"]),
    ("%seedream config once=true watermark=f", "f", ["false"]),
    ("%seedream config once=true on", "on", []),
    ("%seedream config home=sh", "sh", ["shots/"]),
]


@pytest.mark.parametrize(("cell", "fragment", "expected"), OFFERED, ids=[cell for cell, _, _ in OFFERED])
def test_what_is_offered(cell: str, fragment: str, expected: list[str]) -> None:
    """What takes the place of the fragment, in order."""
    found = at_end(cell)
    assert found is not None
    assert found.fragment == fragment
    assert texts(cell) == expected


def test_references_begin_with_a_few_marks() -> None:
    """With nothing typed: marks, names, then folders and picture files, no hidden ones and no others."""
    expected = ["@out", "@last", "@12", "@12.1", "@12.2", "@3", "fox", "photos"]
    expected += ['"-dash.png"', '''"it's.png"''', '"my shots/', '"photo (1).JPG"', "photo.jpg", "shots/"]
    assert texts("%%seedream -i ") == expected


@pytest.mark.parametrize("name", [name for name, each in SETTINGS.items() if isinstance(each.default, int | float)])
def test_the_default_of_each_setting_is_offered(name: str) -> None:
    """Of one that is a number or a switch, without anything to be listed for it."""
    default = SETTINGS[name].default
    expected = ["true", "false"] if isinstance(default, bool) else [f"{default:g}"]
    assert texts(f"%seedream config {name}=") == expected


NOT_OURS = [
    "import o",
    "%%seedream",
    "%seedream",
    "%%seedreams --si",
    "%seedreams sh",
    "x = 5 %seedream sh",
    "print('%seedream sh",
    "%%seedream\n--si",
    "%%seedream\nA fox in the s",
    "%%seedream\n{{sty",
    "%%seedream\n{df.ind",
    "%%seedream\n{zebra",
    "%%seedream -i df.ilo",
    "%%seedream -i photos[",
    "|\n%%seedream --si",
    "%%see|dream --si",
]


@pytest.mark.parametrize("cell", NOT_OURS)
def test_the_rest_is_left_to_ipython(cell: str) -> None:
    """Other lines, the prompt, and what follows a name of the notebook."""
    assert at_end(cell) is None


def test_a_ratio_tells_its_pixels() -> None:
    """Beside a ratio stands the size that it means."""
    found = at_end("%%seedream --size 21")
    assert found is not None
    assert found.offers == (Offer(text="21:9", description="3024x1296"),)


VALID = [
    "--size 16:9 -n 4 --no-watermark --out foxes",
    "-i photo.jpg -i @3 --image=fox --once --save 'my shots'",
    '-s 2K -a 5:4 -b -i "my shots/a b.jpg" --timeout 30',
    "--sequential auto --watermark --dry-run -i photos[0] -i df['a b']",
]


@given(st.sampled_from(VALID), st.data())
def test_what_is_completed_can_be_read(line: str, data: st.DataObject) -> None:
    """At any place of a valid line each completion gives a line that has no unknown option and no stray word."""
    column = data.draw(st.integers(0, len(line)))
    found = at_end(f"%%seedream {line[:column]}")
    for offer in found.offers if found else ():
        begun = line[:column].removesuffix(found.fragment if found else "")
        text = begun + offer.text
        if offer.description == "folder" and split(text)[1]:  # a quote is left open for what goes on
            text += '"'
        told = [each for problem in read(text)[1] for each in problem.texts]
        assert not [each for each in told if "There is no option" in each or "belong to any" in each or "open" in each]
        assert not [each for each in told if "twice" in each or "contradict" in each], text


@given(st.text(alphabet="%seedram -=\"'{[(@.\\\n/~16:", max_size=40), st.integers(0, 3), st.integers(0, 40))
def test_no_text_is_too_odd(cell: str, line: int, column: int) -> None:
    """Whatever is typed before a Tab, the fragment is what stands before the cursor."""
    for begun in (f"%%seedream {cell}", f"%seedream {cell}"):
        lines = begun.split("\n")
        place = min(line, len(lines) - 1)
        found = complete(begun, place, column, Table())
        assert found is None or lines[place][:column].endswith(found.fragment)


def test_a_very_long_line_is_left_alone() -> None:
    """A line that holds data takes no time."""
    found = at_end('%%seedream -i "' + "a " * 200_000)
    assert found is not None
    assert found.offers == ()


# -- what the notebook has ---------------------------------------------------------------------------


def png() -> bytes:
    """Return a small PNG file."""
    stream = io.BytesIO()
    Image.new("RGB", (20, 20)).save(stream, "PNG")
    return stream.getvalue()


class Wild:
    """A value whose every attribute does something."""

    def __getattribute__(self, name: str) -> object:
        """Fail, whatever is asked for."""
        raise AssertionError(name)


def able(*names: str) -> Any:
    """Return an object whose class has properties of these names, which fail."""

    def fails(_self: object) -> object:
        raise AssertionError(names)

    return type("Able", (), dict.fromkeys(names, property(fails)))()


HELD = [
    (np.zeros((20, 30, 3), np.uint8), "array"),
    (np.zeros((3, 20, 30)), "array"),
    (np.zeros(20), ""),
    (np.zeros((3, 3)), ""),
    (np.float64(3), ""),
    (able("__dlpack__"), "array"),
    (able("__array__", "columns"), ""),
    (able("__array__", "to_list"), ""),
    (able("savefig"), "figure"),
    (able("get_figure"), "figure"),
    (able("_repr_png_"), "drawing"),
    (able("to_image", "_repr_html_"), "drawing"),
    (able("_repr_html_"), ""),
    (type(able("savefig")), ""),
    (Image.new("RGB", (20, 20)), "PIL image"),
    (png(), "bytes"),
    ("shots/x.PNG", "path"),
    (Path("shots/x.jpeg"), "path"),
    ([Image.new("RGB", (20, 20))], "1 picture"),
    (("a.png", Path("b.jpg")), "2 pictures"),
    ("a prompt about x", ""),
    (b"text", ""),
    ([], ""),
    ([Wild()], ""),
    (["a.png", 1], ""),
    (Wild(), ""),
    (5, ""),
    (None, ""),
    ([[[["a.png"]]]], ""),
]


@pytest.mark.parametrize(("value", "told"), HELD, ids=[str(number) for number in range(len(HELD))])
def test_which_values_hold_pictures(value: object, told: str) -> None:
    """Those that can be references, told in a word; no code of the value itself is run."""
    assert held(value) == told


def shell(**names: object) -> Any:
    """Return what stands for a shell with these names in it."""
    return SimpleNamespace(user_ns=names, user_ns_hidden={}, Completer=SimpleNamespace(custom_matchers=[]))


def sources_of(ip: Any, session: Callable[[], Session]) -> NotebookSources:
    """Return what a notebook around this shell has to offer."""
    return NotebookSources(ip, NotebookScope(ip), session)


def test_names_that_hold_pictures(tmp_path: Path) -> None:
    """Of the notebook's names those that hold pictures, by name; none with an underscore."""
    sources = sources_of(shell(b="b.png", a="a.png", _c="c.png", d=1), lambda: at(tmp_path))
    assert [offer.text for offer in sources.pictures()] == ["a", "b"]
    assert list(sources.names()) == ["a", "b", "d"]


def at(folder: Path, **settings: object) -> Session:
    """Return a session that keeps its pictures there."""
    made = Settings(environ={}, folder=folder)
    made.change(**settings)
    return Session(settings=made)


@pytest.mark.slow
def test_marks_come_from_the_history(new_session: NewSession) -> None:
    """The newest first, told by their prompts; `@last` is the newest with pictures."""
    session = new_session()
    session.settings.change(backend="sandbox")
    session.start("a fox", size="1K").result()
    session.start("a hare", size="1K", max_images=2).result()

    found = list(sources_of(shell(), lambda: session).references())

    assert [(offer.text, offer.description) for offer in found] == [
        *(("@last", "a hare"), ("@2", "a hare"), ("@2.1", "a hare"), ("@2.2", "a hare"), ("@1", "a fox")),
    ]
    results = sources_of(shell(g=session.history[1], x=1), lambda: session).results()
    assert [(offer.text, offer.description) for offer in results] == [("g", "result")]


def test_braces_tell_which_names_hold_pictures() -> None:
    """Beside the others, in the order of their names."""
    found = at_end("%%seedream\na {")
    assert found is not None
    assert [offer.description for offer in found.offers] == ["variable", "picture", "picture", "variable"]


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    """Without any history there are no marks, and no folder appears."""
    sources = sources_of(shell(), lambda: at(tmp_path))
    assert [*sources.references(), *sources.generations()] == []
    assert sources.entries("nowhere/") == sources.entries("~nobody-here/") == []
    assert list(tmp_path.iterdir()) == []


# -- what IPython is given -----------------------------------------------------------------------------


def tab(ip: Any, cell: str) -> dict[str, Any]:
    """Ask the registered matcher as IPython does."""
    (matcher,) = ip.Completer.custom_matchers
    found: dict[str, Any] = matcher(SimpleNamespace(full_text=cell, cursor_line=0, cursor_position=len(cell)))
    return found


def registered(ip: Any, session: Any = None) -> Completer:
    """Register with a shell."""
    completer = Completer(ip, session)
    completer.register()
    return completer


def test_the_matcher_takes_the_line_alone() -> None:
    """For our line other matchers are silenced, even where there is nothing to offer."""
    ip = shell()
    registered(ip)
    found = tab(ip, "%%seedream --si")
    assert (found["matched_fragment"], found["suppress"], found["ordered"]) == ("--si", True, True)
    assert [each.text for each in found["completions"]] == ["--size"]
    nothing = tab(ip, "%%seedream --out zebra")
    assert (len(nothing["completions"]), list(nothing["completions"])) == (1, [])
    assert ip.Completer.custom_matchers[0].matcher_identifier == IDENTIFIER


def test_the_words_beside_stay_on_one_line() -> None:
    """JupyterLab would break them at spaces and hyphens."""
    ip = shell()
    registered(ip)
    types = [each.type for each in tab(ip, "%%seedream -")["completions"]]
    assert all(types)
    assert not any(" " in each or "-" in each for each in types)


@pytest.mark.parametrize("cell", ["import o", "x %%seedream --si"])
def test_elsewhere_it_says_nothing(cell: str) -> None:
    """On other lines it has no completions and silences nobody."""
    ip = shell()
    registered(ip)
    assert tab(ip, cell) == {"completions": []}


@pytest.mark.parametrize(
    ("fragment", "texts", "told"),
    [
        ("@", ["@out", "@12", "@12.10"], ("", ["out", "12", "12.10"])),
        ("@12.", ["@12.2", "@12.10"], ("", ["2", "10"])),
        ("@12.1", ["@12.1", "@12.10"], ("1", ["1", "10"])),
        ('"@1', ['"@12"'], ("1", ['12"'])),
        ("@[", ["@[5]"], ("", ["5]"])),
        ("a@", ["a@b.png"], ("a@", ["a@b.png"])),
        ("1.", ["1.5"], ("1.", ["1.5"])),
    ],
)
def test_a_mark_is_completed_after_its_sign(fragment: str, texts: list[str], told: tuple[str, list[str]]) -> None:
    """JupyterLab sorts by the alphabet what begins with what is typed; where nothing of it is, our order holds."""
    rest = Offers(fragment=fragment, offers=tuple(offers(*texts, description="a fox"))).after_mark()
    assert (rest.fragment, [offer.text for offer in rest.offers]) == told


def test_a_number_that_can_go_on_is_a_generation() -> None:
    """While the number of a generation is typed, its pictures would stand among the others, sorted as words."""
    typed = [("@1", ["@12", "@1"]), ("@12", ["@12", "@12.1", "@12.10"]), ("@1.", ["@1.1"])]

    class Series(Table):
        def references(self) -> Iterable[Offer]:
            return offers("@12", "@12.1", "@12.10", "@1", "@1.1", description="a fox")

    for word, expected in typed:
        line = f"%%seedream -i {word}"
        found = complete(line, 0, len(line), Series())
        assert [offer.text for offer in (found.offers if found else ())] == expected


def test_a_tab_never_fails() -> None:
    """What goes wrong is told when the cell runs: without the history there are still names and files."""

    def broken() -> Session:
        raise OSError("no such disk")

    ip = shell(cover="cover.png")
    registered(ip, broken)
    assert list(tab(ip, "%seedream show @")["completions"]) == []
    assert [each.text for each in tab(ip, "%%seedream -i ")["completions"]] == ["cover"]
    ip.user_ns = None
    assert tab(ip, "%%seedream -i ") == {"completions": []}


def test_withdrawing_leaves_the_others() -> None:
    """What others have registered, before and since, stays in its place."""
    ip = shell()
    ip.Completer.custom_matchers.append("before")
    completer = registered(ip)
    ip.Completer.custom_matchers.append("since")
    completer.withdraw()
    completer.withdraw()
    assert ip.Completer.custom_matchers == ["before", "since"]
