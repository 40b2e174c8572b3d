"""Requests: valid at birth, or refused with everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import Problem, ReferenceImageError, RequestError
from seedream_nb.options import OPTIONS
from seedream_nb.request import ImageRequest, Reference, make_request


def urls(count: int) -> list[Reference]:
    """Return so many different references."""
    return [Reference(name=f"u{index}", url=f"https://host/{index}.png") for index in range(count)]


def problems_of(options: dict[str, Any]) -> list[str]:
    """Return what is wrong with a request."""
    with pytest.raises(RequestError) as caught:
        make_request(**options)
    return caught.value.problems


def test_a_prompt_alone_is_a_request() -> None:
    """The defaults are the service's own, said explicitly."""
    request = make_request("a fox")
    assert (request.prompt, request.size, request.sequential) == ("a fox", "2048x2048", "disabled")
    assert (request.max_images, request.watermark, request.images, request.max_pictures) == (None, True, (), 1)


def test_white_space_around_the_prompt_goes() -> None:
    """Line breaks within it stay."""
    assert make_request("\n a fox\n in snow \n").prompt == "a fox\n in snow"


SERIES = [
    ({"max_images": 4}, 0, ("auto", 4)),
    ({"max_images": 1}, 0, ("auto", 1)),
    ({"max_images": 15}, 0, ("auto", 15)),
    ({"max_images": 5}, 10, ("auto", 5)),
    ({"sequential": "auto"}, 0, ("auto", 15)),
    ({"sequential": "auto"}, 4, ("auto", 11)),
    ({"sequential": "auto"}, 10, ("auto", 5)),
    ({"sequential": "auto", "max_images": 3}, 2, ("auto", 3)),
    ({"sequential": "disabled"}, 2, ("disabled", None)),
    ({}, 2, ("disabled", None)),
]


@pytest.mark.parametrize(("options", "references", "expected"), SERIES)
def test_series(options: dict[str, Any], references: int, expected: tuple[str, int | None]) -> None:
    """`max_images` alone means a series; a series without it takes all that the references leave."""
    request = make_request("a fox", images=urls(references), **options)
    assert (request.sequential, request.max_images) == expected
    assert request.max_pictures == (expected[1] or 1)


WRONG = [
    ({"prompt": ""}, ["empty"]),
    ({"prompt": " \n\t"}, ["empty"]),
    ({"prompt": 3}, ["prompt", "3 (int)"]),
    ({"prompt": "a \ud83e fox"}, ["half a character"]),
    ({"max_images": 0}, ["found 0", "1 to 15", "nearest is 1"]),
    ({"max_images": -3}, ["found -3", "nearest is 1"]),
    ({"max_images": 16}, ["found 16", "nearest is 15"]),
    ({"max_images": True}, ["True (bool)", "1 to 15"]),
    ({"max_images": "4"}, ["'4' (str)"]),
    ({"max_images": 4.0}, ["4.0 (float)"]),
    ({"max_images": 12, "images": urls(4)}, ["found 12; with 4 references", "1 to 11", "nearest is 11"]),
    ({"max_images": 16, "images": urls(4)}, ["found 16", "nearest is 11"]),
    ({"sequential": "disabled", "max_images": 4}, ["found 4", "disabled", "one of the two"]),
    ({"sequential": "on"}, ["'on'", "auto or disabled"]),
    ({"sequential": "Auto"}, ["Did you mean auto?"]),
    ({"sequential": True}, ["True (bool)"]),
    ({"watermark": "no"}, ["'no' (str)", "True or False"]),
    ({"watermark": 1}, ["1 (int)"]),
    ({"size": "9x9"}, ["9x9", "1024x1024"]),
    ({"size": 2048}, ["2048 (int)"]),
    ({"aspect": "17:1"}, ["16:1"]),
    ({"images": urls(11)}, ["11 references", "most is 10", "Leave out 1"]),
]


@pytest.mark.parametrize(("options", "told"), WRONG)
def test_a_broken_rule_is_told(options: dict[str, Any], told: list[str]) -> None:
    """With the value found, the limit and the nearest value that would do, and nothing but that."""
    (problem,) = problems_of({"prompt": "a fox", **options})
    assert [each for each in told if each not in problem] == []


def test_all_problems_are_told_together() -> None:
    """Nobody has to run the cell again to learn of the second mistake."""
    wrong = {"size": "9x9", "max_images": 0, "sequential": "atuo", "watermark": "x", "images": urls(12)}
    found = problems_of({"prompt": "", "problems": [Problem("and this")], **wrong})
    assert len(found) == 7
    assert found[0] == "and this"


def test_problems_of_references_alone_are_a_reference_error() -> None:
    """So that a program can tell them apart."""
    with pytest.raises(ReferenceImageError):
        make_request("a fox", images=urls(11))
    with pytest.raises(ReferenceImageError):
        make_request("a fox", problems=[Problem("x.png is empty", reference=True)])
    with pytest.raises(RequestError) as mixed:
        make_request("", problems=[Problem("x.png is empty", reference=True)])
    assert not isinstance(mixed.value, ReferenceImageError)


def test_numbers_of_other_libraries_count() -> None:
    """A whole number of numpy becomes Python's, for JSON knows no other."""
    assert type(make_request("a fox", max_images=np.int64(4)).max_images) is int  # type: ignore[arg-type]  # on purpose


def test_the_same_picture_counts_once() -> None:
    """By URL or content, in order of first appearance."""
    first, second = Reference(name="a", sha256="1"), Reference(name="b", sha256="2")
    again = Reference(name="c", sha256="1")
    assert make_request("a fox", images=[first, second, again]).images == (first, second)
    assert make_request("a fox", images=[*urls(10), *urls(10)]).images == tuple(urls(10))


LENGTHS = [
    ("word " * 600, 0),
    ("word " * 601, 1),
    ("it's well-known " * 300, 0),
    ("狐" * 300, 0),
    ("狐" * 301, 1),
    ("狐" * 301 + " word" * 601, 2),
    ("狐狸 fox " * 150, 0),
]


@pytest.mark.parametrize(("prompt", "warnings"), LENGTHS)
def test_a_long_prompt_is_sent_with_a_warning(prompt: str, warnings: int) -> None:
    """Over 600 words or 300 Chinese characters."""
    assert len(make_request(prompt).warnings) == warnings


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": "x", "size": "16:9"},
        {"prompt": "x", "size": "9x9"},
        {"prompt": "x", "size": None},
        {"prompt": "x", "max_images": 4},
        {"prompt": "x", "sequential": "auto"},
        {"prompt": "x", "sequential": "auto", "max_images": 16},
        {"prompt": "x", "watermark": None},
        {"prompt": "x", "images": tuple(urls(11))},
    ],
)
def test_no_invalid_request_can_be_made(fields: dict[str, Any]) -> None:
    """Not by the constructor either."""
    with pytest.raises(RequestError):
        ImageRequest(**fields)


valid = st.builds(
    make_request,
    prompt=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip),
    images=st.integers(0, 5).map(urls),
    size=st.sampled_from([None, "1K", "4K", "16:9", "1280x1280"]),
    max_images=st.one_of(st.none(), st.integers(1, 10)),
    watermark=st.one_of(st.none(), st.booleans()),
)


@given(valid)
def test_a_record_gives_the_request_back(request: ImageRequest) -> None:
    """Through JSON, as the journal keeps it."""
    record = json.loads(json.dumps(request.to_record()))
    back = ImageRequest.from_record(record, Path("home"))
    assert back.fingerprint == request.fingerprint
    assert back.to_record() == record


def test_a_record_of_a_file_names_the_copy_that_was_sent(tmp_path: Path) -> None:
    """The picture stays the same picture, and can be sent again from the copy."""
    kept = f"inputs/{'b' * 64}.png"
    request = make_request("x", images=[Reference(name="a.png", sha256="a" * 64, source=b"secret bytes")])
    record = request.to_record([kept])
    assert "secret" not in json.dumps(record)
    (back,) = ImageRequest.from_record(record, tmp_path).images
    assert (back.sha256, back.source) == ("b" * 64, tmp_path / kept)
    assert back.identity == request.images[0].identity


@pytest.mark.parametrize("file", ["../../secret.png", "/etc/passwd", "inputs/../x.png", f"inputs/{'b' * 64}.png/../x"])
def test_a_record_leads_to_no_file_outside_inputs(file: str, tmp_path: Path) -> None:
    """A folder from elsewhere must not make us send a file of this machine."""
    record = make_request("x", images=[Reference(name="a", sha256="a" * 64)]).to_record([file])
    (back,) = ImageRequest.from_record(record, tmp_path).images
    assert back.source is None


@pytest.mark.parametrize(
    "damage", [{"prompt": None}, {"images": 3}, {"images": ["x"]}, {"size": 7}, {"max_images": "x"}, {"watermark": "y"}]
)
def test_a_damaged_record_is_refused(damage: dict[str, Any]) -> None:
    """With our own error, whatever is in it."""
    with pytest.raises(RequestError):
        ImageRequest.from_record({**make_request("x").to_record(), **damage}, Path())


def test_a_fingerprint_tells_requests_apart() -> None:
    """Every field counts, names and warnings don't."""
    same = [make_request("x", images=[Reference(name=name, sha256="1")]) for name in "ab"]
    assert same[0].fingerprint == same[1].fingerprint
    others = [
        make_request("x"), make_request("y"), make_request("x", size="2K"), make_request("x", max_images=1),
        make_request("x", watermark=False), make_request("x", images=urls(1)), make_request("x", images=urls(2)),
        make_request("x", images=urls(2)[::-1]), make_request("x", max_images=2),
    ]  # fmt: skip
    assert len({request.fingerprint for request in others}) == len(others)


def test_every_option_is_declared_with_a_help_sentence() -> None:
    """And no flag means two things."""
    flags = [flag for option in OPTIONS for flag in option.flags]
    assert len(set(flags)) == len(flags)
    assert all(option.help for option in OPTIONS)
    assert {flag for flag in flags if flag.startswith("--")} == {
        "--size", "--aspect", "--image", "--max-images", "--sequential", "--model", "--watermark", "--no-watermark",
        "--out", "--once", "--no-once", "--background", "--save", "--dry-run", "--timeout", "--repeat", "--sweep",
        "--each", "--yes", "--retry-unknown",
    }  # fmt: skip
