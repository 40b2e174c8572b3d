"""Paths are found as people write and paste them, and told so that one knows which file is meant."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import Problem, shorten
from seedream_nb.references.resolve import find
from seedream_nb.scope import EmptyScope
from tests.pictures import encoded, gradient
from tests.references import LIMITS
from tests.test_resolve import PNG, Notebook, folder, looking

__all__ = ["folder"]


def test_a_long_path_keeps_the_name_of_its_file(folder: Path) -> None:
    """Folders go, in whichever message it stands; the file's own name and extension stay."""
    deep = "/".join(["a_folder_with_a_name"] * 9)
    (folder / deep).mkdir(parents=True)
    (folder / deep / "broken.png").write_bytes(PNG[:20])
    (folder / deep / "tiny.png").write_bytes(encoded(gradient(9, 9), "PNG"))
    for name in ("lost.jpg", "broken.png", "tiny.png"):
        for written in (f"{deep}/{name}", Path(deep) / name):
            with pytest.raises(Problem) as caught:
                [each.load_reference(LIMITS) for each in find(written, looking(folder, EmptyScope()))]
            assert f"folder_with_a_name/{name} " in str(caught.value)
            assert str(caught.value).startswith("…/")


NAMES_SHORTENED = [
    ("photo.jpg", "photo.jpg"),
    ("/home/me/" + "shots/" * 20 + "photo.jpg", "…/shots/shots/shots/photo.jpg"),
    ("C:\\" + "Pictures\\" * 20 + "photo.jpg", "…\\Pictures\\Pictures\\photo.jpg"),
    ("shots/" + "x" * 60 + ".jpeg", "xxxxxxxxxx…xxxxxxxxxxxxxx.jpeg"),
    ("https://a.org/" + "shots/" * 20 + "photo.jpg?key=" + "x" * 99, "https://a.org/…/photo.jpg?…"),
    ("https://a.org/" + "shots/" * 20 + "p.jpg", "https://a.org/…/p.jpg"),
    ("x" * 9000 + "/photo.jpg", "…/photo.jpg"),
]


@pytest.mark.parametrize(("name", "short"), NAMES_SHORTENED, ids=[short for _, short in NAMES_SHORTENED])
def test_a_shortened_name_keeps_its_end(name: str, short: str) -> None:
    """The name of the file and its extension tell most."""
    assert shorten(name, 30) == short


@given(st.text(max_size=200), st.integers(10, 80))
def test_a_shortened_name_is_never_longer(name: str, limit: int) -> None:
    """Whatever it is."""
    assert len(shorten(name, limit)) <= limit


AS_PASTED = [
    *('"a.png"', "'a.png'", "\u201ca.png\u201d", "\u2018a.png\u2019", "\xaba.png\xbb", "`a.png`", ' "a.png" \n'),
    *("\u202aa.png", "\u202aa.png\u202c", "\u200ea.png\u200f", "\ufeffa.png", "a.png\u200b", "\u2066a.png\u2069"),
    *('\u202a"a.png"', '"\u202aa.png"', "\xa0a.png", "file:a.png", "./a.png", "a.png\n", "\ta.png\r\n"),
]


@pytest.mark.parametrize("written", AS_PASTED, ids=[ascii(each) for each in AS_PASTED])
def test_what_came_along_with_a_pasted_path_is_left_out(written: str, folder: Path) -> None:
    """Quotes, and what nobody sees: in a cell, in Python, as the value of a variable."""
    for scope, word in ((EmptyScope(), written), (Notebook({"a": 1}), written), (Notebook({"it": written}), "it")):
        (each,) = find(word, looking(folder, scope))
        assert each.source == folder / "a.png"


SPELT = ["my\\ photo.png", "my%20photo.png", '"my photo.png"', "shots\\1.png", "'shots/1.png'"]


@pytest.mark.skipif(os.name == "nt", reason="a backslash parts folders there")
@pytest.mark.parametrize("written", SPELT)
def test_a_path_in_another_spelling_is_found(written: str, folder: Path) -> None:
    """As a terminal writes it, as it stands in a URL, as Windows parts its folders."""
    (each,) = find(written, looking(folder, EmptyScope()))
    assert isinstance(each.source, Path)
    assert each.source.is_file()


def test_a_uri_of_a_file_is_its_path(folder: Path) -> None:
    """With what is escaped in it; one of another machine is refused."""
    for written in ((folder / "my photo.png").as_uri(), f"file://localhost{(folder / 'my photo.png').as_uri()[7:]}"):
        (each,) = find(written, looking(folder, EmptyScope()))
        assert each.source == folder / "my photo.png"
    with pytest.raises(Problem, match="on another machine"):
        list(find("file://server/share/a.png", looking(folder, EmptyScope())))


def test_a_file_whose_name_has_quotes_is_that_file(folder: Path) -> None:
    """What is written is what counts first."""
    (folder / "'a.png'").write_bytes(PNG)
    (each,) = find("'a.png'", looking(folder, EmptyScope()))
    assert each.source == folder / "'a.png'"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_written_in_two_ways(form: Literal["NFC", "NFD"], folder: Path) -> None:
    """As other systems do, in names of folders too, and in patterns."""
    other: Literal["NFC", "NFD"] = "NFD" if form == "NFC" else "NFC"
    place = folder / unicodedata.normalize(form, "été")
    place.mkdir()
    (place / unicodedata.normalize(form, "café.png")).write_bytes(PNG)
    written = unicodedata.normalize(other, "été/café.png")
    lookups = looking(folder, EmptyScope())
    for each in (written, Path(written), f'"{written}"', unicodedata.normalize(other, "été/caf*é.png")):
        assert [one.load_reference(LIMITS).media_type for one in find(each, lookups)] == ["image/png"]


def test_of_two_files_that_may_be_meant_none_is(folder: Path) -> None:
    """Their names read the same, and neither is written as the reference is."""
    written, *others = "\u1ebf.png", "\xea\u0301.png", "e\u0302\u0301.png"
    for name in others:
        (folder / name).write_bytes(PNG)
    if len([each for each in folder.iterdir() if not each.name.isascii()]) < 2:
        pytest.skip("this disk takes them for one name")
    with pytest.raises(Problem, match="was not found"):
        list(find(written, looking(folder, EmptyScope())))


@pytest.mark.skipif(os.name == "nt", reason="it is one of this system there")
@pytest.mark.parametrize("written", ["C:\\Users\\me\\a.png", '"C:\\me\\a.png"', "d:/a.png", "\\\\server\\share\\a.png"])
def test_a_path_of_windows_is_told_elsewhere(written: str, folder: Path) -> None:
    """It can't be found, for it is of another system."""
    with pytest.raises(Problem, match="is a Windows path, and this kernel runs on another system; upload the file"):
        list(find(written, looking(folder, EmptyScope())))


def test_the_home_of_the_user_is_known_in_a_path_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a text and in a `Path`."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for written in ("~/a.png", Path("~/a.png"), '"~/a.png"'):
        (each,) = find(written, looking(folder / "shots", EmptyScope()))
        assert each.source == folder / "a.png"


def test_brackets_of_a_folder_are_no_wildcards_where_they_find_nothing(folder: Path) -> None:
    """As in "shots [1]/*.png", which downloads twice are called."""
    (folder / "shots [1]").mkdir()
    (folder / "shots [1]" / "a.png").write_bytes(PNG)
    assert [each.name for each in find("shots [1]/*.png", looking(folder, EmptyScope()))] == ["shots [1]/a.png"]
    assert len(list(find({"bytes": None, "path": Path("shots [1]/a.png")}, looking(folder, EmptyScope())))) == 1
