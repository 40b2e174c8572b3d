"""A generation: one request and what came of it, read from the journal. A value, whole without a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Protocol, overload

from seedream_nb.errors import RequestError, SeedreamError, plain
from seedream_nb.picture import Picture, bundle_of
from seedream_nb.request import ImageRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

NOT_FETCHED = "not fetched yet"

Record = Mapping[str, Any]


class Verbs(Protocol):
    """What a generation asks of the session that it was read in."""

    def edit(self, generation: Generation, prompt: str, options: Mapping[str, Any]) -> Generation:
        """Generate with the generation's pictures as references."""

    def rerun(self, generation: Generation, changes: Mapping[str, Any]) -> Generation:
        """Ask the same again, but for the changes."""

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a picture, a generation or the history
        """Return the mime bundle of the value."""


@dataclass(frozen=True, kw_only=True)
class Generation(Sequence[Picture]):
    """One request and its pictures; `len`, indexing and iteration give the pictures.

    `prompt` is the text as sent, `template` as written; `seconds` is how long it took; `cost` in USD, None
    where it can't be known; `status` is `done`, `partial`, `failed`, `stopped`, `unknown`, or while it runs
    `generating` or `downloading`; `missing` tells by number (from 1) why a picture is not here.
    """

    id: int
    prompt: str
    template: str
    request: ImageRequest
    images: list[Picture]
    created: datetime
    seconds: float | None
    cost: float | None
    backend: str
    host: str
    status: str
    warnings: list[str]
    error: str | None
    links: list[str] = field(repr=False)
    missing: dict[int, str]
    sources: list[str]
    notebook: str | None
    verbs: Verbs | None = field(default=None, repr=False, compare=False)

    @property
    def mark(self) -> str:
        """How to refer to all its pictures: `@3`."""
        return f"@{self.id}"

    def __len__(self) -> int:
        """Return how many pictures are here."""
        return len(self.images)

    def __iter__(self) -> Iterator[Picture]:
        """Give its pictures in their order."""
        return iter(self.images)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Return a picture by its place, counted from 0 as in any list."""
        return self.images[index]

    def __bool__(self) -> bool:
        """A generation is something, even without a picture."""
        return True

    def __hash__(self) -> int:
        """Equal generations have equal ids."""
        return hash((self.id, self.created))

    def edit(self, prompt: str, **options: Any) -> Generation:  # noqa: ANN401 - the options of `generate`
        """Generate with these pictures as references; raises what `sd.generate` raises."""
        return self._asked().edit(self, prompt, options)

    def rerun(self, **changes: Any) -> Generation:  # noqa: ANN401 - the options of `generate`
        """Ask the same again, but for the changes; the service makes new pictures, and they cost again."""
        return self._asked().rerun(self, changes)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Copy the full-size files into a folder, made if need be; returns where they are."""
        place = Path(folder).expanduser()
        place.mkdir(parents=True, exist_ok=True)
        return [picture.save(place) for picture in self.images]

    def _asked(self) -> Verbs:
        if self.verbs is None:
            raise SeedreamError(
                f"{self.mark} was read without a session, so nothing can be sent from it.",
                hint="Take it from sd.history instead.",
            )
        return self.verbs

    def __repr__(self) -> str:
        """Tell the outcome in one line; touches no disk."""
        return f"<Generation {_outcome(self)}: {plain(self.prompt, 60)}>"

    def __str__(self) -> str:
        """Tell outcome, files, warnings and what went wrong, a line each."""
        files = [f"{picture.mark}  {plain(str(picture.path))}" for picture in self.images]
        missing = [f"{self.mark}.{index}  missing: {plain(why)}" for index, why in self.missing.items()]
        notes = [plain(each) for each in [*self.warnings, *([self.error] if self.error else [])]]
        return "\n".join([_outcome(self), *files, *missing, *notes])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the pictures in a notebook; without a session, as plain text."""
        return bundle_of(self, self.verbs)


def _outcome(generation: Generation) -> str:
    """Tell status, mark, pictures, size, seconds and cost in one line."""
    count = len(generation.images)
    sizes = dict.fromkeys(f"{picture.width}x{picture.height}" for picture in generation.images)
    told = [
        generation.status,
        f"{count} picture{'s' * (count != 1)}{' ' * bool(sizes)}{', '.join(sizes)}",
        *([] if generation.seconds is None else [f"{generation.seconds:.1f} s"]),
        *([] if generation.cost is None else [f"{generation.cost:.2f} USD"]),
        *(["sandbox"] if generation.backend == "sandbox" else []),
    ]
    return f"{generation.mark} " + " · ".join(told)


def fold(records: Iterable[Record], *, home: Path, alive: bool, verbs: Verbs | None = None) -> Generation | None:
    """Read one generation from its records, of one journal file or of several, in whatever order.

    Args:
        records: the journal's records of one id.
        home: the folder that the files' paths start from.
        alive: whether the process that began it still lives.
        verbs: the session, where there is one.

    Returns:
        The generation; None if what was asked can't be read.
    """
    told = _told(records)
    intent = told.intent
    try:
        request = ImageRequest.from_record(intent["request"], home)
        created = datetime.fromisoformat(intent["at"])
    except (RequestError, KeyError, TypeError, ValueError, AttributeError):
        return None
    number: int = intent["id"]
    files = {index: _picture(f"@{number}.{index}", file, home, verbs) for index, file in told.files.items()}
    pictures = {index: picture for index, picture in sorted(files.items()) if picture is not None}
    status = _status(told, have=set(pictures), alive=alive)
    error = told.end.get("error")
    return Generation(
        id=number,
        prompt=request.prompt,
        template=_text(intent.get("template")) or request.prompt,
        request=request,
        images=list(pictures.values()),
        created=created if created.tzinfo else created.replace(tzinfo=UTC),
        seconds=_number(told.end.get("seconds")) or told.seconds,
        cost=_cost(told),
        backend=_text(intent.get("backend")) or "",
        host=_text(intent.get("host")) or "",
        status=status,
        warnings=_texts(intent.get("warnings")),
        error=_text(error.get("message")) if isinstance(error, Mapping) else None,
        links=told.links,
        missing=_missing(told, have=set(pictures)),
        sources=_texts(intent.get("sources")),
        notebook=_text(intent.get("notebook")),
        verbs=verbs,
    )


@dataclass(kw_only=True)
class _Told:
    """What the journal tells about one generation, the latest word on each point."""

    intent: Record = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    seconds: float | None = None
    files: dict[int, Record] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)
    end: Record = field(default_factory=dict)


def _told(records: Iterable[Record]) -> _Told:
    """Sort the records by what they are about; later ones (by their clocks) replace earlier ones."""
    told = _Told()
    for record in sorted(records, key=lambda record: str(record.get("at"))):
        match record:
            case {"event": "intent"}:
                told.intent = told.intent or record
            case {"event": "links", "links": list(links)}:
                told.links += [link for link in links if isinstance(link, str) and link not in told.links]
                told.seconds = _number(record.get("seconds"))
            case {"event": "file", "index": int(index)}:
                told.files[index] = record
            case {"event": "missing", "index": int(index)}:
                told.missing[index] = _text(record.get("reason")) or NOT_FETCHED
            case {"event": "end"}:
                told.end = record
    return told


def _status(told: _Told, *, have: set[int], alive: bool) -> str:
    """Tell how it ended, or how far it came; pictures that were recovered later make it whole."""
    complete = bool(told.links) and have.issuperset(range(1, len(told.links) + 1))
    ended = _text(told.end.get("status"))
    if complete and (ended or not alive):
        return "done"
    if ended:
        return "partial" if ended == "done" and told.links else ended
    if alive:
        return "downloading" if told.links else "generating"
    return "partial" if told.links or have else "unknown"


def _cost(told: _Told) -> float | None:
    """Return what it cost in USD: as settled, else what its links are worth; None where nobody knows."""
    if told.end:
        return _number(told.end.get("cost"))
    price = _number(told.intent.get("price"))
    return price * len(told.links) if told.links and price is not None else None


def _missing(told: _Told, *, have: set[int]) -> dict[int, str]:
    """Tell of each picture that was paid for and is not here why that is so."""
    indexes = {*told.missing, *range(1, len(told.links) + 1)} - have
    return {index: told.missing.get(index, NOT_FETCHED) for index in sorted(indexes)}


def _picture(mark: str, record: Record, home: Path, verbs: Verbs | None) -> Picture | None:
    """Read a picture; None where the record is damaged or its path leads out of `home`."""
    inside = _inside(record.get("path"))
    width, height, size_bytes = (record.get(name) for name in ("width", "height", "size_bytes"))
    if not (inside and isinstance(width, int) and isinstance(height, int)):
        return None
    return Picture(
        path=home / inside,
        width=width,
        height=height,
        media_type=_text(record.get("media_type")) or "",
        sha256=_text(record.get("sha256")) or "",
        size_bytes=size_bytes if isinstance(size_bytes, int) else 0,
        mark=mark,
        verbs=verbs,
    )


def _inside(path: object) -> PurePosixPath | None:
    """Return a relative path that stays in its folder on every system, or None."""
    if not isinstance(path, str) or not path or "\0" in path:
        return None
    inside, windows = PurePosixPath(path), PureWindowsPath(path)
    leads_out = inside.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    return None if leads_out else inside


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
