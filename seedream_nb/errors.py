"""What can go wrong, as a person reads it: each error prints as at most five lines, without a traceback.

```
SeedreamError (hint)
  SettingsError                   a setting, the key, the folder
  RequestError (problems)         refused here, before sending; lists every problem
    ReferenceImageError           the same, about a reference image
    UnknownOptionError            the same, about an option that a call does not have; a TypeError too
    WrongOptionError              the same, about an option that is a setting as well; a SettingsError too
  BudgetError                     refused here: it could exceed the session's budget
  ApiError (status, code, reason, request_id)    the service answered with a refusal
    AuthenticationError           401
    PermissionDeniedError         403
    RateLimitError                429
    ContentRefusedError           the safety check refused a text or a picture
    ServiceError                  500, 503 and other 5xx but 502 and 504
  ReplyError                      a reply that can't be understood; it is kept
  ConnectionFailedError           never reached the service: not billed
  OutcomeUnknownError             sent, and no answer can come any more: may have been billed
  StillGeneratingError            the timeout passed; the work goes on
  StoppedError                    stopped by you: withdrawn and not billed, or going on
  DownloadError                   paid for, links kept: `%seedream recover`
  NoSuchItemError                 brackets ask for a generation or picture that is not there; an IndexError too
  WrongIndexError                 brackets or a search hold what they can't understand; a TypeError too
```
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, ClassVar

from seedream_nb.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INTERNAL = "Internal error in seedream_nb"
MAX_LINES = 5
MAX_CHARACTERS = 400
_LIKE_A_KEY = lazy_pattern(r"(?<![^\W_])sk_", re.IGNORECASE)


class SeedreamError(Exception):
    """Anything that seedream_nb reports; `hint` says what to do about it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep what happened (`message`, one or more lines) and what to do (`hint`)."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle all fields and notes, except for what a server wrote: that may echo the key.

        An error that can be pickled but not unpickled hangs a `multiprocessing.Pool` for ever, so no constructor is
        called.
        """
        return _unpickle, (type(self), self.args), {**self.__dict__, **self._elsewhere}

    _elsewhere: ClassVar[Mapping[str, Any]] = {}
    """Replaces the fields that must not leave their process."""

    def lines(self) -> list[str]:
        """Return the error as a person reads it: at most five lines."""
        lines, hint = self.message.splitlines() or [""], self.hint.split("\n") if self.hint else []
        room = max(1, MAX_LINES - len(hint))
        if len(lines) > room:
            lines = [*lines[: room - 1], " · ".join(lines[room - 1 :])]
        return [without_surrogates(line) for line in [*lines, *hint]]

    def __str__(self) -> str:
        """Read as the lines that a notebook shows."""
        return "\n".join(self.lines())

    def _render_traceback_(self) -> list[str]:
        """Give IPython a few lines in place of a traceback."""
        first, *rest = self.lines()
        return [f"{type(self).__name__}: {first}", *(f"  {line}" for line in rest)]


def _unpickle(kind: type[SeedreamError], args: tuple[Any, ...]) -> SeedreamError:
    """Return the error without its fields, which pickle sets next."""
    return kind.__new__(kind, *args)


class SettingsError(SeedreamError):
    """A setting, the key or the folder is missing or wrong; nothing was sent."""


class RequestError(SeedreamError):
    """A request was refused here, before sending; `problems` lists all that is wrong with it."""

    def __init__(self, problems: str | Sequence[str], *, hint: str | None = None) -> None:
        """Keep every problem, each with the value found, the limit and the nearest value that would do."""
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems), hint=hint or "Nothing was sent, nothing was billed.")


class ReferenceImageError(RequestError):
    """A reference image can't be used; the problem names it, the limit, the value found and the remedy."""


class UnknownOptionError(RequestError, TypeError):
    """A call was given options that it does not have; like any such call, a TypeError."""


class WrongOptionError(RequestError, SettingsError):
    """An option that is also a setting, or a folder, has a value it can't have; nothing was sent."""


class NoSuchItemError(SeedreamError, IndexError):
    """There is no such generation or picture; like any index out of range, an IndexError."""


class WrongIndexError(SeedreamError, TypeError):
    """What was asked for is no number, or no words to search for; like any such index, a TypeError."""


class BudgetError(SeedreamError):
    """The request could exceed this session's budget; nothing was sent."""


class ApiError(SeedreamError):
    """The service answered with a refusal, in its own words."""

    def __init__(  # noqa: PLR0913 - the fields of the service's error body
        self,
        message: str,
        *,
        status: int,
        code: int | str | None = None,
        reason: str | None = None,
        request_id: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Keep the HTTP `status` and what the error body gave: `code`, `reason`, `request_id`."""
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.reason = reason
        self.request_id = request_id


class AuthenticationError(ApiError):
    """401: the key is missing or wrong."""


class PermissionDeniedError(ApiError):
    """403: the account or the key may not do this."""


class RateLimitError(ApiError):
    """429: too many pictures a minute."""


class ContentRefusedError(ApiError):
    """The service's safety check refused the prompt, a reference or the result."""


class ServiceError(ApiError):
    """The service failed; it says that failed generations are not billed."""


class Unread(bytes):
    """What a server wrote, byte for byte: it may echo the key, so it prints as its length only."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show only the length."""
        return f"<{len(self):,} bytes>"

    __str__ = __repr__


class ReplyError(SeedreamError):
    """The service's reply can't be understood; it is kept in the journal."""

    _elsewhere: ClassVar[Mapping[str, Any]] = {"content": Unread()}

    def __init__(self, message: str, *, hint: str | None = None, content: bytes = b"") -> None:
        """Keep what arrived of the reply (`content`, at most 8 MB); in a job's error the key is removed from it."""
        super().__init__(message, hint=hint)
        self.content = Unread(content)


class ConnectionFailedError(SeedreamError):
    """The request never reached the service in full: not billed."""


class OutcomeUnknownError(SeedreamError):
    """The request was sent and no answer can come any more: it may have been billed."""

    _elsewhere: ClassVar[Mapping[str, Any]] = {"content": Unread()}

    def __init__(self, message: str, *, hint: str | None = None, content: bytes = b"") -> None:
        """Keep what arrived of a reply before it broke off (`content`); in a job's error the key is removed from it."""
        super().__init__(message, hint=hint)
        self.content = Unread(content)


class StillGeneratingError(SeedreamError):
    """The timeout passed; the work goes on and its pictures arrive later."""


class StoppedError(SeedreamError, KeyboardInterrupt):
    """Stopped by you: withdrawn and not billed, or going on; the message says which."""


BEFORE_SENDING = "Stopped before anything was sent. Nothing was billed."


class DownloadError(SeedreamError):
    """A picture that is paid for could not be fetched; its link is kept."""


class Problem(ValueError):
    """What is wrong with one part of a request; all problems are reported together."""

    def __init__(self, *texts: str, reference: bool = False) -> None:
        """Keep one or more sentences; `reference` says that they concern a reference image."""
        super().__init__("\n".join(texts))
        self.texts = texts
        self.reference = reference


def request_error(problems: Iterable[Problem]) -> RequestError:
    """Return the one error that reports all these problems."""
    found = list(problems)
    kind = ReferenceImageError if all(problem.reference for problem in found) else RequestError
    return kind(list(dict.fromkeys(text for problem in found for text in problem.texts)))


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` is most likely meant to be, or None."""
    import difflib

    by_folded = {choice.casefold(): choice for choice in choices}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ` Did you mean …?` with the nearest choice, or nothing."""
    choice = nearest(word, choices)
    return f" Did you mean {choice}?" if choice else ""


def money(dollars: float) -> str:
    """Return an amount as people write it: two decimals, more where it has more (`0.12 USD`, `0.005 USD`)."""
    whole, _, decimals = f"{dollars:.4f}".rstrip("0").partition(".")
    return f"{whole}.{decimals:0<2} USD"


LONGEST_LINK = 16_384
"""In characters; parsing longer ones is slow."""

_LINK = lazy_pattern(rf"(https?://\S{{1,{LONGEST_LINK}}})")
_HALF = lazy_pattern("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Return a text without lone surrogates, which no page, message or terminal can show.

    File names that are not UTF-8 have them, and JSON may.
    """
    return _HALF.sub("\ufffd", text)


_LONGEST_NAME, _LONGEST_SCHEME = 4_000, 10
_JOINERS = "\u200c\u200d"


def plain(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return what somebody else wrote as one line of harmless text, at most `limit` characters."""
    spaced = " ".join(without_surrogates(text[: 100 * limit]).split())
    start = spaced[: 4 * limit]
    # Categories C*, control and format (bidi overrides too), could move the cursor or reorder a line. But emoji and
    # several scripts need joiners.
    kept = "".join(" " if unicodedata.category(char)[0] == "C" and char not in _JOINERS else char for char in start)
    line = " ".join(kept.split())
    is_complete = len(text) <= 100 * limit and start == spaced
    return line if is_complete and len(line) <= limit else line[: limit - 1].rstrip() + "…"


def describe_value(value: object, limit: int = 40) -> str:
    """Return any value and its type, for a message, but none that looks like a key; its own `__repr__` may fail."""
    kind = type(value).__name__
    try:
        text = repr(value)
        return f"{'…' if _LIKE_A_KEY.search(text) else plain(text, limit)} ({kind})"
    except Exception:  # noqa: BLE001 - it is somebody's __repr__, or a number of thousands of digits
        return f"a value of type {kind}"


def plain_but_links(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return a line as `plain` does, but never shorten a link: it may be the only copy of what is paid for."""
    line = plain(text, limit)
    if not line.endswith("…"):
        return line
    pieces, room = [], limit
    for number, piece in enumerate(_LINK.split(text)):
        if number % 2:
            pieces.append(plain(piece, LONGEST_LINK))
        elif room > 1 and (words := plain(piece, room)):
            pieces.append(words)
            room -= len(words)
    return " ".join(pieces)


def shorten(name: str, limit: int) -> str:
    """Return a path, an address or a name as `plain` does, at most `limit` characters, keeping its end.

    The file's name and extension say most: folders are left out first, then the middle of the name.
    """
    line = plain(name[-_LONGEST_NAME:], _LONGEST_NAME)
    if len(line) <= limit and len(name) <= _LONGEST_NAME:
        return line
    if "://" in line[:_LONGEST_SCHEME]:
        return _shortened_address(line, limit)
    place = max(line.rstrip("/\\").rfind("/"), line.rstrip("/\\").rfind("\\"))
    slash, last = line[place : place + 1] if place >= 0 else "", line[place + 1 :]
    room = limit - len(last) - 2
    if not slash or room < 0:
        return _without_middle(last, limit)
    kept = line[max(0, place - room) : place].partition(slash)[2]
    return slash.join(("…", kept, last) if kept else ("…", last))


def _shortened_address(line: str, limit: int) -> str:
    """Return an address with its host and the name at the end of its path, as far as there is room for both."""
    whole = line.partition("#")[0].partition("?")[0]
    query = "?…" if len(whole) < len(line) else ""
    scheme, _, rest = whole.partition("://")
    host, _, path = rest.partition("/")
    last = path.rstrip("/").rpartition("/")[2]
    forms = (f"{whole}{query}", f"{scheme}://{host}/…/{last}{query}", f"…/{last}{query}" if last else "")
    return next((form for form in forms if form and len(form) <= limit), _without_middle(last or host, limit))


def _without_middle(name: str, limit: int) -> str:
    head = limit // 3
    return name if len(name) <= limit else f"{name[:head]}…{name[head + 1 - limit :]}"
