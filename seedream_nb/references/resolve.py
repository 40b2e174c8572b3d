"""Turns what was written into the references of one request, each picture once, and reports problems.

Marks, URLs, expressions, paths and globs are tried in this order; nothing is read before everything is found.
"""

from __future__ import annotations

import glob
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from seedream_nb.errors import Problem, describe_value, did_you_mean, plain, shorten
from seedream_nb.files import is_regular_file
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.references.adapters import Source, is_job, is_meant_as_picture, is_picture, pictures_of, sources_of
from seedream_nb.references.foreign import guarded
from seedream_nb.references.limits import reference_problem
from seedream_nb.references.load import load_reference
from seedream_nb.references.written import (
    NOTHING,
    check_url,
    clean_pasted,
    decode_data_uri,
    evaluate_word,
    exists,
    files_matching,
    find_file,
    hint_for,
    is_data,
    is_private_url,
    is_url,
    nearest_file,
    path_of_uri,
    resolve_path,
    strip_invisible,
    strip_quotes,
    windows_path_reason,
)
from seedream_nb.request import SHOWN, Reference
from seedream_nb.scope import EmptyScope, mentions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from seedream_nb.scope import Scope
    from seedream_nb.service import ReferenceLimits


_PAST = lazy_pattern(r"@(?:last|[0-9]+(?:\.[0-9]+)?)")
_SHOWN_BEFORE = lazy_pattern(r"@(?:out|\[[0-9]{1,9}\])")
_IN_BRACES = lazy_pattern(rf"(?<!\{{)\{{({_PAST.pattern}|{_SHOWN_BEFORE.pattern})\}}(?!\}})")
_ATTACHMENT = "attachment:"
_BASE64_PICTURE = lazy_pattern(r"(?:iVBORw0KGgo|/9j/)[A-Za-z0-9+/=\s]{100}")
"""How PNG and JPEG begin in base64."""
_MAX_TOLD = 20
_LONGEST_PATTERN, _MAX_DEEP = 1_000, 2


@frozen
class Lookups:
    """Where the parts of a reference are looked up; passed in from above.

    Attributes:
        scope: the names that expressions may use.
        marked: returns the pictures of a history mark, each with its own mark and its file; raises Problem or
            LookupError if there are none.
        folder: what relative paths are relative to.
        limits: the limits of the request's model for references.
        shown: returns the values that `@out` or `@[5]` stand for; raises Problem.
        attached: returns the content of a notebook attachment; raises Problem.
        fetch: downloads from a URL on this machine or network, which the service can't reach; raises Problem.
            None: such URLs are refused.
    """

    scope: Scope
    marked: Callable[[str], Sequence[tuple[str, Path]]]
    folder: Path
    limits: ReferenceLimits
    shown: Callable[[str], Sequence[object]] = EmptyScope().shown
    attached: Callable[[str], bytes] = EmptyScope().attached
    fetch: Callable[[str], bytes] | None = None
    shared: SharedReferences | None = None
    """The references that several requests have in common."""


class SharedReferences:
    """References that several requests have in common, each read once, however often it is written."""

    def __init__(self, varying: Collection[str]) -> None:
        """Know none yet; these names have another value in each request."""
        self._varying = varying
        self._files: dict[tuple[object, ...], Reference] = {}
        self._values: dict[tuple[object, ...], list[Found]] = {}

    def of_file(self, found: Found, limits: ReferenceLimits) -> Reference:
        """Return the reference of what was found; a file is read once. Raises Problem."""
        if not isinstance(found.source, Path):
            return found.load_reference(limits)
        key = (found.name, found.source, id(limits))
        if key not in self._files:
            self._files[key] = found.load_reference(limits)
        return self._files[key]

    def of_expression(self, code: str, find: Callable[[], Iterable[Found]], limits: ReferenceLimits) -> list[Found]:
        """Return what an expression means; one that is the same in all requests is drawn once. Raises Problem."""
        if mentions(code, self._varying):
            return list(find())
        key = (code, id(limits))
        if key not in self._values:
            self._values[key] = [Found(name=found.name, known=self.of_file(found, limits)) for found in find()]
        return self._values[key]


@frozen
class Found:
    """A picture that was found but not read yet, or a URL."""

    name: str
    url: str | None = None
    source: Source | None = None
    fetch: Callable[[str], bytes] | None = None
    """How to download from the URL, if the service can't."""
    known: Reference | None = None

    def load_reference(self, limits: ReferenceLimits) -> Reference:
        """Return its reference, within these limits; raises Problem."""
        if self.known is not None:
            return self.known
        if self.url is not None and self.fetch is not None:
            return load_reference(self.name, self.fetch(self.url), limits)
        if self.source is None or isinstance(self.source, str):
            return Reference(name=self.name, url=self.url)
        return load_reference(self.name, self.source, limits)


def find(
    written: object, lookups: Lookups, warn: Callable[[str], None] = lambda _: None, *, name: str = ""
) -> Iterator[Found]:
    """Yield the pictures that something written means, without reading them: a text of `--image`, or a value.

    Args:
        written: a mark such as `@3`, a URL, a data URI, an expression, a path or glob; or any value that holds
            pictures.
        lookups: where these are looked up.
        warn: called with a sentence if two things have the same name.
        name: what to call a value that has no name.

    Raises:
        Problem: nothing was found; it says what was tried, and the nearest match.
    """
    if isinstance(written, Reference):  # of a request that is run again
        yield Found(name=written.name, known=written)
    elif isinstance(written, str):
        yield from _of_word(strip_invisible(written), lookups, warn)
    else:
        yield from of_value(_display_name(written, name), written, lookups)


def marks_as_text(template: str) -> Iterator[str]:
    """Yield a warning for each mark in braces, where only expressions can be: nobody means it as text."""
    for mark in itertools.islice(dict.fromkeys(_IN_BRACES.findall(template)), _MAX_TOLD):
        yield f"{{{mark}}} stayed as text; for the picture write ![]({mark}) or --image {mark}."


def of_value(name: str, value: object, lookups: Lookups) -> Iterator[Found]:
    """Yield the pictures that a value holds, without reading them; a text in it is a mark, a URL or a path."""
    for part, source in sources_of(name, value):
        if isinstance(source, str):
            yield from _of_text(part, source, lookups)
        elif isinstance(source, Path):
            yield Found(name=part, source=find_file(source, lookups.folder) or lookups.folder / source)
        else:
            yield Found(name=part, source=source)


def of_link(target: str, lookups: Lookups) -> Iterator[Found]:
    """Yield the picture of a Markdown image, without reading it: an attachment, a URL, or a path, perhaps escaped."""
    is_address = is_url(target) or _is_attachment(target)
    escaped = not is_address and "%" in target and not exists(resolve_path(target, lookups.folder))
    yield from _of_text(target, unquote(target) if escaped else target, lookups)


def _of_word(word: str, lookups: Lookups, warn: Callable[[str], None]) -> Iterator[Found]:
    has_names = not isinstance(lookups.scope, EmptyScope)
    is_plain = (
        not has_names
        or strip_quotes(word) != word
        or _PAST.fullmatch(word)
        or _SHOWN_BEFORE.fullmatch(word)
        or is_url(word)
    )
    value, tried = (NOTHING, "") if is_plain else evaluate_word(word, lookups.scope)
    if value is NOTHING:
        yield from _of_text(word, word, lookups, tried)
        return
    is_file_too = exists(resolve_path(word, lookups.folder))
    try:
        found = list(of_value(word, value, lookups))
    except Problem as problem:
        if not is_file_too:
            raise
        remedy = f"For the file {shorten(word, SHOWN)} write ./{word}."
        raise Problem(*problem.texts, remedy, reference=True) from None
    if is_file_too:
        warn(f"{shorten(word, SHOWN)} is the variable, not the file of that name; for the file write ./{word}.")
    yield from found


def _of_text(name: str, text: str, lookups: Lookups, tried: str = "") -> Iterator[Found]:
    """Yield what a text other than an expression means: a mark, an attachment, a URL, a data URI, a path or glob."""
    is_own_name = name == text
    text = text if exists(resolve_path(text, lookups.folder)) else clean_pasted(text)
    if (path := path_of_uri(text)) is not None:
        if find_file(path, lookups.folder) is None:
            raise reference_problem(text, "is not http or https, and not a file on this machine: write its path.")
        text = path
    name = text if is_own_name else name
    if not text:
        raise reference_problem(
            name or "A reference", "is empty: write a path, a URL, a variable or a mark such as @3."
        )
    if _PAST.fullmatch(text):
        yield from _of_mark(text, lookups)
    elif _SHOWN_BEFORE.fullmatch(text):
        values = lookups.shown(text)
        yield from of_value(text, values[0] if len(values) == 1 else list(values), lookups)
    elif _is_attachment(text):
        attached = unquote(text[len(_ATTACHMENT) :])
        yield Found(name=attached, source=lookups.attached(attached))
    elif is_data(text):
        short = plain(text.partition(",")[0], SHOWN)
        yield Found(name=short, source=decode_data_uri(short, text))
    elif is_url(text):
        yield _of_url(text, lookups)
    else:
        yield from _of_path(name, text, lookups, tried)


def _is_attachment(text: str) -> bool:
    return text[: len(_ATTACHMENT)].lower() == _ATTACHMENT


def _of_url(text: str, lookups: Lookups) -> Found:
    url = check_url(text, text)
    if not is_private_url(url):
        return Found(name=text, url=url)
    if lookups.fetch is None:
        raise reference_problem(
            text,
            "is an address of this machine or network, which the service can't reach; "
            "download the picture and pass its path.",
        )
    return Found(name=text, url=url, fetch=lookups.fetch)


def _of_mark(mark: str, lookups: Lookups) -> Iterator[Found]:
    try:
        pictures = lookups.marked(mark)
    except Problem as problem:
        raise Problem(*problem.texts, reference=True) from problem
    except LookupError as error:
        raise reference_problem(mark, f"is not in the history ({error}).") from error
    deleted = [path.name for _, path in pictures if not is_regular_file(path)]
    if deleted:
        raise reference_problem(
            mark, f"is no longer on disk ({', '.join(deleted)}); %seedream recover may bring it back."
        )
    # By its own mark: `@last` would mean another one tomorrow.
    for own, path in pictures:
        yield Found(name=own, source=path)


def _of_path(name: str, text: str, lookups: Lookups, tried: str) -> Iterator[Found]:
    """Yield the files that a path or glob means; a file whose name looks like a glob is that file."""
    if (file := find_file(text, lookups.folder)) is not None:
        yield Found(name=text, source=file)
        return
    files = files_matching(text, lookups.folder) if _is_search(text) else []
    if not files and "[" in text and _is_search(text):  # in "shots [1]/*.png" the brackets are part of a name
        files = files_matching(text.replace("[", "[[]"), lookups.folder)
    if not files:
        prefix = "" if name == text else f"{shorten(name, SHOWN)}: "
        short = (plain if _BASE64_PICTURE.match(text) else shorten)(text, SHOWN)
        raise Problem(f"{prefix}{short} {_why_not(text, lookups, tried)}", reference=True)
    for file_name in files:
        yield Found(name=file_name, source=lookups.folder / file_name)


def _is_search(text: str) -> bool:
    """Return whether a text is a finite glob: each `..`, or `**`, multiplies the ways through the folders."""
    if not glob.has_magic(text) or len(text) > _LONGEST_PATTERN:
        return False
    down = list(itertools.dropwhile(lambda part: not glob.has_magic(part), Path(text).parts))
    return ".." not in down and down.count("**") <= _MAX_DEEP


def _why_not(text: str, lookups: Lookups, tried: str) -> str:
    """Return why a text means no file, and what to write instead."""
    if _BASE64_PICTURE.match(text):
        return "is a picture in base64: pass base64.b64decode(…) of it, or put data:image/png;base64, before it."
    hint = hint_for(text, lookups.scope)
    if reason := windows_path_reason(text) or (hint and f"is not a file{tried}.{hint}"):
        return reason
    guess = did_you_mean(text, lookups.scope.names())
    if text.startswith("@"):
        marks = "marks are @3, @3.2 and @last of the history, @out and @[5] of what cells showed."
        return f"is neither a mark nor a file; {marks}{guess}"
    if glob.has_magic(text):
        endless = f"would take too long to search: write at most {_MAX_DEEP} `**`, and no `..` after a wildcard."
        here = shorten(str(lookups.folder), SHOWN)
        return f"matches no file in {here}{tried}; check which files are there." if _is_search(text) else endless
    path = resolve_path(text, lookups.folder)
    if not path.is_absolute():
        return "was not found: the current folder was removed. Write its full path, or %cd to another folder."
    remedy = _for_variable(text, lookups.scope) or _for_several(text, lookups) or nearest_file(path) or guess
    return f"was not found in {shorten(str(path.parent), SHOWN)}{tried}.{remedy}"


def _for_variable(text: str, scope: Scope) -> str:
    """Return how to use a variable whose name was written where none is read; "" for other texts."""
    name = text.strip("{}")
    if name in scope.names():
        return f" For the variable write {{{name}}} in the prompt, or -i {name}."
    return " For a variable write it without quotes." if isinstance(scope, EmptyScope) and text.isidentifier() else ""


def _for_several(text: str, lookups: Lookups) -> str:
    """Return how to write several files, if a text is their paths separated by commas; "" for other texts."""
    paths = [path.strip() for path in text.split(",")]
    if len(paths) > 1 and all(path and exists(resolve_path(path, lookups.folder)) for path in paths):
        return f" For several write {plain(' '.join(f'-i {path}' for path in paths), SHOWN)}."
    return ""


def _display_name(value: object, name: str) -> str:
    """Return what to call a value that has no name, in messages and below its picture."""
    kind = type(value).__name__
    return str(value) if isinstance(value, Path) else f"{name} ({kind})" if name else kind


_DEEPEST = 5


_MAX_PROBLEMS = 50
"""For each of them the nearest name is searched, which takes a while."""


class Gathering:
    """Collects the references of one request, from `--image` and from the prompt."""

    def __init__(self, lookups: Lookups) -> None:
        """Have none yet; `lookups` says where things are looked up."""
        self.warnings: list[str] = []
        self._lookups = lookups
        self._problems: list[Problem] = []
        self._numbers: dict[str, int] = {}
        self._references: list[Reference] = []
        self._count, self._is_full = 0, False
        self._added = 0

    @property
    def references(self) -> Sequence[Reference]:
        """The references so far; the number of each is its position, from 1."""
        return tuple(self._references)

    @property
    def problems(self) -> Sequence[Problem]:
        """The problems with those that were added, and with their total number."""
        if not self._is_full:
            return tuple(self._problems)
        limit = self._lookups.limits.max_count
        excess = self._count - limit
        message = f"images: found more than {limit} references ({self._count} in all); leave out {excess}."
        return (*self._problems, Problem(message, reference=True))

    def add(self, written: object) -> None:
        """Add what was written as a reference; what is wrong with it is added to the problems."""
        name, self._added = f"images[{self._added}]", self._added + 1
        if len(self._problems) >= _MAX_PROBLEMS:
            return
        try:
            with guarded(name):  # even reading its class may run code of its own
                self._add_found(self._find(written, name))
        except Problem as problem:
            self._problems.append(problem)

    def _find(self, written: object, name: str) -> Iterable[Found]:
        shared, lookups = self._lookups.shared, self._lookups
        if shared is None or not isinstance(written, str):
            return find(written, lookups, self.warnings.append, name=name)
        return shared.of_expression(
            f"-i {written}", lambda: find(written, lookups, self.warnings.append), lookups.limits
        )

    def of_value(self, name: str, value: object) -> Sequence[int] | None:
        """Return the numbers of the pictures that a value in braces means; None if it was not meant as any.

        Raises:
            Problem: a picture can't be used, or something was meant as one but is none, perhaps in a list.
        """
        if is_job(value):
            raise reference_problem(name, f"is a job; for its pictures write {{{name}.result()}}.")
        with guarded(name):
            if is_picture(value) or pictures_of(value) is not None:
                return self._add_found(self._of_expression(name, value))
            if issubclass(type(value), list | tuple) and _has_pictures(value):
                raise Problem(*self._not_pictures(name, value), reference=True)
            if _is_meant(name, value):
                return self._add_found(of_value(name, value, self._lookups))  # raises the reason
        return None

    def of_link(self, target: str) -> Sequence[int]:
        """Return the number of a Markdown image's picture; raises Problem."""
        return self._add_found(of_link(target, self._lookups))

    def _not_pictures(self, name: str, values: Any) -> Iterator[str]:  # noqa: ANN401 - a list or tuple
        """Yield why some items in a list of pictures are not pictures, each with its position."""
        for index, value in enumerate(values):
            part = f"{name}[{index}]"
            if is_picture(value):
                continue
            if issubclass(type(value), list | tuple):
                yield from self._not_pictures(part, value)
            elif not _is_meant(part, value):
                problem = f"is not a picture but {describe_value(value)}, in a list of pictures; take it out."
                yield str(reference_problem(part, problem))
            else:
                try:
                    self._add_found(of_value(part, value, self._lookups))
                except Problem as problem:
                    yield from problem.texts

    def _add_found(self, found: Iterable[Found]) -> Sequence[int]:
        """Return the numbers of the pictures, each once; those beyond the limit are not read.

        Raises:
            Problem: one sentence for each that can't be used.
        """
        candidates = list(found)
        self._count += len(candidates)
        numbers: dict[int, None] = {}
        problems: list[str] = []
        for candidate in candidates:
            if self._is_full or len(problems) == _MAX_PROBLEMS:
                break
            try:
                reference = self._read(candidate)
            except Problem as problem:
                problems += problem.texts
                continue
            if number := self._number_of(reference):
                numbers[number] = None
        if problems:
            raise Problem(*problems, reference=True)
        return tuple(numbers) or (0,)  # the request will be refused: there are too many

    def _read(self, found: Found) -> Reference:
        shared, limits = self._lookups.shared, self._lookups.limits
        return found.load_reference(limits) if shared is None else shared.of_file(found, limits)

    def _of_expression(self, name: str, value: object) -> Iterable[Found]:
        """Return what the value of an expression in braces means, perhaps as it was found before. Raises Problem."""
        shared = self._lookups.shared
        if shared is None:
            return of_value(name, value, self._lookups)
        return shared.of_expression(name, lambda: of_value(name, value, self._lookups), self._lookups.limits)

    def _number_of(self, reference: Reference) -> int | None:
        """Return the number of a picture, a new one if it is new; None if there are too many."""
        number = self._numbers.get(reference.identity)
        if number is None and len(self._references) == self._lookups.limits.max_count:
            self._is_full = True
        elif number is None:
            self._references.append(reference)
            number = self._numbers[reference.identity] = len(self._references)
        return number


def _has_pictures(values: Any, depth: int = 0) -> bool:  # noqa: ANN401 - a list or tuple
    """Return whether a list contains pictures, or something meant as one."""
    if depth > _DEEPEST:
        return False
    return any(
        _has_pictures(item, depth + 1)
        if issubclass(type(item), list | tuple)
        else is_picture(item) or _is_meant("", item)
        for item in values
    )


def _is_meant(name: str, value: object) -> bool:
    """Return whether a value was meant as a picture; raises Problem if it should hold one but is empty."""
    try:
        return is_meant_as_picture(value)
    except Problem as problem:
        raise Problem(*(f"{name}{text}" for text in problem.texts), reference=True) from problem
