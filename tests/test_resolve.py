"""What was written becomes reference images: marks, URLs, expressions, paths and globs, in this order."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import Problem
from seedream_nb.references.resolve import Gathering, Lookups, find
from seedream_nb.references.written import check_url, is_private_url
from seedream_nb.scope import EmptyScope, NamesScope, Scope
from tests.pictures import encoded, gradient, noise
from tests.references import LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from seedream_nb.request import Reference

PNG = encoded(gradient(60, 50), "PNG")
DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()


class Notebook(NamesScope):
    """Names and builtins, as a notebook has them."""

    has_builtins = True

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression."""
        return eval(expression, {**self._values})  # noqa: S307 - the test's own expressions


class Thing:
    """Has an attribute, and a method that fails from within."""

    img = Path("a.png")

    def broken(self) -> object:
        """Raise an AttributeError about something else."""
        return self.img.nonsense  # type: ignore[attr-defined]  # on purpose


NAMES: dict[str, object] = {
    "photo": gradient(40, 30), "row": {"img": "b.png", "my img": Path("a.png")}, "thing": Thing(), "raw": PNG,
    "shots": ["a.png", Path("b.png")], "link": "https://x.org/a.png", "mark": "@3", "number": 4, "input_": "x",
    "deep": {"x": [{"y": "b.png"}]}, "inline": DATA, "wild": "*.png", "cat": "a.png", "code": "photo",
    "coded": base64.b64encode(PNG).decode(), "lost": "gone.png",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with pictures in it."""
    for index, name in enumerate(["a.png", "b.png", "cat", "my photo.png", "odd[1].png", "photo.jpg", "@home.png"]):
        (tmp_path / name).write_bytes(encoded(gradient(60 + index, 50), "PNG"))
    (tmp_path / "shots").mkdir()
    for name in ["2.png", "10.png", "1.png"]:
        (tmp_path / "shots" / name).write_bytes(encoded(noise(40, 30), "PNG"))
    (tmp_path / "shots" / "notes.txt").write_text("hello")
    return tmp_path


def marked(mark: str) -> Sequence[tuple[str, Path]]:
    """Return the marks and files of a history with two pictures in generation 3."""
    first, second = ("@3.1", "a.png"), ("@3.2", "b.png")
    pictures = {"@3": [first, second], "@3.2": [second], "@last": [first]}
    if mark == "@8":
        raise LookupError("the newest is 3")
    if mark not in pictures:
        raise Problem(f"{mark} is not in the history.")
    return [(own, Path.cwd() / name) for own, name in pictures[mark]]


def shown(mark: str) -> Sequence[object]:
    """Return what was shown: one picture last, two by cell 5."""
    if mark == "@[9]":
        raise Problem("@[9]: cell [9] has shown no picture; there is @[5].", reference=True)
    return [gradient(80, 50)] if mark == "@out" else [Path("a.png"), Path("b.png")]


def looking(folder: Path, scope: Scope | None = None, **parts: Any) -> Lookups:
    """Return where things are looked up in that folder."""
    return Lookups(scope=scope or Notebook(NAMES), marked=marked, shown=shown, folder=folder, limits=LIMITS, **parts)


def found(written: object, folder: Path, scope: Scope | None = None) -> list[Reference]:
    """Return what something written means in that folder."""
    return [each.load_reference(LIMITS) for each in find(written, looking(folder, scope))]


def files_of(references: Sequence[Reference], folder: Path) -> list[str]:
    """Return the names of the files that references come from, or their URLs."""
    paths = [reference.source for reference in references]
    return [path.relative_to(folder).as_posix() if isinstance(path, Path) else "" for path in paths]


PATHS = [
    ("a.png", ["a.png"]),
    ("./a.png", ["a.png"]),
    ("my photo.png", ["my photo.png"]),
    ("odd[1].png", ["odd[1].png"]),
    ("shots/1.png", ["shots/1.png"]),
    ("shots/*.png", ["shots/1.png", "shots/10.png", "shots/2.png"]),
    ("**/1*.png", ["shots/1.png", "shots/10.png"]),
    ("[ab].png", ["a.png", "b.png"]),
    ("photo.jpg", ["photo.jpg"]),
    ("@home.png", ["@home.png"]),
    ("@3", ["a.png", "b.png"]),
    ("@3.2", ["b.png"]),
    (" @last ", ["a.png"]),
    ("@[5]", ["a.png", "b.png"]),
    ("row['img']", ["b.png"]),
    ('row["my img"]', ["a.png"]),
    ("thing.img", ["a.png"]),
    ("deep['x'][0]['y']", ["b.png"]),
    ("shots", ["a.png", "b.png"]),
    ("shots[0]", ["a.png"]),
    ("wild", ["@home.png", "a.png", "b.png", "my photo.png", "odd[1].png"]),
    ("mark", ["a.png", "b.png"]),
    ("sorted(shots[:1])", ["a.png"]),
    ("cat", ["a.png"]),
    ("./cat", ["cat"]),
]


@pytest.mark.parametrize(("mark", "names"), [("@last", ["@3.1"]), ("@3", ["@3.1", "@3.2"]), ("@3.2", ["@3.2"])])
def test_a_mark_is_told_as_the_picture_it_meant(mark: str, names: list[str], folder: Path) -> None:
    """A picture of the history is called by its own mark: `@last` would mean another one tomorrow."""
    assert [reference.name for reference in found(mark, folder)] == names


@pytest.mark.parametrize(("written", "files"), PATHS)
def test_what_was_written_is_found(written: str, files: list[str], folder: Path) -> None:
    """A mark, an expression, a path, a glob in sorted order; a variable goes before a file of its name."""
    assert files_of(found(written, folder), folder) == files


@pytest.mark.parametrize(
    "written", ["https://x.org/a.png", "HTTP://x.org/a?b=c#d", "https://user@x.org:8443/ä.png", "link"]
)
def test_a_url_is_sent_as_it_is(written: str, folder: Path) -> None:
    """For the service to fetch; also from a variable."""
    (reference,) = found(written, folder)
    assert reference.url == NAMES.get(written, written)
    assert reference.source is None


@pytest.mark.parametrize(
    "written", [DATA, "inline", "raw", f"DATA:IMAGE/PNG;name=x;BASE64,{DATA[22:]}", DATA.replace("=", "%3D")]
)
def test_content_is_a_reference(written: str, folder: Path) -> None:
    """Bytes and data URIs."""
    (reference,) = found(written, folder)
    assert reference.source == PNG
    assert len(reference.name) < 80


def test_values_are_references(folder: Path) -> None:
    """In Python they come without being written."""
    image = gradient(44, 33)
    for value in (image, PNG, folder / "a.png", Path("a.png"), [Path("a.png")]):
        (reference,) = found(value, folder, EmptyScope())
        assert reference.media_type == "image/png"
    assert [reference.width for reference in found([image, "b.png", PNG], folder)] == [44, 61, 60]


def test_a_value_is_not_read_as_an_expression_again(folder: Path) -> None:
    """What a variable contains is a path, a URL or a mark."""
    with pytest.raises(Problem, match="photo was not found"):
        found("code", folder)


def test_texts_are_never_evaluated_without_names(folder: Path) -> None:
    """A script has none to offer."""
    assert files_of(found("cat", folder, EmptyScope()), folder) == ["cat"]
    with pytest.raises(Problem, match="not found"):
        found("open('a.png').read()", folder, EmptyScope())


def test_a_text_that_is_no_file_says_how_a_variable_is_handed_over_in_python(folder: Path) -> None:
    """It does not say that there is no such variable: there may be."""
    with pytest.raises(Problem, match=r"phot was not found in .* For a variable write it without quotes") as caught:
        found("phot", folder, EmptyScope())
    assert "no variable" not in str(caught.value)


WRONG = [
    ("b.pgn", ["b.pgn was not found", "Did you mean b.png?"]),
    ("nofolder/a.png", ["nofolder/a.png", "folder does not exist"]),
    ("phto", ["no variable phto", "Did you mean photo"]),
    ("photo.gif", ["photo.gif", "photo has no attribute gif", "Did you mean photo.jpg?"]),
    ("thing.missing", ["thing has no attribute missing"]),
    ("thing.broken()", ["AttributeError", "nonsense"]),
    ("row['other']", ["row['other']", "KeyError: 'other'"]),
    ("shots[9]", ["IndexError"]),
    ("shots[j]", ["NameError"]),
    ("number", ["number", "type int", "a path, a URL"]),
    ("id", ["no variable id"]),
    ("*.gif", ["*.gif matches no file"]),
    ("shots/", ["is a folder", "*.png"]),
    ("shots/notes.txt", ["not a picture but text"]),
    ("", ["empty"]),
    ("x" * 5000, ["was not found"]),
    ("x/" * 5000, ["was not found"]),
    ("*/../" * 50 + "*.png", ["too long to search"]),
    ("**/" * 50 + "*.png", ["at most 2 `**`"]),
    ("*" * 5000, ["too long to search"]),
    ("a\0b.png", ["was not found"]),
    ("~nobody-of-that-name/a.png", ["was not found"]),
    ("@8", ["@8", "the newest is 3"]),
    ("@9", ["@9 is not in the history"]),
    ("@[9]", ["cell [9] has shown no picture"]),
    ("@owt", ["@3, @3.2 and @last", "@out and @[5]"]),
    ("@[x]", ["@out and @[5]"]),
    ("pics[1]", ["matches no file", "no variable pics"]),
    ("photo,shots", ["photo,shots is not a file", "For several write -i photo -i shots."]),
    ("[photo,shots[0]]", ["For several write -i photo -i shots[0]."]),
    ("{photo}", ["{photo} was not found", "For the variable write {photo} in the prompt, or -i photo."]),
    ("code", ["code: photo was not found", "For the variable write {photo} in the prompt, or -i photo."]),
    ("b.png,a.png", ["b.png,a.png was not found", "For several write -i b.png -i a.png."]),
    ("b.png,gone.jpg", ["b.png,gone.jpg was not found"]),
    ("photo*2", ["photo*2 is not a file", "assign it to a variable"]),
    ("@photo", ["is neither a mark nor a file", "Did you mean photo?"]),
    ("coded", ["coded: iVBOR", "is a picture in base64", "b64decode"]),
    ("lost", ["lost: gone.png was not found"]),
    ("ftp://x.org/a.png", ["not http or https"]),
    ("file:///a.png", ["not http or https", "write its path"]),
    ("https://", ["has no host"]),
    ("https://x.org:port/a.png", ["is not a URL"]),
    ("http://[::1", ["is not a URL"]),
    ("http://[bad]/a.png", ["is not a URL"]),
    ("https://x.org]/a.png", ["is not a URL"]),
    ("https://x.org/a b.png", ["white space"]),
    ("data:image/png;base64,AAA", ["broken base64"]),
    ("data:image/png;base64,A*A=", ["broken base64"]),
    ("data:image/png;base64,", ["is empty"]),
    ("data:text/plain;base64,aGVsbG8=", ["not the data URI of a picture"]),
    ("data:image/png,abc", ["not the data URI of a picture"]),
    ("data:image/png;base64,aGVsbG8=", ["not a picture but text"]),
]


@pytest.mark.parametrize(("written", "told"), WRONG, ids=[written[:30] for written, _ in WRONG])
def test_what_cannot_be_found_is_told(written: str, told: list[str], folder: Path) -> None:
    """What was tried, and the nearest."""
    with pytest.raises(Problem) as caught:
        found(written, folder)
    assert caught.value.reference
    assert [each for each in told if each not in str(caught.value)] == []
    assert all(len(text) < 300 for text in caught.value.texts)


HERE = [
    "http://localhost/a.png", "http://localhost:8888/a.png", "http://LOCALHOST./a", "http://x.localhost/a", "http://nas.local/a",
    "http://127.0.0.1/a", "http://127.1/a", "http://2130706433/a", "http://0x7f000001/a", "http://0.0.0.0/a",
    "http://10.1.2.3/a", "http://192.168.1.9/a", "http://172.16.0.1/a", "http://100.64.0.1/a", "http://[::1]/a",
    "http://[fd00::1]/a", "http://[::ffff:10.0.0.1]/a",
]  # fmt: skip


@pytest.mark.parametrize("url", HERE)
def test_an_address_of_this_network_is_fetched_here(url: str, folder: Path) -> None:
    """The service could not reach it, however it is spelt; no name is looked up."""
    fetched: list[str] = []

    def fetch(link: str) -> bytes:
        fetched.append(link)
        return PNG

    (one,) = find(url, looking(folder, fetch=fetch))
    assert fetched == []
    reference = one.load_reference(LIMITS)
    assert (fetched, reference.source, reference.url, reference.name) == ([url], PNG, None, url)


def test_without_a_way_to_fetch_such_an_address_is_refused(folder: Path) -> None:
    """It says what to do."""
    with pytest.raises(Problem, match="can't reach; download the picture"):
        found(HERE[0], folder)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fe80::1]/a", "http://[fe80::1%25eth0]/a", "http://2852039166/a"]
)
def test_a_link_local_address_is_refused(url: str) -> None:
    """Clouds keep secrets there."""
    with pytest.raises(Problem, match="link-local"):
        check_url(url, url)


@pytest.mark.parametrize(
    "url",
    ["https://8.8.8.8/a", "https://x.org", "https://localhost.x.org/a", "https://10.x.org/a", "https://1e100.net/a"],
)
def test_other_addresses_are_sent(url: str) -> None:
    """Judged by the host as written."""
    assert (check_url(url, url), is_private_url(url)) == (url, False)


def test_every_picture_that_cannot_be_used_is_told(folder: Path) -> None:
    """Of a glob, too."""
    (folder / "shots" / "more.txt").write_text("x")
    gathering = Gathering(looking(folder))
    gathering.add("shots/*")
    (problem,) = gathering.problems
    assert len(problem.texts) == 2
    assert len(gathering.references) == 3


def test_all_references_of_a_request_are_told_together(folder: Path) -> None:
    """Those that can be used are there, each picture once."""
    gathering = Gathering(looking(folder))
    link = "https://x.org/a.png"
    for each in ["a.png", "nothing.png", "./a.png", "b.png", "shots/notes.txt", "@9", link, link]:
        gathering.add(each)
    assert [reference.name for reference in gathering.references] == ["a.png", "b.png", link]
    assert len(gathering.problems) == 3


def test_what_came_without_a_name_is_called_by_its_place(folder: Path) -> None:
    """Each by one of its own, which fits below a small picture; a path has a name."""
    gathering = Gathering(looking(folder, EmptyScope()))
    for each in [gradient(40, 30), PNG, folder / "b.png", [gradient(41, 30), gradient(42, 30)]]:
        gathering.add(each)
    names = [
        "images[0] (Image)",
        "images[1] (bytes)",
        str(folder / "b.png"),
        "images[3] (list)[0]",
        "images[3] (list)[1]",
    ]
    assert [reference.name for reference in gathering.references] == names


def test_never_more_than_the_eleventh_is_read(folder: Path) -> None:
    """The eleventh may be one that was there already."""
    for index in range(20):
        content = encoded(gradient(60 + index, 50), "PNG") if index < 12 else b"never read"
        (folder / f"n{index:02}.png").write_bytes(content)
    gathering = Gathering(looking(folder, EmptyScope()))
    gathering.add("n*.png")
    assert [reference.width for reference in gathering.references] == [60 + index for index in range(10)]
    assert [str(problem) for problem in gathering.problems] == [
        "images: found more than 10 references (20 in all); leave out 10."
    ]
    again = Gathering(looking(folder, EmptyScope()))
    for name in [*(f"n0{index}.png" for index in range(10)), "n00.png"]:
        again.add(name)
    assert (len(again.references), again.problems) == (10, ())


@given(st.text() | st.text(st.sampled_from("@3.last/*[]~:ahtps()' \\")))
def test_no_text_breaks_it(written: str) -> None:
    """Anything written gives references or a problem."""
    try:
        told = [str(reference) for reference in found(written, Path(), EmptyScope())]
    except Problem as problem:
        told = [*problem.texts]
    assert told


def test_an_image_of_pillow_is_evaluated_once(folder: Path) -> None:
    """Expressions may cost time or change things."""
    calls: list[int] = []

    def draw() -> Image.Image:
        calls.append(1)
        return gradient(40, 30)

    assert len(found("draw()", folder, Notebook({"draw": draw}))) == 1
    assert calls == [1]
