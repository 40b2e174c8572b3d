"""The cell that `%seedream code` writes asks for exactly what was asked."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from seedream_nb.cell import cell_of, quoted, read, split
from seedream_nb.errors import SeedreamError
from seedream_nb.prompt import expand, literal
from seedream_nb.request import ImageRequest, Reference, make_request
from seedream_nb.scope import NamesScope
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.storage.generation import Generation
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40)
PASTED = [
    ">>>", ">>> a fox", "... ", "...: ", "In [1]: ", "[ins] In [2]: ", "  ", "\t", "\n",
    "a", "{x", "[", "]}", "{", '"""', "\r", "\x0b", "\x85", "\u2028",
]  # fmt: skip
SESSIONS = st.lists(st.sampled_from(PASTED), max_size=8).map("".join)
"""What people paste from a terminal: IPython takes the marks of its own prompts out of a cell, and blanks of lines."""
BRACES = st.text(st.sampled_from("{}x.[]()'\": !r\\"), max_size=20)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Begin a session in an empty folder, in the sandbox."""
    session = Session(settings=Settings(environ={}, folder=tmp_path), lingers=False)
    session.settings.change(backend="sandbox")
    yield session
    session.close()


def generation_of(request: ImageRequest) -> Generation:
    """Return a generation that this request made."""
    return Generation(
        id=1, prompt=request.prompt, template=request.prompt, request=request, images=[], created=datetime.now(UTC),
        seconds=1.0, cost=0.0, backend="sandbox", host="sandbox", status="done", warnings=[], error=None, links=[],
        missing={}, sources=[], notebook=None,
    )  # fmt: skip


def read_back(cell: str, session: Session) -> ImageRequest:
    """Return the request that a cell makes, as if a person had run it in IPython."""
    line, body = as_ipython_runs(cell)
    options, _ = read(line)
    return session.compose(body, scope=Notebook({"x": "wrong"}), typed=True, **options)


class Notebook(NamesScope):
    """The names of a notebook, where Python's builtins can be called."""

    has_builtins = True

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression."""
        return eval(expression, dict(self._values))  # noqa: S307 - as a notebook does


def as_ipython_runs(cell: str) -> tuple[str, str]:
    """Return the option line and the body that a magic is given for this cell."""
    (statement,) = ast.parse(TransformerManager().transform_cell(cell)).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    _, line, body = map(ast.literal_eval, statement.value.args)
    return line, body


@given(TEXTS | BRACES)
def test_a_literal_means_its_text(text: str) -> None:
    """Whatever braces a text has, its template gives it back, and no name is looked up."""
    assert expand(literal(text), NamesScope({"x": "wrong"})) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | BRACES.filter(bool))
def test_a_quoted_word_is_read_back(text: str) -> None:
    """Spaces, quotes and brackets survive, and it is never taken for an option."""
    words, problems = split(quoted(text))
    assert not problems
    assert [word.text for word in words] == [text]
    assert words[0].quoted or text[0] not in "-–—−"  # noqa: RUF001 - what word processors make of a minus


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=(TEXTS | BRACES | SESSIONS).filter(str.strip),
    size=st.sampled_from(["1K", "2K", "4K", "2048x2048", "3024x1296"]),
    most=st.none() | st.integers(1, 15),
    watermark=st.booleans(),
    usual_size=st.none() | st.sampled_from(["4K", "1024x2048"]),
    usual_watermark=st.none() | st.booleans(),
)
def test_the_cell_asks_for_the_same(  # noqa: PLR0913 - what a request and the settings can be
    session: Session,
    *,
    prompt: str,
    size: str,
    most: int | None,
    watermark: bool,
    usual_size: str | None,
    usual_watermark: bool | None,
) -> None:
    """Under any settings, every field of the request comes back; that code in braces stays as text may be said."""
    session.settings.change(size=usual_size, watermark=usual_watermark)
    request = make_request(prompt, size=size, max_images=most, watermark=watermark)
    found = read_back(cell_of(generation_of(request), session), session)
    assert replace(found, warnings=()) == replace(request, warnings=())


@pytest.mark.parametrize("prompt", ["{ x }", "{x=}", "{x or 1}"])
def test_code_that_stayed_as_text_stays_so(session: Session, prompt: str) -> None:
    """Although it names a variable; that is said again."""
    found = read_back(cell_of(generation_of(make_request(prompt)), session), session)
    assert found.prompt == prompt
    assert len(found.warnings) == 1


def test_usual_fields_are_left_out(session: Session) -> None:
    """The cell is as short as a person would write it."""
    assert cell_of(generation_of(make_request("a fox")), session) == "%%seedream\na fox"


@pytest.mark.parametrize(
    ("prompt", "body"),
    [
        (">>> a fox", "{chr(62)}>> a fox"),
        ("In [1]: a fox", "\nIn [1]: a fox"),
        ("   ...: a fox", "\n...: a fox"),
        ("... a fox", "\n... a fox"),
        ("a\n>>> b\n... c", "a\n{chr(62)}>> b\n... c"),
        ("a\n  \nb", "a\n{chr(32)} \nb"),
        ("a\n\nb", "a\n\nb"),
        ("a >>> b", "a >>> b"),
        ("{x[\n>>> 1]}", "{str('{x[\\n>>> 1]}')}"),
    ],
)
def test_what_ipython_would_strip_is_kept(session: Session, prompt: str, body: str) -> None:
    """The marks of a terminal's prompts, and lines of blanks: as people can read it, where that goes."""
    request = make_request(prompt)
    cell = cell_of(generation_of(request), session)
    assert (cell, read_back(cell, session)) == (f"%%seedream\n{body}", request)


def test_references_come_along(session: Session, tmp_path: Path) -> None:
    """A URL as it is, a local picture as the file that was sent, spaces and all."""
    place = tmp_path / "my pictures" / "a photo.png"
    place.parent.mkdir()
    place.write_bytes(encoded(gradient(64, 64), "PNG"))
    asked = session.compose("a fox", images=["https://x.org/a.png?b={c}", place])
    cell = cell_of(generation_of(asked), session)
    assert cell.startswith('%%seedream -i "https://x.org/a.png?b={c}" -i "my pictures/a photo.png"\n')
    assert [each.identity for each in read_back(cell, session).images] == [each.identity for each in asked.images]


def test_a_kept_reference_has_a_short_name(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a dropped picture: no 64 hexadecimal characters, and it means the same picture."""
    monkeypatch.chdir(tmp_path)
    generation = session.start("a fox", images=[encoded(gradient(60, 50), "PNG")]).result()
    cell = cell_of(generation, session)
    assert re.fullmatch(r"%%seedream -i seedream/inputs/[0-9a-f]{10}\*\na fox", cell)
    (reference,) = read_back(cell, session).images
    assert reference.identity == generation.request.images[0].identity


def test_a_name_that_another_file_could_mean_is_written_in_full(session: Session, tmp_path: Path) -> None:
    """And so it is in a folder whose name reads as a pattern."""
    generation = session.start("a fox", images=[encoded(gradient(60, 50), "PNG")]).result()
    (kept,) = (tmp_path / "seedream" / "inputs").iterdir()
    kept.with_name(f"{kept.name[:20]}-other.png").touch()
    assert kept.name in cell_of(generation, session)


def test_a_reference_that_is_gone_is_named(session: Session, tmp_path: Path) -> None:
    """No cell is written that could not run."""
    gone = Reference(name="photo.png", sha256="0" * 64, source=tmp_path / "gone.png")
    with pytest.raises(SeedreamError, match=r"photo\.png"):
        cell_of(generation_of(make_request("a fox", images=[gone])), session)
