"""A pattern that is compiled when it is first used is what `re.compile` gives."""

from __future__ import annotations

import re

import pytest

from seedream_nb.patterns import lazy_pattern

WORD = r"(?P<first>\w)(\w*)"


@pytest.mark.parametrize("method", ["match", "search", "fullmatch", "findall", "split"])
def test_it_finds_what_a_compiled_one_finds(method: str) -> None:
    """Each of its methods answers as that of a compiled pattern."""
    lazy, compiled = getattr(lazy_pattern(WORD), method)("fox"), getattr(re.compile(WORD), method)("fox")
    assert str(lazy) == str(compiled)


def test_it_keeps_its_flags() -> None:
    """What is handed over beside the text holds."""
    assert lazy_pattern("fox", re.IGNORECASE).sub("-", "a Fox") == "a -"


def test_it_reads_bytes() -> None:
    """A pattern of bytes finds bytes."""
    assert lazy_pattern(rb"\d+").findall(b"1 22") == [b"1", b"22"]


def test_it_can_be_asked_where_to_look() -> None:
    """Its methods take what those of a compiled pattern take and `re`'s functions don't."""
    assert lazy_pattern("o").search("foo", 2) is not None
    assert lazy_pattern("o").match("foo", 0, 1) is None


def test_making_it_compiles_nothing() -> None:
    """One that is no pattern is refused when it is first used."""
    made = lazy_pattern("(")
    with pytest.raises(re.error):
        made.match("")


def test_its_text_can_be_part_of_another() -> None:
    """It tells its text without being compiled."""
    assert lazy_pattern("(").pattern == "("
