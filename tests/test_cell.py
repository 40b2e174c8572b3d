"""The option line of a cell: how it is split, what it gives, what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.cell import asks_for_help, parse_assignments, read
from seedream_nb.errors import RequestError, request_error
from seedream_nb.notebook.help import cell_help
from seedream_nb.options import OPTIONS, CellOptions
from seedream_nb.request import make_request


def parse(line: str) -> CellOptions:
    """Return the options that a line gives; raise what a cell with it would."""
    options, problems = read(line)
    request: CellOptions = {**options, "images": ()}
    make_request("a fox", problems=problems, **request)
    return options


GIVEN: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("   ", {}),
    ("--size 2K", {"size": "2K"}),
    ("--size=2K", {"size": "2K"}),
    ("-s 2K", {"size": "2K"}),
    ("-s2K", {"size": "2K"}),
    ("-s=2K", {"size": "2K"}),
    ("--size '2K'", {"size": "2K"}),
    ('--size="2048 x 2048"', {"size": "2048 x 2048"}),
    ("\t--size\t2K\t", {"size": "2K"}),
    ("--aspect 5:4", {"aspect": "5:4"}),
    ("-a5:4 -s 4K", {"aspect": "5:4", "size": "4K"}),
    ("-n4", {"max_images": 4}),
    ("-n 15", {"max_images": 15}),
    ("--max-images=1", {"max_images": 1}),
    ("--sequential auto", {"sequential": "auto"}),
    ("--watermark", {"watermark": True}),
    ("--no-watermark", {"watermark": False}),
    ("-o foxes", {"out": "foxes"}),
    ("--out=füchse", {"out": "füchse"}),
    ("--once", {"once": True}),
    ("-b", {"background": True}),
    ("--background", {"background": True}),
    ("--save C:\\my\\pictures", {"save": "C:\\my\\pictures"}),
    ("--save 'my pictures'", {"save": "my pictures"}),
    ("--dry-run", {"dry_run": True}),
    ("--timeout 90", {"timeout": 90.0}),
    ("--timeout=.5", {"timeout": 0.5}),
    ("--timeout 1e3", {"timeout": 1000.0}),
    ("-s 2K -n4 --once -i a.png", {"size": "2K", "max_images": 4, "once": True, "images": ("a.png",)}),
]


@pytest.mark.parametrize(("line", "fields"), GIVEN)
def test_options_are_read(line: str, fields: dict[str, Any]) -> None:
    """Long, short, attached; what is not given is not there."""
    assert parse(line) == fields


@pytest.mark.parametrize(("line", "asks"), [("-h", True), ("--help --nonsense [", True), ("-o '--help'", False)])
def test_help_is_asked_for(line: str, asks: bool) -> None:
    """Whatever else is in the line."""
    assert asks_for_help(line) is asks


IMAGES = [
    ("-i a.png", ["a.png"]),
    ("-i a.png --image b.png -ic.png --image=d.png", ["a.png", "b.png", "c.png", "d.png"]),
    ("-i a.png -i a.png", ["a.png", "a.png"]),
    ("-i row['img']", ["row['img']"]),
    ('-i row["my img"]', ['row["my img"]']),
    ("-i 'my photo.png'", ["my photo.png"]),
    ('-i "it\'s.png"', ["it's.png"]),
    ("-i my' 'photo.png", ["my photo.png"]),
    ("-i f(a, b)", ["f(a, b)"]),
    ("-i f({'a b': [1, 2]}, ')')", ["f({'a b': [1, 2]}, ')')"]),
    ("-i photos[ 0 ]", ["photos[ 0 ]"]),
    ("-iphotos[0]", ["photos[0]"]),
    ("-if(x=1)", ["f(x=1)"]),
    ("--image=f(x=1)", ["f(x=1)"]),
    (r"-i C:\photos\new\a.png", [r"C:\photos\new\a.png"]),
    (r"-i 'C:\my photos\'", ["C:\\my photos\\"]),
    (r"""-i row["a\"b c"]""", [r"""row["a\"b c"]"""]),
    ("-i '-odd.png'", ["-odd.png"]),
    ("-i shots/*.png", ["shots/*.png"]),
    ("-i shots/[ab]?.png", ["shots/[ab]?.png"]),
    ("-i @3.2 -i @last", ["@3.2", "@last"]),
    ("-i https://x.org/a?b=1&c=%20", ["https://x.org/a?b=1&c=%20"]),
    ("-i data:image/png;base64,AA==", ["data:image/png;base64,AA=="]),
    ("-i a).png", ["a).png"]),
    ("-i $HOME/a.png", ["$HOME/a.png"]),
    ("-i 狐狸.png", ["狐狸.png"]),
]


@pytest.mark.parametrize(("line", "images"), IMAGES)
def test_a_reference_is_one_word(line: str, images: list[str]) -> None:
    """Split at white space outside quotes and brackets; outer quotes go, inner ones stay, nothing is escaped."""
    assert parse(line)["images"] == tuple(images)


WRONG = [
    ("--sise 2K", ["--sise", "Did you mean --size?"]),
    ("--max 4", ["--max", "Did you mean --max-images?"]),
    ("-size 2K", ["-size", "Did you mean --size?"]),
    ("-once", ["-once", "Did you mean --once?"]),
    ("—size 2K", ["Did you mean --size?"]),
    ("--no-watermak", ["Did you mean --no-watermark?"]),
    ("--Size 2K", ["Did you mean --size?"]),
    ("-o In", ["In", "IPython", "-o result"]),
    ("-z", ["-z", "%%seedream? lists them all"]),
    ("--", ["There is no option --"]),
    ("--size", ["--size needs a value", "2K"]),
    ("--size=", ["--size needs a value"]),
    ("--size ''", ["--size needs a value"]),
    ("--size --once", ["--size needs a value"]),
    ("-i", ["-i needs a value"]),
    ("--size 2K --size 4K", ["--size is given twice"]),
    ("--size 2K -s 2K", ["-s is given twice", "--size"]),
    ("--once --once", ["--once is given twice"]),
    ("--watermark --no-watermark", ["--watermark and --no-watermark"]),
    ("-n 0", ["found 0", "1 to 15", "nearest is 1"]),
    ("-n 16", ["found 16", "1 to 15", "nearest is 15"]),
    ("-n -1", ["found -1", "1 to 15"]),
    ("-n four", ["found four", "1 to 15"]),
    ("-n 4.0", ["found 4.0", "whole number"]),
    ("-n 9999999999999", ["1 to 15"]),
    ("--timeout 0", ["found 0", "above 0"]),
    ("--timeout -5", ["found -5"]),
    ("--timeout soon", ["found soon"]),
    ("--timeout nan", ["found nan"]),
    ("--timeout 1e-400", ["found 1e-400"]),
    ("--timeout 1e300", ["found 1e300"]),
    ("--timeout 1_0", ["found 1_0"]),
    ("--timeout ٣", ["found ٣"]),
    ("-n ٣", ["found ٣"]),
    ("--timeout 1e999", ["found 1e999"]),
    ("--sequential of", ["found of", "auto or disabled"]),
    ("--sequential disable", ["Did you mean disabled?"]),
    ("--watermark=false", ["takes no value", "--no-watermark"]),
    ("--once=yes", ["--once takes no value"]),
    ("-o my-fox", ["my-fox", "my_fox"]),
    ("-o 2nd", ["2nd", "Write -o nd"]),
    ("-o class", ["class", "class_"]),
    ("-o print", ["print", "Python", "-o result"]),
    ("--once --no-once", ["--once and --no-once"]),
    ("--no-dry-run", ["There is no option --no-dry-run", "Leave --dry-run out"]),
    ("--no-background", ["Leave --background out"]),
    ("a fox", ["a fox doesn't belong to any option", "lines below"]),
    ("--once a fox", ["a fox", "lines below"]),
    ("api_key=sk_x", ["%seedream login"]),
    ("--once sk_x", ["%seedream login"]),
    ("-i my photo.png", ["photo.png", "-i my -i photo.png", "quotes around one that has spaces"]),
    ("-i 'my photo.png", ["quote '", "not closed", "my photo.png"]),
    ("-i row['img", ["quote '", "not closed"]),
    ("-i row['img'", ["bracket [", "not closed"]),
    ("-i f(a]", ["bracket (", "not closed"]),
    ("--size 3K", ["3K", "Did you mean 2K?"]),
    ("--size 100x100", ["10 000", "1024x1024"]),
    ("--size 16:9 --aspect 4:3", ["--size 1K, 2K or 4K"]),
    ("--aspect 99:1", ["1:16 to 16:1"]),
]


@pytest.mark.parametrize(("line", "told"), WRONG)
def test_a_mistake_is_told_once(line: str, told: list[str]) -> None:
    """With what was found, what may be, and the nearest."""
    with pytest.raises(RequestError) as caught:
        parse(line)
    (problem,) = caught.value.problems
    assert [each for each in told if each not in problem] == []


@pytest.mark.parametrize("line", ["sk_{}", "--once api_key = {}", "--api-key=sk_{}", "--key {}", "-n4 'sk_{}'"])
def test_a_key_is_not_repeated(line: str) -> None:
    """A key on a cell's option line is refused without being shown."""
    with pytest.raises(RequestError) as caught:
        parse(line.format("Zq7XvTgWp"))
    assert "Zq7X" not in str(caught.value)


def test_all_mistakes_are_told_together() -> None:
    """Nobody has to run the cell again to learn of the second one."""
    with pytest.raises(RequestError) as caught:
        parse("--sise 2K -n 0 --out 2x --timeout x stray --once --once -s 9x9 -i [1, 2")
    assert len(caught.value.problems) == 8


def test_what_was_understood_is_handed_over_with_the_problems() -> None:
    """So that the prompt's own mistakes can be told with the line's."""
    options, problems = read("-n 0 --once")
    assert options == {"once": True}
    assert len(problems) == 1


@given(st.text() | st.text(st.sampled_from("-sinab=012K '\"[](){}\\\t@.:x")))
def test_no_line_breaks_it(line: str) -> None:
    """Any line gives options or our own error."""
    options, problems = read(line)
    assert isinstance(options, dict)
    assert all(str(problem) for problem in problems)


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="'\"[](){}"), min_size=1)


@given(st.lists(words.filter(lambda word: word[0] not in "-\u2013\u2014\u2212"), min_size=1, max_size=10))
def test_words_come_through_unchanged(texts: list[str]) -> None:
    """Without quotes and brackets there is nothing to interpret: no shell, no escapes, no wildcards."""
    assert parse(" ".join(f"-i {text}" for text in texts))["images"] == tuple(texts)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters='"'), min_size=1), min_size=1, max_size=5))
def test_quoted_words_come_through_unchanged(texts: list[str]) -> None:
    """Between quotes anything goes but that quote."""
    assert parse(" ".join(f'-i "{text}"' for text in texts))["images"] == tuple(texts)


ASSIGNED = [
    ("", {}),
    ("size=2K", {"size": "2K"}),
    ("size=2K price=0.04", {"size": "2K", "price": "0.04"}),
    ("home='my folder'", {"home": "my folder"}),
    ("'home=my folder'", {"home": "my folder"}),
    ("budget=", {"budget": ""}),
    ("base_url=https://x.org/a?b=c", {"base_url": "https://x.org/a?b=c"}),
    (r"home=C:\pictures", {"home": r"C:\pictures"}),
]


@pytest.mark.parametrize(("text", "values"), ASSIGNED)
def test_assignments_are_read(text: str, values: dict[str, str]) -> None:
    """As `%seedream config` takes them."""
    assert parse_assignments(text) == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("size", "name=value"),
        ("size = 2K", "no space"),
        ("size=2K size=4K", "size is given twice"),
        ("=2K", "name=value"),
        ("--size=2K", "name=value"),
        ("home='my folder", "not closed"),
    ],
)
def test_wrong_assignments_are_told(text: str, told: str) -> None:
    """With how to write them."""
    with pytest.raises(RequestError, match=told):
        parse_assignments(text)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_help_tells_of_every_option(option: Any) -> None:
    """Each flag, its value and its sentence."""
    told = " ".join(cell_help().split())
    assert option.help in told
    assert all(flag in told for flag in option.flags)


def test_the_help_reads_well() -> None:
    """In a terminal's width, with usage and three examples."""
    lines = cell_help().splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("  %%seedream") for line in lines) == 4


def test_the_examples_of_the_help_are_right() -> None:
    """They can be pasted."""
    for line in cell_help().splitlines():
        if line.startswith("  %%seedream") and "[" not in line:
            parse(line.removeprefix("  %%seedream"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--ratio 16:9", "--aspect"), ("--width 2048", "--size"), ("--seed 4", "no seed"),
        ("--images a.png", "--image"),
        ("--count 3", "--max-images"), ("--ref a.png", "--image"), ("--folder out", "--save"),
        ("--dryrun", "--dry-run"),
        ("--no_watermark", "--no-watermark"), ("--max_images 3", "--max-images"),
    ],
)  # fmt: skip
def test_what_an_option_is_called_elsewhere(written: str, meant: str) -> None:
    """Who knows other tools is led to the option that is meant."""
    with pytest.raises(RequestError, match=meant) as caught:
        parse(written)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("written", ["--style x", "--steps 30", "--negative-prompt dogs", "--cfg 7"])
def test_an_option_that_is_near_to_none(written: str) -> None:
    """No wrong guess is made: it says where they are all listed."""
    with pytest.raises(RequestError, match=r"%%seedream\? lists them all\.") as caught:
        parse(written)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("line", ['-i "photo.jpg', "-i photos[0 -n 4", "--size '2K", '"a fox', "-n 4 -i (x"])
def test_what_is_left_open_is_told_once(line: str) -> None:
    """One mistake has one message."""
    _, problems = read(line)
    assert [problem for problem in problems if problem.texts] == problems[:1]
    assert "not closed" in str(problems[0])


@given(st.text(st.sampled_from("-–=snia \"'[](){}@.:,16K\t%\\é写") | st.characters(), max_size=60))
def test_any_line_is_read_or_refused(line: str) -> None:
    """Whatever stands there, the answer is options or at most five lines."""
    _, problems = read(line)
    assert not problems or 2 <= len(request_error(problems).lines()) <= 5
