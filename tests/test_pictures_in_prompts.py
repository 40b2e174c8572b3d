"""Pictures in a prompt, in braces or as Markdown images: numbered references, each picture once."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.compose import Composer
from seedream_nb.errors import Problem, ReferenceImageError, RequestError
from seedream_nb.notebook.scope import attached
from seedream_nb.prompt import Link, expand, literal, parts_of
from seedream_nb.scope import NamesScope
from seedream_nb.settings import Settings
from tests.kernel import Kernel
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedream_nb.request import ImageRequest


class Notebook(NamesScope):
    """Names, what was shown, and an attachment, as a notebook has them."""

    has_builtins = True

    def shown(self, mark: str) -> Sequence[object]:
        """Return what was shown last."""
        if mark != "@out":
            raise Problem(f"{mark}: cell [5] has shown no picture.", reference=True)
        return [self._values["photo"]]

    def attached(self, name: str) -> bytes:
        """Return the content of an attachment."""
        if name not in {"my cat.png", "100%25.png"}:
            raise Problem(f"attachment:{name}: none of this name.", reference=True)
        return encoded(gradient(77, 50), "PNG")


HEIC = b"\0\0\0\x18ftypheic" + b"\0" * 100


class Formula:
    """Has a text, and a way to show a picture that gives none now: so has sympy's 3."""

    def __init__(self, picture: bytes | None) -> None:
        """Show this picture."""
        self.picture = picture

    def __str__(self) -> str:
        """Return the text."""
        return "x**2"

    def _repr_png_(self) -> bytes | None:
        return self.picture


class Proxy:
    """Has an answer to any name, and a text."""

    def __getattr__(self, name: str) -> Proxy:
        """Return itself, as a name that is built on demand does."""
        return self

    def __str__(self) -> str:
        """Return the text."""
        return "red ink"


class ArrowScalar:
    """One value of an Arrow table: its text is that of what it holds."""

    is_valid = True

    def __init__(self, held: object) -> None:
        """Hold a value."""
        self._held = held

    def as_py(self) -> object:
        """Return it as Python's own."""
        return self._held

    def __str__(self) -> str:
        """Return its text."""
        return str(self._held)


class Compose:
    """A composer in a folder with the pictures a.png to d.png, `my cat.png` and `odd (1).png`."""

    def __init__(self, folder: Path) -> None:
        """Make the pictures, and names for some."""
        for index, name in enumerate(["a.png", "b.png", "c.png", "d.png", "my cat.png", "odd (1).png"]):
            (folder / name).write_bytes(encoded(gradient(60 + index, 50), "PNG"))
        (folder / "empty.png").write_bytes(b"")
        (folder / "notes.png").write_text("a fox")
        self.names: dict[str, object] = {
            "a": Path("a.png"), "b": Path("b.png"), "c": (folder / "c.png").read_bytes(), "photo": gradient(90, 50),
            "style": "ink", "name": "a.png", "gone": Path("gone.png"), "several": [Path("a.png"), Path("b.png")],
            "three": [Path("a.png"), Path("b.png"), Path("c.png")], "mixed": [gradient(90, 50), "ink"], "raw": b"xyz",
            "number": 4, "words": ["ink", "oil"], "tiny": gradient(10, 10), "trick": "![x](a.png) {photo}",
            "broken": [Path("a.png"), Path("gone.png")], "lost": [Path("gone.png")], "deep": [[Path("a.png")], ["ink"]],
            "empty": folder / "empty.png", "notes": folder / "notes.png", "heic": HEIC, "opened": io.BytesIO(HEIC),
            "words_file": io.StringIO("ink"), "none": None, "square": Formula(None), "proxy": Proxy(),
            "plot": Formula(encoded(gradient(60, 50), "PNG")),
        }  # fmt: skip
        self.scope = Notebook(self.names)
        self._compose = Composer(
            settings=Settings(environ={}, folder=folder), scope=self.scope, marked=lambda mark: [(mark, Path("b.png"))]
        ).compose

    def __call__(self, prompt: str, *images: object, **options: Any) -> ImageRequest:
        """Compose what a person typed."""
        return self._compose(prompt, scope=self.scope, images=list(images), **{"typed": True, **options})


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """Give a composer over some pictures."""
    return Compose(tmp_path)


def names_of(request: ImageRequest) -> list[str]:
    """Return what each reference was called."""
    return [reference.name for reference in request.images]


DATA = "data:image/png;base64," + base64.b64encode(encoded(gradient(60, 50), "PNG")).decode()

ENGLISH = [
    ("a fox like {a}", [], "a fox like image 1", ["a"]),
    ("{b} then {a} then {b}", [], "image 1 then image 2 then image 1", ["b", "a"]),
    ("{b} and {a}", ["a.png"], "image 2 and image 1", ["a.png", "b"]),
    ("{photo} like {a}", ["c.png", "photo"], "image 2 like image 3", ["c.png", "photo", "a"]),
    ("{c}", ["c.png"], "image 1", ["c.png"]),
    ("{several}", [], "image 1 and image 2", ["several[0]", "several[1]"]),
    ("{three}", [], "image 1, image 2 and image 3", ["three[0]", "three[1]", "three[2]"]),
    ("{three} or {several}", ["b.png"], "image 2, image 1 and image 3 or image 2 and image 1",
     ["b.png", "three[0]", "three[2]"]),
    ("{several[1]}", [], "image 1", ["several[1]"]),
    ("![](attachment:100%2525.png)", [], "image 1", ["100%25.png"]),
    ("a fox", ["attachment:my%20cat.png", "Attachment:my cat.png"], "a fox", ["my cat.png"]),
    ("{photo}", ["@out"], "image 1", ["@out"]),
    ("{b}", ["@3"], "image 1", ["@3"]),
    ("{style} {name} {gone!s} {raw!r} {number}", [], "ink a.png gone.png b'xyz' 4", []),
    ("{words}", [], "['ink', 'oil']", []),
    ("{a!s} {a!s:>6} {a:}", [], "a.png  a.png a.png", []),
    ("{{a}}", [], "{a}", []),
    ("{trick}", [], "![x](a.png) {photo}", []),
    ("![a cat](a.png) asleep", [], "image 1 asleep", ["a.png"]),
    ("![](b.png), {b}, ![x](./b.png)", [], "image 1, image 1, image 1", ["b.png"]),
    ("![](my cat.png)![](<my cat.png>)![](my%20cat.png)", [], "image 1", ["my cat.png"]),
    ("{b}{a}", [], "image 1 and image 2", ["b", "a"]),
    ("{several}![](c.png){a} asleep", [], "image 1, image 2 and image 3 asleep", ["several[0]", "several[1]", "c.png"]),
    ("{a}2 cats", [], "image 1 2 cats", ["a"]),
    ("{a}{number} cats", [], "image 1 4 cats", ["a"]),
    ("{several}3, {a}.5, {a}-2, {a}:4", [], "image 1 and image 2 3, image 1 .5, image 1 -2, image 1 :4",
     ["several[0]", "several[1]"]),
    ("as{a}style, {a}. 2 cats, {a}, 2", [], "asimage 1style, image 1. 2 cats, image 1, 2", ["a"]),
    ("2{a}", [], "2image 1", ["a"]),
    ('![a](a.png "a title") ![a](<b.png> \'another\')', [], "image 1 image 2", ["a.png", "b.png"]),
    ("![odd [1]](odd (1).png)", [], "image 1", ["odd (1).png"]),
    ("![](https://x.org/a.png?b=c%20d)", [], "image 1", ["https://x.org/a.png?b=c%20d"]),
    ("![](https://x.org/a.png)", ["https://x.org/a.png"], "image 1", ["https://x.org/a.png"]),
    ("![](attachment:my%20cat.png)", [], "image 1", ["my cat.png"]),
    ("![](@3)", [], "image 1", ["@3"]),
    (f"![]({DATA})", [], "image 1", ["data:image/png;base64"]),
    ("[a cat](a.png)", [], "[a cat](a.png)", []),
    (r"\![{style}](a.png)", [], "![ink](a.png)", []),
    (r"\\![x](a.png)", [], r"\![x](a.png)", []),
    ("![x]() ![x] (a.png) ![x ![", [], "![x]() ![x] (a.png) ![x ![", []),
    (r"wow\![ink", [], r"wow\![ink", []),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "images", "text", "names"), ENGLISH)
def test_a_picture_becomes_a_numbered_reference(
    compose: Compose, prompt: str, images: list[str], text: str, names: list[str]
) -> None:
    """Those of `--image` first, then those of the text in order of appearance; a text stays a text."""
    request = compose(prompt, *images)
    assert (request.prompt, names_of(request)) == (text, names)


CHINESE = [
    ("把{a}的风格用到{b}上", "把图1的风格用到图2上"),
    ("{several}合成一张", "图1和图2合成一张"),
    ("{three}合成一张", "图1、图2和图3合成一张"),
    ("把{a}{b}合成一张", "把图1和图2合成一张"),
    ("画出{a}3只猫", "画出图1 3只猫"),
    ("把 {a} 变成 Studio Ghibli 风格", "把 图1 变成 Studio Ghibli 风格"),
    ("风 wind, like {a}", "风 wind, like image 1"),
    ("{a}", "image 1"),
]


@pytest.mark.parametrize(("prompt", "text"), CHINESE)
def test_a_chinese_prompt_counts_in_chinese(compose: Compose, prompt: str, text: str) -> None:
    """Where it has more Han characters than Latin words."""
    assert compose(prompt).prompt == text


WRONG = [
    ("{tiny}", ["tiny", "10x10", "14"]),
    ("{mixed}", ["{mixed}[1] is not a picture but 'ink' (str), in a list of pictures"]),
    ("{broken}", ["{broken}[1] was not found in"]),
    ("{lost}", ["{lost}[0] was not found in"]),
    ("{deep}", ["{deep}[1][0] is not a picture but 'ink'"]),
    ("{gone}", ["{gone} was not found in", "{gone!s}"]),
    ("{empty}", ["{empty} is empty"]),
    ("{notes}", ["{notes} is not a picture but text"]),
    ("{raw}", ["{raw} is not a picture but text", "{raw.decode()}"]),
    ("{heic}", ["{heic} is not a picture but a HEIC photo: save it as JPEG."]),
    ("{opened}", ["{opened} is not a picture but a HEIC photo"]),
    ("{words_file}", ["{words_file} is open as text"]),
    ("![](gone.png)", ["gone.png was not found"]),
    ("![](attachment:dog.png)", ["attachment:dog.png"]),
    ("![](http://169.254.169.254/a.png)", ["link-local"]),
    ("![](style)", ["style was not found", "For the variable write {style} in the prompt"]),
    ("![]({a})", ["{a} was not found", "For the variable write {a} in the prompt"]),
]


@pytest.mark.parametrize(("prompt", "told"), WRONG)
def test_a_picture_that_cannot_be_used_is_told(compose: Compose, prompt: str, told: list[str]) -> None:
    """By its name, before anything is sent; what stands in a Markdown image is never evaluated."""
    with pytest.raises(ReferenceImageError) as caught:
        compose(prompt)
    (problem,) = caught.value.problems
    assert [each for each in told if each not in problem] == []


def test_everything_wrong_is_told_together(compose: Compose) -> None:
    """Names, pictures in braces, Markdown images, references and options."""
    with pytest.raises(RequestError) as caught:
        compose("{stile} {tiny} ![](gone.png)", "lost.png", size="9K")
    assert [word for word in ("stile", "tiny", "gone", "lost", "9K") if word not in str(caught.value.problems)] == []


def test_at_most_ten_pictures_fit(compose: Compose, tmp_path: Path) -> None:
    """Those of the text count with those of `--image`, and what is too many is not read."""
    pictures = []
    for index in range(14):
        pictures.append(tmp_path / f"n{index:02}.png")
        pictures[-1].write_bytes(encoded(gradient(100 + index, 50), "PNG"))
    compose.scope = Notebook({"pictures": pictures, "ten": pictures[:10]})
    assert len(compose("{ten}", "n0*.png").images) == 10
    with pytest.raises(ReferenceImageError) as caught:
        compose("{pictures}", "a.png", "b.png")
    assert list(caught.value.problems) == ["images: found more than 10 references (16 in all); leave out 6."]


def test_a_value_is_had_once(compose: Compose) -> None:
    """Drawing may cost time, or give another picture each time."""
    calls = itertools.count(1)
    compose.scope = Notebook({"draw": lambda: gradient(40 + next(calls), 40)})
    assert [each.width for each in compose("{draw()}").images] == [41]


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (4, 20, 30)])
def test_an_array_with_a_pictures_shape_is_one(compose: Compose, shape: tuple[int, ...]) -> None:
    """Grey, or with channels at either end."""
    numpy = pytest.importorskip("numpy")
    compose.scope = Notebook({"it": numpy.zeros(shape, "uint8")})
    assert [(each.width, each.height) for each in compose("{it}").images] == [(30, 20)]


@pytest.mark.parametrize("shape", [(3,), (3, 3), (14, 90), (14, 90, 3), (20, 30, 2), (1, 20, 30, 3)])
def test_any_other_array_is_refused(compose: Compose, shape: tuple[int, ...]) -> None:
    """A vector, a matrix, what has a side under 15: why it is no picture is told, and how to have its text."""
    numpy = pytest.importorskip("numpy")
    compose.scope = Notebook({"it": numpy.zeros(shape, "uint8")})
    with pytest.raises(ReferenceImageError, match=rf"(?s)\{{it\}}.*{re.escape(str(shape))}.*\{{it!s\}}"):
        compose("{it}")
    assert compose("{it!s}").prompt.startswith("[")


@pytest.mark.parametrize("name", ["none", "gone", "raw", "mixed"])
def test_what_is_no_text_is_refused_in_values_too(compose: Compose, name: str) -> None:
    """`sd.generate(…, values={…})` is the same."""
    with pytest.raises(RequestError, match=rf"\{{{name}\}}"):
        compose(f"{{{name}}}", typed=False)


def test_what_shows_no_picture_is_its_text(compose: Compose) -> None:
    """Though it could: `_repr_png_` that gives None says that there is none."""
    request = compose("{square} like {plot}")
    assert (request.prompt, names_of(request)) == ("x**2 like image 1", ["plot"])


@pytest.mark.parametrize("wrap", [lambda content: content, lambda content: {"bytes": content, "path": "a.png"}])
def test_a_picture_in_an_arrow_table_is_one(compose: Compose, wrap: Any) -> None:
    """In braces and as an option, be it there by itself or as tables of pictures have it, with its path."""
    cell = ArrowScalar(wrap(encoded(gradient(60, 50), "PNG")))
    assert compose("like {cell}", values={"cell": cell}, typed=False).prompt == "like image 1"
    assert len(compose("a fox", cell).images) == 1


def test_what_answers_to_any_name_is_its_text(compose: Compose) -> None:
    """It is no canvas, although it has all that a canvas has."""
    assert compose("a fox in {proxy}").prompt == "a fox in red ink"


def test_a_file_that_is_open_as_text_says_how_its_text_is_had(compose: Compose) -> None:
    """Beside how it would be a picture."""
    with pytest.raises(RequestError, match=r"write \{words_file.read\(\)\}"):
        compose("{words_file}")


def test_values_given_in_python_may_be_pictures(compose: Compose) -> None:
    """By their names, with `values`; Markdown in such a template is text, for nobody typed it."""
    request = compose("{photo} like ![x](a.png)", typed=False)
    assert request.prompt == "image 1 like ![x](a.png)"


@pytest.mark.parametrize("mark", ["@3", "@3.2", "@last", "@out", "@[5]"])
def test_a_mark_in_braces_stays_and_says_how_it_is_written(compose: Compose, mark: str) -> None:
    """It is no expression, so it stays; but nobody means it as text."""
    request = compose(f"{{{mark}}} and {{{mark}}} in snow")
    assert (request.prompt, request.images) == (f"{{{mark}}} and {{{mark}}} in snow", ())
    assert request.warnings == (f"{{{mark}}} stayed as text; for the picture write ![]({mark}) or --image {mark}.",)


@pytest.mark.parametrize("prompt", ["@3 stays", "{{@3}}", "{@ 3}", "{@three}", "![](@out) stays"])
def test_other_texts_that_look_like_marks_bring_no_warning(compose: Compose, prompt: str) -> None:
    """What is in no braces, in double ones, or no mark."""
    assert compose(prompt).warnings == ()


def test_text_from_elsewhere_has_no_pictures(compose: Compose) -> None:
    """Without names, braces and Markdown stay as they are."""
    request = compose._compose("{photo} like ![x](a.png)")  # noqa: SLF001 - the composer itself
    assert (request.prompt, request.images) == ("{photo} like ![x](a.png)", ())


def test_a_variable_goes_before_a_file_and_says_so(compose: Compose, tmp_path: Path) -> None:
    """In a warning that goes with the result; what it says helps."""
    (tmp_path / "photo").write_bytes(encoded(gradient(70, 50), "PNG"))
    request = compose("fox", "photo")
    assert [each.width for each in request.images] == [90]
    assert request.warnings == ("photo is the variable, not the file of that name; for the file write ./photo.",)
    other = compose("fox", "./photo")
    assert ([each.width for each in other.images], other.warnings) == ([70], ())


def test_a_variable_that_is_no_picture_names_the_file(compose: Compose, tmp_path: Path) -> None:
    """The order is the same, and the way out is told."""
    (tmp_path / "number").write_bytes(encoded(gradient(70, 50), "PNG"))
    with pytest.raises(ReferenceImageError, match=r"type int[\s\S]*write \./number"):
        compose("fox", "number")


PIECES = st.lists(
    st.sampled_from(["a", "]", "![", "](", ")", "(", "{a}", "\\", '"', " ", "<", ">", "\n", "a.png", "!"])
)


@given(PIECES.map("".join))
def test_text_around_pictures_stays(text: str) -> None:
    """Whatever is no Markdown image is sent as it was typed."""
    parts = list(parts_of(text.replace("{a}", "")))
    joined = "".join(part.written if isinstance(part, Link) else str(part) for part in parts)
    assert joined == text.replace("{a}", "") or "\\![" in text.replace("{a}", "")


@given(PIECES.map("".join))
def test_a_literal_means_its_text(text: str) -> None:
    """Markdown images in it are kept as text, braces too, however they are nested."""
    assert expand(literal(text), NamesScope({"a": "wrong"})) == text


@pytest.mark.parametrize("text", ["![" * 20_000, "![a](" * 20_000, "![a](<" * 20_000, "![a" + "[]" * 20_000])
def test_odd_prompts_take_no_long_time(text: str) -> None:
    """Looking for the end of a Markdown image is bounded."""
    assert "".join(map(str, parts_of(text))) == text


def notebook_with(*attachments: dict[str, bytes]) -> dict[str, object]:
    """Return a notebook as its file holds it, a cell for each of these."""
    cells = [
        {"cell_type": "markdown", "source": "", "attachments": {
            name: {"image/png": base64.b64encode(data).decode()} for name, data in each.items()}}
        for each in attachments
    ]  # fmt: skip
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}, *cells]}


def test_an_attachment_is_read_from_the_saved_notebook(tmp_path: Path) -> None:
    """From whichever cell has it; the same twice is one."""
    path = tmp_path / "work.ipynb"
    path.write_text(json.dumps(notebook_with({"a.png": b"one"}, {"a.png": b"one", "b c.png": b"two"})))
    assert [attached("a.png", path), attached("b c.png", path)] == [b"one", b"two"]


NOTEBOOKS: list[tuple[str | None, str]] = [
    (None, "the notebook's file is not known here, or it was never saved"),
    ("{", "can't be read"),
    ("[]", "can't be read"),
    (json.dumps(notebook_with({"b.png": b"x"})), "Save it, and try again. Did you mean b.png?"),
    (json.dumps(notebook_with({"a.png": b"x"}, {"a.png": b"y"})), "2 different pictures with this name"),
]


@pytest.mark.parametrize(("content", "told"), NOTEBOOKS)
def test_an_attachment_that_is_not_there_is_told(tmp_path: Path, content: str | None, told: str) -> None:
    """Why, and what to do."""
    path = tmp_path / "work.ipynb"
    path.write_text(content or "")
    with pytest.raises(Problem) as caught:
        attached("a.png", path if content else None)
    assert told in str(caught.value)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all these tests, told that it is `work.ipynb`."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "work.ipynb").write_text(json.dumps(notebook_with({"a b.png": encoded(gradient(64, 64), "PNG")})))
    with Kernel(folder, {"JPY_SESSION_NAME": "elsewhere/work.ipynb"}) as kernel:
        kernel.execute(
            "%load_ext seedream_nb\nimport seedream_nb as sd\n%seedream config backend=sandbox\n"
            "from PIL import Image\nimg = Image.new('RGB', (40, 30), 'red')"
        )
        yield kernel


def asked(kernel: Kernel, *cells: str) -> str:
    """Return the prompt and the names of the references of the last of these cells."""
    for cell in cells:
        ran = kernel.execute(cell)
        assert ran.error is None, ran.text
    return kernel.execute(
        "g = sd.history[-1]\nprint(g.prompt, [each.name for each in g.request.images], len(g.images), g.template)"
    ).printed.strip()


CELLS = [
    (["%%seedream -s 1K -i img\n{img} as {_}"], "image 1 as"),
    (["img", "%%seedream -s 1K -i @out\nlike {img}"], "like image 1 ['@out'] 1 like {img}"),
    (["%%seedream -s 1K -n 2 --out fox\na fox", "%%seedream -s 1K\n{_} at night"], "image 1 and image 2 at night"),
    (["%%seedream -s 1K --out fox\na fox", "%%seedream -s 1K -i @last\n{fox[0]}"], "image 1 ['@"),
    (["sd.generate('{it} in {style}', values={'it': img, 'style': 'ink'}, size='1K')"], "image 1 in ink ['it'] 1"),
    (["%%seedream -s 1K\n![x](attachment:a%20b.png) again"], "image 1 again ['a b.png'] 1"),
]


@pytest.mark.kernel
@pytest.mark.parametrize(("cells", "told"), CELLS, ids=[cells[-1] for cells, _ in CELLS])
def test_in_a_notebook(shared: Kernel, cells: list[str], told: str) -> None:
    """Variables, what was shown, the last result, values and attachments become references of the request."""
    shared.execute("%%seedream -s 1K\na first one")
    assert asked(shared, *cells).startswith(told)


@pytest.mark.kernel
def test_a_job_is_no_text(shared: Kernel) -> None:
    """It says how its pictures are had."""
    shared.execute("%%seedream -s 1K -b --out job\na fox")
    assert "write {job.result()}" in shared.execute("%%seedream -s 1K --dry-run\n{job} at night").text
    assert "write job.result()" in shared.execute("%%seedream -s 1K --dry-run -i job\nat night").text
    assert shared.execute("%%seedream -s 1K --dry-run\n{job.result()} at night").error is None


SLOW = """
import time
class Slow:
    def _repr_png_(self):
        print("drawing", flush=True)
        time.sleep(60)
slow = Slow()
"""


@pytest.mark.kernel
@pytest.mark.parametrize("cell", ["%%seedream -i slow\na fox", "%%seedream\na fox like {slow}"])
def test_what_takes_long_to_draw_can_be_stopped(shared: Kernel, cell: str) -> None:
    """At once: it is drawn on the thread that an interrupt reaches, before anything is sent."""
    shared.execute(SLOW)
    before = shared.execute("print(len(sd.history))").printed
    running = shared.start(cell)
    shared.until(lambda: "drawing" in running.text)
    shared.interrupt()
    running.wait(10)
    assert "Stopped before anything was sent. Nothing was billed." in running.text
    assert shared.execute("print(len(sd.history))").printed == before


@pytest.mark.kernel
def test_the_edit_loop_has_the_files(shared: Kernel) -> None:
    """`{_}` is the last result in full size, the same pictures as its marks."""
    shared.execute("%%seedream -s 1K --out fox\na fox")
    shared.execute("fox")
    shared.execute("%%seedream -s 1K --out night\n{_} at night")
    shared.execute("both = [night, img]")
    told = asked(shared, "%%seedream -s 1K -i fox\nlike {both} of {fox}")
    assert told.startswith("like image 2 and image 3 of image 1")
    same = "[each.identity for each in g.request.images[:2]] == [f'sha256:{each[0].sha256}' for each in (fox, night)]"
    assert shared.execute(f"print({same})").printed == "True\n"
    assert shared.execute("print(night.request.images[0].identity == f'sha256:{fox[0].sha256}')").printed == "True\n"


@pytest.mark.kernel
def test_the_history_shows_what_went_in_and_what_was_done_to_it(shared: Kernel) -> None:
    """From the copy that was sent: the file may be gone. What came of it says so in its caption."""
    shared.execute("img.save('gone.webp')")
    assert shared.execute("%%seedream -s 1K --out made -i gone.webp\na fox").error is None
    shared.execute("import os\nos.remove('gone.webp')")
    before = shared.execute("made")
    again = shared.execute("%seedream show @last")
    for ran in (before, again):
        assert "image 1: gone.webp" in ran.text
        assert "gone.webp: converted from WEBP to JPEG" in ran.text
        (shown,) = [each["text/html"] for each in ran.shown]
        assert 'alt="image 1: gone.webp"' in shown
        assert "gone.webp: converted from WEBP to JPEG" in shown
    shared.execute("%%seedream -s 1K --out night -i @last\nat night")
    assert shared.execute("print(night.sources == [made[0].mark])").printed == "True\n"
    assert "from @" in shared.execute("%seedream show @last").text
