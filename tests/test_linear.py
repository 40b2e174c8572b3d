"""What others wrote is read in time: whatever it is made of, twice as much takes about twice as long.

Of a pattern or loop that takes the square of a text's length, a megabyte takes hours, in which the kernel is frozen.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import seedream_nb
from seedream_nb import cell, errors, keys, options, request, settings, sizes, wording
from seedream_nb import cell as words
from seedream_nb import hosts as addresses
from seedream_nb.batches import asking, axes
from seedream_nb.compose import code_as_text
from seedream_nb.doctor import blocks, harmless
from seedream_nb.notebook import text_table as columns
from seedream_nb.notebook.complete import lines as completed
from seedream_nb.notebook.complete.word import open_word, parted
from seedream_nb.notebook.verbs import deletion
from seedream_nb.prompt import expand, literal, parts_of
from seedream_nb.references import load, resolve, written
from seedream_nb.sandbox import lettering, painter, palette, rules
from seedream_nb.sandbox import references as sandbox_references
from seedream_nb.sandbox import rules as asked
from seedream_nb.sandbox.models import SEEDREAM_4_0
from seedream_nb.scope import EmptyScope, NamesScope, mentions
from seedream_nb.service import DEFAULT, Model
from seedream_nb.service.endpoint import host_of
from seedream_nb.storage import generation as inputs
from seedream_nb.storage import history as leftover
from seedream_nb.storage import index as ledger
from seedream_nb.storage import journal as lines
from seedream_nb.storage import picture as inspecting
from seedream_nb.storage import store, structure
from seedream_nb.storage.history import History
from seedream_nb.storage.journal import JournalLine
from seedream_nb.storage.picture import Picture
from seedream_nb.storage.store import Store
from seedream_nb.unmeant import overlong, reads_as_object
from seedream_nb.view import markup
from tests.journals import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.notebook.complete.word import Offer

PACKAGE = Path(seedream_nb.__file__).parent
MEGABYTE, SHORT = 1_000_000, 30_000
MAX_SECONDS, SOON_SECONDS = 60, 5
"""Of this thread's own work, whatever else the machine does; a linear reading takes a tenth of it at most."""

UNITS = (
    "{", "{{", "{a", "{a[", "{a(", "{a:{", "{a:{b", "{a['", "{a('", "{a(\"'", "{a('''", "{a(\"{a('\"'\\''", "{a}",
    "{{a}", "{a.", "{a!r", "}", "-", "--a ", "-a", "-a-", "-1", "'", '"', "\\", "\\'", "(", "(a ", "[", "[]", "()",
    "{}", "<", "<!--", "<!---->", "<title", " ", "\t", "\n", "a\n", "a ", "a", "a.", "a,", "a = ", "_", "1", "1.",
    "1:", "1x", "1 ", "1/", ",", ";", ";a", "=", "a=b ", "%", "%41", "*", "*/../", "**/", "?", "data:", "data:,",
    "http:", "https://a ", "@", "@1", "@[1]", "{@1", "{@1}", "![", "![]", "![a](", "![[", "![a](<", "![a](b",
    "![a](b)", "\\![a](b)", "\\a{", "^{a}", "\\frac{a}{b}", "sk_", "key ", "key=", "%%seedream ", "%seedream ",
    '{"event":"end","id":1,', '"path":"', "汉", "汉 ", "图 ", "\u0301\u0327", "\u0301\u0327a", "\u200d", "\u202e",
    "\ud800", "\ufdfa", "\u2028",
)  # fmt: skip
"""What texts are made of that are slow to read, each again and again."""


class Nothing:
    """What a notebook offers in which there is one name."""

    def model(self) -> Model:
        """Return the model that requests are for."""
        return DEFAULT.model

    def names(self) -> list[str]:
        """Return the one name."""
        return ["a"]

    def pictures(self) -> list[Offer]:
        """Return no picture."""
        return []


def tab(text: str) -> object:
    """Complete at the end of a cell."""
    written = text.split("\n")
    sources: Any = Nothing()
    return completed.complete(text, len(written) - 1, len(written[-1]), sources)


def find(text: str) -> object:
    """Look for what a text of `--image` means, in a folder with little in it."""
    lookups = resolve.Lookups(
        scope=NamesScope({"a": 1}), marked=lambda _: [], folder=PACKAGE / "service", limits=DEFAULT.model.references
    )
    return list(resolve.find(text, lookups))


def entry(content: str) -> object:
    """Look for words in a line of the journal, and for the file of a picture."""
    found = ledger.IndexEntry()
    for event in ("intent", "file", "links", "end"):
        found.add(JournalLine(event=event, id=1, content=f'"prompt":"{content}'.encode(errors="replace")), Path())
    return found.contains(["a"]), found.is_complete(["a"]), found.has_fingerprint("a"), found.has_content([b"a"])


def damaged_lines(text: str) -> object:
    """Count what is no line of a journal."""
    content = f"{text}\n".encode(errors="replace")
    texts = lines._unusual_lines(content, len(content), [])  # noqa: SLF001 - reading a file hands over so many bytes
    return [lines._NOT_BLANK.findall(each) for each in texts]  # noqa: SLF001 - and counts so


def journal(folder: Path, text: str, *parts: str) -> Path:
    """Write a journal of one line, whatever it holds."""
    path = folder / "journal" / "20261121-093000-1-abcdef12.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{text.join(parts)}\n", "utf-8", errors="replace")
    return path


def shown(text: str) -> object:
    """Show a reference, and the picture of a file of this name."""
    picture = Picture(path=Path(text), width=1, height=1, media_type=text, sha256="", mark=text, size_bytes=1)
    asked_for = request.Reference(name=text)
    return repr(picture), inputs.written(asked_for), inputs.origins([text, f"@1{text}"]), markup.isolated(text)


def number_of_a_setting(text: str) -> object:
    """Read it as a whole number and as one with decimals."""
    refused = []
    for name in ("concurrency", "budget", "confirm"):
        with pytest.raises(errors.SettingsError) as caught:
            settings.read_setting(name, f"1{text}x")
        refused.append(caught.value)
    return refused


def told_of_an_answer(text: str) -> object:
    """Look at each part of an answer, to tell what is harmless about it."""
    told = harmless.Harmless(secrets=[text[:1000], "sk_a"])
    headers = [told.header(name, text) for name in ("content-type", "server", "content-length")]
    content = f'[{{"{text}":"{text}"}}]'.encode(errors="replace")
    return headers, told.name(text), told.host(text), told.code(text), told.shape(harmless.json_of(content))


def told_of_a_file(text: str) -> object:
    """Walk over the blocks of what begins as a picture does."""
    content = text.encode("latin-1", "replace")
    return [blocks.file_facts(start + content) for start in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP")]


def told_of_a_link(text: str) -> object:
    """Look at a link that may be long."""
    link = f"https://{text}/{text}?{text}"
    return harmless.link_facts(link, harmless.Harmless(secrets=[]), now=0.0), harmless.secrets_of(link)


def title_set(text: str) -> object:
    """Set a prompt's title in lines, as the sandbox does."""
    title, _ = lettering.title_of(text)
    return title and lettering.typeset(title, (900, 900), 90)


def model_guessed(text: str) -> object:
    """Guess which model is meant."""
    with pytest.raises(LookupError) as refused:
        DEFAULT.model_named(text)
    return refused


READINGS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "words of a prompt": (lambda text: request.make_request(f"x{text}"), ("-", "{", "\u0301\u0327", "汉")),
    "address in a record": (lambda text: request.Reference.from_record({"url": f"https://{text}\n"}, Path()), ("a",)),
    "kept file in a record": (lambda text: request.Reference.from_record({"file": f"inputs/{text}"}, Path()), ("a",)),
    "expressions": (lambda text: list(parts_of(text)), ("{a(", "{a(\"{a('\"'\\''", "\\frac{a}{b}")),
    "template of a prompt": (literal, ("{a[", "![a](", "![")),
    "template without names": (lambda text: expand(text, EmptyScope()), ("{a}",)),
    "template with names": (lambda text: expand(text, NamesScope({"a": "b", "ab": "c"})), ("{b}", "{a}")),
    "numbers changed in a prompt": (lambda text: wording.renumbered(text, {1: 2}), ("image 1 ", "图1", "image 1, 2")),
    "mark to delete": (lambda text: deletion._of_word(f"@{text}", History(PACKAGE), {}, ()), ("1", "a", "1..", "a.1")),  # noqa: SLF001 - a verb's words come from a line
    "names in an expression": (lambda text: (mentions(text, ["b"]), axes._names_in(f"{{a[{text}]}}")), ("a", "é ")),  # noqa: SLF001 - prompts of many requests come here
    "table of many requests": (lambda text: asking._table_value(text, NamesScope({"a": 1})), (".", ".csv", "a.")),  # noqa: SLF001 - the value of an option
    "count of a row": (lambda text: asking._as_option("max_images", text), ("1", " ")),  # noqa: SLF001 - a cell of a table
    "tier": (lambda text: request._TIER.fullmatch(f"1{text}K"), ("1", "K")),  # noqa: SLF001 - a size from a record
    "language of a prompt": (lambda text: wording.worded([text, (1,)]), ("a-", "a'b-", "汉")),
    "new numbers": (lambda text: wording.renumbered(text, {1: 2}), ("image 1 and ", '"', "图1")),
    "numbers in a prompt": (lambda text: list(wording.said_in(text)), ("images 1,", "image 1 and ", '"', "“", "图1")),
    "answer that is told": (told_of_an_answer, ("a-", "A_", '","', '{"a":', "a.")),
    "file that is told": (told_of_a_file, ("\xff\xe1\0\x02", "\xff\xe1", "\xff", "\0\0\0\0aaaa\0\0\0\0", "XMP")),
    "link that is told": (told_of_a_link, ("a=b&", "a/", "x-amz-date=1&", "a.")),
    "text of a value": (lambda text: reads_as_object(1, f"{text})"), (" at 0x", "a", "a.")),
    "option line": (cell.read, ("--a ", "-i a ", "a", "[", "(a ")),
    "number of an option": (lambda text: cell.read(f"-{text}x"), ("1",)),
    "seconds": (lambda text: cell.read(f"--timeout {text}x"), ("1",)),
    "number of a setting": (number_of_a_setting, ("1", " ", "1.")),
    "format of a value": (lambda text: overlong(3, text), ("1", "0", "0a")),
    "variable": (lambda text: cell.read(f"-o {text}"), ("a-",)),
    "count": (lambda text: cell.read(f"-n {text}"), ("1", "--a ")),
    "key in a cell": (lambda text: keys.may_hold_key(f"key{text}"), (" ", "sk_", "key ")),
    "line of .env": (lambda text: keys._unquoted(f"'a'{text}x"), (" ", "'", " #")),  # noqa: SLF001 - files are short
    "assignments": (cell.parse_assignments, ("a=b ", "a ")),
    "words of a line": (words.split, ("a", '"a"', "['")),
    "quoted word": (lambda text: words.split(words.quoted(text)), ('"', "'a")),
    "word at the cursor": (lambda text: parted(f'"{text}'), ("a ", "(a ")),
    "open word": (open_word, ("a ", '"')),
    "tab in a prompt": (lambda text: tab(f"%%seedream\n{text}"), ("{a", "{")),
    "tab on an option line": (lambda text: tab(f"%%seedream {text}"), ("--a ", "a ")),
    "tab on a line": (lambda text: tab(f"x = %seedream {text}"), ("a ",)),
    "tab elsewhere": (lambda text: tab(f"{text}%seedream"), (" ", "a=", "\n", "%%time\n")),
    "size": (lambda text: sizes.spell_size(text, None), ("1", " ", "1x")),
    "size in the middle": (lambda text: sizes.spell_size(f"1{text}x", None), (" ", "1", ".")),
    "width and height": (lambda text: sizes.shape_of(f"1{text}x{text}1y"), (" ",)),
    "ratio": (lambda text: sizes.spell_size(None, f"1{text}:{text}1x"), (" ", "1")),
    "option of another name": (options.did_you_mean_option, ("a", "-")),
    "name nearest to it": (lambda text: errors.did_you_mean(text, ["a" * 90, "b"]), ("a", "ab")),
    "value that is told": (errors.describe_value, ("_", "sk", "-sk")),
    "line of text": (errors.plain, (" ", "\u202e")),
    "line with links": (errors.plain_but_links, ("https://a ", "http://", "\ud800")),
    "error": (lambda text: str(errors.SeedreamError(text)), ("a\n",)),
    "name of a file": (store.slug, ("\u0301\u0327", "\ufdfa", "a ")),
    "address": (lambda text: written.check_url("x", f"https://{text}"), ("\u0301\u0327", "a.", "@", "[")),
    "path of an address": (lambda text: written.check_url("x", f"https://a/{text}"), ("\u0301\u0327", "?", "#")),
    "scheme": (lambda text: written.is_url(f"h{text}"), ("a", ".")),
    "data address": (lambda text: written.decode_data_uri("x", f"data:image/png{text}"), (";", ";base64,%41", ",")),
    "host": (addresses.is_private, (".", "0x", "1.")),
    "host of the service": (lambda text: host_of(f"https://a/{text}"), ("a", "?")),
    "reference": (find, ("a.", "a,", "[a,", "*/", "*/../", "**/", "[", "/", "@", "data:", "~", "iVBORw0KGgo")),
    "reference in base64": (lambda text: find(f"iVBORw0KGgo{text}"), ("A", " ")),
    "several references": (lambda text: cell.read(f"-i {text}"), ("a ",)),
    "expression": (lambda text: written.evaluate_word(text, NamesScope({"a": 1})), ("a.", "a[0]", "[", "-")),
    "hint for an expression": (lambda text: written.hint_for(text, NamesScope({"a": 1})), ("a,", "a==")),
    "address of a file": (lambda text: written.path_of_uri(f"file:///{text}"), ("a", "?", "#", "%41")),
    "path of Windows": (lambda text: find(f"C:\\{text}"), ("\\", "a\\", "/", "é\\")),
    "what came with a path": (written.clean_pasted, ('"', "\u202a", "\"'`", ' "', "\u201ca")),
    "path in another form": (find, ("é/", "é/../", "é")),
    "shortened name": (lambda text: errors.shorten(text, 60), ("a/", "\\", "https://", "?")),
    "raw photo": (lambda text: load._RAW_STARTS.match(text.encode(errors="replace")), ("II", "MM\0*")),  # noqa: SLF001 - it is handed less
    "file nearest to it": (lambda text: written.nearest_file(PACKAGE / text.replace("\0", "")), ("a",)),
    "code in braces": (lambda text: list(code_as_text(text, NamesScope({"a": 1}))), ("{", "{a", "{ a}", "{(", "a")),
    "marks in braces": (lambda text: list(resolve.marks_as_text(text)), ("{@1}", "{@1", "{@")),
    "earlier results": (shown, ("@1", "1", "a")),
    "what a file is": (lambda text: load._what_it_is(text.encode(errors="replace")[:512]), ("<!---->", "<?xml ")),  # noqa: SLF001 - opening hands over so many bytes
    "what a download is": (lambda text: inspecting._describe(text.encode(errors="replace")), ("<", "a")),  # noqa: SLF001 - a whole file is no text
    "row of a table": (lambda text: columns.lines_of(text, text), ("%seedream ", "pip install --upgrade ", "a ")),
    "lines of a journal": (damaged_lines, ("\n", "[\n", "a", "{", "{\n")),
    "line of a journal": (lambda a: lines.parse_line(f'{{"v":1,"a":"{a}'.encode(errors="replace")), ("[", "{", "1")),
    "entry of a journal": (entry, ("\\", '"path":"', '"http')),
    "ratio for the sandbox": (asked.ratio_asked, ("1:", "1:1")),
    "number for the sandbox": (asked.number_asked, ("four ", "1-")),
    "subject for the sandbox": (painter.subject, ("a ", "on", ",")),
    "title for the sandbox": (title_set, ("a ", " the", ",", ", ", "a")),
    "colours for the sandbox": (lambda text: palette.spoken(text, palette.COLOURS), ("a",)),
    "name of a model": (model_guessed, ("1", "4-", "-4.5")),
    "sandbox's size": (lambda text: rules._size(SEEDREAM_4_0, f"1x{text}"), ("1", "x")),  # noqa: SLF001 - one of a table of rules
    "sandbox's reference": (lambda text: sandbox_references.decode_data(f"data:image/png;base64,{text}"), ("A", "=")),
}  # fmt: skip
"""Who reads what others wrote, and what of it is worst; `reading` adds what stands around it."""


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long this thread works on something, whether it is refused or not."""
    began = time.thread_time()
    with contextlib.suppress(errors.SeedreamError, errors.Problem, ValueError, TypeError):
        action()
    return time.thread_time() - began


def slow(read: Callable[[str], object], units: tuple[str, ...], length: int, most: float) -> dict[str, float]:
    """Return what takes longer than so many seconds when it is read again and again up to a length."""
    took = {unit: seconds_of(functools.partial(read, repeated(unit, length))) for unit in units}
    return {unit: seconds for unit, seconds in took.items() if seconds > most}


def repeated(unit: str, length: int) -> str:
    """Return a text of this length that is made of this alone."""
    return (unit * (length // len(unit) + 1))[:length]


@pytest.mark.slow
@pytest.mark.timeout(600)  # on a machine that does much else
@pytest.mark.parametrize("reading", READINGS)
def test_a_megabyte_of_the_worst_is_read_in_seconds(reading: str) -> None:
    """Each that reads what others wrote reads a megabyte of what is worst for it in seconds, where it took hours."""
    read, worst = READINGS[reading]
    assert slow(read, worst, MEGABYTE, MAX_SECONDS) == {}


@pytest.mark.parametrize("reading", READINGS)
def test_the_worst_is_read_soon(reading: str) -> None:
    """Each reads a few pages of what is worst for it at once."""
    read, worst = READINGS[reading]
    assert slow(read, worst, SHORT, SOON_SECONDS) == {}


@pytest.mark.slow
@pytest.mark.timeout(600)  # on a machine that does much else
@pytest.mark.parametrize("reading", READINGS)
def test_whatever_is_repeated_is_read_soon(reading: str) -> None:
    """Openers, dashes, quotes, braces, backslashes, spaces, Han, combining characters: none is slow for anybody."""
    read, _ = READINGS[reading]
    assert slow(read, UNITS, SHORT, SOON_SECONDS) == {}


WHOLE_LINE = ('{"event":"end","id":1,"at":"', '","v":1}')


@pytest.mark.parametrize("unit", ['{"event":"end","id":1,', '"path":"', '"id": 1,', "\\", '","v":1}', "["])
@pytest.mark.parametrize("parts", [("", ""), WHOLE_LINE], ids=["as it is", "within a line"])
def test_a_journal_of_one_long_line_is_read_soon(tmp_path: Path, unit: str, parts: tuple[str, str]) -> None:
    """A megabyte in one line of a journal, which may come with a cloned folder, holds up neither history nor ids."""
    journal(tmp_path, repeated(unit, MEGABYTE), *parts)

    def look() -> None:
        leftover.abandoned_ids(tmp_path / "journal")
        history = History(tmp_path)
        assert len(history.search("fox")) == 0
        list(history.unfinished())
        place = Store(tmp_path)
        place.open()
        place.new_id()

    assert seconds_of(look) < MAX_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("unit", [b"\n", b"[\n"], ids=["blank", "damaged"])
def test_a_journal_of_lines_that_are_none_is_read_soon(tmp_path: Path, unit: bytes) -> None:
    """Of millions of lines that hold no record, each that is not blank is counted as damaged, and none takes time."""
    path = tmp_path / "journal"
    path.write_bytes(unit * MEGABYTE)
    found: list[lines.JournalChunk] = []
    assert seconds_of(lambda: found.append(lines.read_lines(path))) < SOON_SECONDS / 2
    assert (found[0].lines, found[0].damaged) == ([], 0 if unit == b"\n" else MEGABYTE)


def test_damaged_lines_are_counted_among_whole_ones(tmp_path: Path) -> None:
    """Lines that are too short, blank, or no object cost neither the next record nor a newer one."""
    whole = b'{"event":"end","id":1,"at":"x","v":1}\n'
    (tmp_path / "journal").write_bytes(b"\n[\n" + whole + b" \n{}\n\n" + b' {"v":2}\n' + b"x\n" * 2_500 + whole)
    found = lines.read_lines(tmp_path / "journal")
    assert (len(found.lines), found.newer, found.damaged) == (2, 1, 2_502)


@pytest.mark.slow
def test_a_jpeg_of_fill_bytes_is_read_soon() -> None:
    """16 MB of the bytes that may stand before each part of a JPEG are walked over within a moment."""
    content = b"\xff\xd8" + b"\xff" * 16 * MEGABYTE
    whole = b"\xff\xda\0\2\xff\xd9"
    assert seconds_of(lambda: structure.is_complete_jpeg(io.BytesIO(content))) < SOON_SECONDS / 2
    assert structure.is_complete_jpeg(io.BytesIO(content + whole))
    assert not structure.is_complete_jpeg(io.BytesIO(content + whole[:-1]))


def test_a_search_of_many_words_is_answered(tmp_path: Path) -> None:
    """A whole page pasted into the search finds what has all its words."""
    kernel = Kernel(tmp_path)
    text = " ".join(f"word{number}" for number in range(9_000))
    kernel.ask(1, prompt=text)
    assert len(History(tmp_path).search(text)) == 1


# -- that none is forgotten ----------------------------------------------------------------------------

OTHERS = ("http.", "service.", "patterns.")
"""Rooms that read what comes from the network: not in this table yet, each has tests of its own for long replies."""

OURS = {
    "needs:_numbers": "the version of an installed library",
    "notebook.scope:_RESULT": "names of variables",
    "sandbox.app:_sweep": "names of files in the temporary folder",
    "sandbox.__main__:_seconds": "what the developer who starts the sandbox writes",
    "sandbox.__main__:_whole_number": "what the developer who starts the sandbox writes",
    "sandbox.motifs:outline": "a table of our own",
    "sandbox.palette:PALETTES": "a table of our own",
    "sandbox.refusals:failures": "what the developer who starts the sandbox writes",
    "storage.store:_ID": "names of files",
    "storage.store:_PART_NAME": "names of files",
    "storage.store:_PICTURE_NAME": "names of files",
    "notebook.displayed:DisplayListener.pictures": "a mark of at most eleven characters",
    "cell:_DIGEST": "names of files",
    "widgets.drafts:_FILE": "names of files",
    "widgets.drafts:_MARK": "matched as a whole, of at most thirteen characters",
    "widgets.drafts:_PICTURE": "matched as a whole, of a fixed length",
    "widgets.drafts:_RANDOM": "the name of the notebook",
    "widgets.modules:_COMMENT": "modules of our own",
    "widgets.modules:_EXPORT": "modules of our own",
    "widgets.modules:_IMPORT": "modules of our own",
    "widgets.modules:_OTHER_IMPORT": "modules of our own",
    "references.load:_CANT": "sixty characters of what Pillow says",
    "references.metadata:_MARKER": "two bytes",
}
"""Patterns that meet no text of others, or none that is long."""

READ = {
    "doctor.blocks:_BY_MODEL": "file that is told",
    "doctor.blocks:_CHUNK": "file that is told",
    "doctor.blocks:_MARKER": "file that is told",
    "doctor.blocks:_NO_PICTURE_DATA": "file that is told",
    "doctor.harmless:_CODE": "answer that is told",
    "doctor.harmless:_HOST": "answer that is told",
    "doctor.harmless:_NAME": "answer that is told",
    "doctor.harmless:_PUBLIC": "link that is told",
    "doctor.harmless:_TOLD_HEADERS": "answer that is told",
    "hosts:_NUMERIC": "host",
    "storage.history:_MARK": "earlier results",
    "storage.index:_AT": "entry of a journal",
    "storage.index:_PATH": "entry of a journal",
    "storage.index:_STRING": "entry of a journal",
    "storage.history:_BOUND": "line of a journal",
    "errors:_HALF": "line with links",
    "errors:_LINK": "line with links",
    "storage.generation:_MARK": "earlier results",
    "storage.generation:reference_names": "words of a prompt",
    "storage.journal:_LINE": "line of a journal",
    "storage.journal:_NOT_BLANK": "lines of a journal",
    "storage.journal:_NO_OBJECTS": "lines of a journal",
    "keys:_COMMENT": "line of .env",
    "keys:_EXPORT": "line of .env",
    "errors:_LIKE_A_KEY": "value that is told",
    "keys:_KEY_IN_TEXT": "key in a cell",
    "keys:_QUOTED": "line of .env",
    "cell:_is_option": "number of an option",
    "cell:_name": "variable",
    "options:read_number": "seconds",
    "settings:_count": "number of a setting",
    "unmeant:_DIGITS": "format of a value",
    "cell:_whole": "count",
    "notebook.complete.lines:_first_line": "tab elsewhere",
    "notebook.complete.lines:_in_prompt": "tab in a prompt",
    "notebook.complete.lines:complete": "tab on a line",
    "notebook.text_table:_COMMAND": "row of a table",
    "prompt:_MARKS": "expressions",
    "prompt:NAME": "expressions",
    "prompt:_CONVERSION": "expressions",
    "prompt:_FORMAT_TEXT": "expressions",
    "prompt:_NEXT_IN_BRACKETS": "expressions",
    "prompt:_STRING": "expressions",
    "prompt:_TEX": "expressions",
    "prompt:_BARE": "expressions",
    "prompt:_IN_ANGLES": "expressions",
    "unmeant:_ADDRESS": "text of a value",
    "unmeant:_CALL": "text of a value",
    "wording:_LATIN_WORD": "language of a prompt",
    "wording:_QUOTED": "numbers in a prompt",
    "wording:renumbered": "numbers changed in a prompt",
    "notebook.verbs.deletion:_NUMBER": "mark to delete",
    "notebook.verbs.deletion:_RANGE": "mark to delete",
    "notebook.verbs.deletion:_of_word": "mark to delete",
    "scope:_WORD": "names in an expression",
    "batches.axes:_names_in": "names in an expression",
    "batches.asking:_table_value": "table of many requests",
    "batches.asking:_as_option": "count of a row",
    "request:_TIER": "tier",
    "settings:_pictures": "number of a setting",
    "storage.index:_FINGERPRINT": "entry of a journal",
    "wording:_RUNS_ON": "numbers in a prompt",
    "wording:_MENTION": "numbers in a prompt",
    "wording:_said": "numbers in a prompt",
    "wording:pieces": "language of a prompt",
    "wording:_numbers": "numbers in a prompt",
    "references.load:_RAW_STARTS": "raw photo",
    "references.load:_what_it_is": "what a file is",
    "references.written:_DRIVE": "address of a file",
    "references.written:_FILE_URI": "address of a file",
    "references.written:_WINDOWS_PATH": "path of Windows",
    "references.written:_readings": "path of Windows",
    "references.written:windows_path_reason": "path of Windows",
    "references.resolve:_BASE64_PICTURE": "reference in base64",
    "compose:_BRACED": "code in braces",
    "references.resolve:_IN_BRACES": "marks in braces",
    "references.resolve:_PAST": "reference",
    "references.resolve:_SHOWN_BEFORE": "reference",
    "references.written:_DATA": "data address",
    "references.written:_SCHEME": "scheme",
    "references.written:check_url": "address",
    "request:_ADDRESS": "address in a record",
    "request:_HALF": "words of a prompt",
    "request:_KEPT_FILE": "kept file in a record",
    "request:_WORD_CHARACTER": "words of a prompt",
    "request:_warnings": "words of a prompt",
    "sandbox.rules:number_asked": "number for the sandbox",
    "sandbox.rules:ratio_asked": "ratio for the sandbox",
    "sandbox.lettering:CLINGING": "title for the sandbox",
    "sandbox.lettering:DANGLING": "title for the sandbox",
    "sandbox.lettering:title_of": "title for the sandbox",
    "sandbox.painter:subject": "subject for the sandbox",
    "sandbox.palette:spoken": "colours for the sandbox",
    "sandbox.references:DATA": "sandbox's reference",
    "sandbox.rules:_size": "sandbox's size",
    "sizes:_guess": "size in the middle",
    "sizes:_meant": "ratio",
    "sizes:_from_ratio": "size",
    "sizes:_ratio": "ratio",
    "sizes:shape_of": "width and height",
    "storage.store:_RECORDED_ID": "line of a journal",
    "storage.store:_WINDOWS_NAMES": "name of a file",
    "cell:quoted": "quoted word",
    "cell:_SPACES": "option line",
}
"""Every other pattern, and the reading in which it meets a megabyte."""


def patterns_of(module: str, source: str) -> set[str]:
    """Return where a module uses patterns: the name that one is given, or the function that it stands in."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for each in inner:
            if not any(_is_pattern(part) for part in ast.walk(each)):
                continue
            owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            found.add(f"{module}:{owner}{_name(each)}")
    return found


def _is_pattern(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id == "lazy_pattern"
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "re" and (
        called.attr != "escape"
    )  # fmt: skip


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        first = target.elts[0] if isinstance(target, ast.Tuple) else target
        return ast.unparse(first)
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else str(getattr(node, "name", "?"))


def all_patterns() -> set[str]:
    """Return every place of the package that uses a pattern, but those of the network."""
    found: set[str] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        found |= set() if f"{module}.".startswith(OTHERS) else patterns_of(module, path.read_text("utf-8"))
    return found


def test_every_pattern_is_fed() -> None:
    """Whoever adds a pattern names the reading in which it meets a megabyte, or says why it meets none."""
    assert all_patterns() == {*READ, *OURS}
    assert {each for each in READ.values() if each not in READINGS} == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('A = re.compile("a")', {"m:A"}),
        ('A: object = re.compile("a")', {"m:A"}),
        ('A = lazy_pattern("a")', {"m:A"}),
        ('def f(x):\n    return re.search("a", x)', {"m:f"}),
        ('class C:\n    def f(self, x):\n        return [re.sub("a", "", y) for y in x]', {"m:C.f"}),
        ("def f(x):\n    return re.escape(x)", set()),
    ],
)
def test_patterns_are_found(source: str, found: set[str]) -> None:
    """A pattern is found wherever it is used."""
    assert patterns_of("m", source) == found
