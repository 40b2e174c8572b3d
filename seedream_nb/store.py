"""Where the files of a `home` live: pictures to browse, references that were sent, ids, room on the disk."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import itertools
import os
import re
import secrets
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
SLUG_LENGTH = 40
PICTURE_BYTES = 20_000_000
"""A JPEG of 4096x4096 pixels with the finest grain; most pictures need a quarter of it."""
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
_IGNORED = ("/journal/", "/inputs/")
_PART_NAME = re.compile(r"(\d{4,12})-(\d+)\.[0-9a-f]+-(\d+)\.part")
_PICTURE_NAME = re.compile(r"(\d{4,12})-\d+\b")
_TOLD_ID = re.compile(rb'"id": ?([0-9]{1,12}),')  # within a string the quotes would be escaped
_WINDOWS_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)")
_REASONS = {
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOSPC: "no room is left on the disk",
    errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC: "the disk quota is used up",
    errno.EEXIST: "a file is in the way",
    errno.ENOTDIR: "a file is in the way",
    errno.ENAMETOOLONG: "its name is too long",
}


@dataclass(frozen=True, kw_only=True)
class Input:
    """A reference image as it will be sent: a file under `inputs/`, and what was changed to make it fit."""

    path: Path
    media_type: str
    sha256: str
    size_bytes: int
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Left:
    """What stands of a picture that is being downloaded, or was, by the process of that number."""

    path: Path
    number: int
    index: int
    process: int


class Store:
    """The folder where pictures, references and the journal live; kernels can share it."""

    def __init__(self, home: Path) -> None:
        """Name the folder; nothing is touched before `open` or the first use."""
        self.home = Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would follow a home that is a symbolic link
        self.journal = self.home / "journal"
        self.inputs = self.home / "inputs"
        self._ids = self.journal / "ids"
        self._partials = self.journal / "partial"
        self._kept = self.journal / "kept"
        self._folders = (self.home, self.journal, self._ids, self._partials, self.inputs)
        self._token = secrets.token_hex(3)
        self._last_id = 0

    def open(self) -> None:
        """Create the folders and prove, by writing, that they can be written.

        Raises:
            SettingsError: which folder can't be written, and why; nothing was sent.
        """
        for folder in self._folders:
            try:
                make_private(folder)
                _probe(folder)
            except OSError as error:
                raise unwritable(folder, error) from error
        try:
            _keep_out_of_commits(self.home / ".gitignore")
        except OSError as error:
            raise unwritable(self.home, error) from error

    def new_id(self) -> int:
        """Allot the next id of this folder, to nobody else: by exclusive creation of a file."""
        number = self._last_id
        if not number or not (self._ids / str(number)).exists():  # somebody deleted the ids
            number = max(self._used_ids(), default=0)
        while True:
            number += 1
            try:
                _create(self._ids / str(number))
            except FileExistsError:
                continue
            except FileNotFoundError:  # the folder was emptied while we worked: pictures may still come
                self._remake()
                number -= 1
                continue
            self._last_id = number
            return number

    def picture_name(self, number: int, index: int, prompt: str, media_type: str) -> str:
        """Return the file name of picture `index` (from 1) of generation `number`: `0042-1-a-fox.jpg`."""
        words = slug(prompt)
        return f"{number:04d}-{index}{'-' if words else ''}{words}.{EXTENSIONS[media_type]}"

    def partial(self, number: int, index: int) -> Path:
        """Return where picture `index` of generation `number` stands while it is being downloaded."""
        self._remake()
        return self._partials / f"{number:04d}-{index}.{self._token}-{os.getpid()}.part"

    def parts(self) -> list[Left]:
        """Return what stands of unfinished downloads, of all kernels."""
        try:
            names = sorted(os.listdir(self._partials))  # noqa: PTH208 - names are what is wanted
        except OSError:
            return []
        found = [(name, match) for name in names if (match := _PART_NAME.fullmatch(name))]
        return [
            Left(path=self._partials / name, number=int(match[1]), index=int(match[2]), process=int(match[3]))
            for name, match in found
        ]

    def keep(self, part: Path, number: int, index: int) -> Path:
        """Put aside for good what came in place of a picture; it may be all that came of it. Nothing is replaced."""
        make_private(self._kept)
        for count in itertools.count(1):
            path = self.kept(number, index, count)
            try:
                _create(path)
            except FileExistsError:
                if filecmp.cmp(part, path, shallow=False):  # the same again
                    part.unlink()
                    return path
                continue
            part.replace(path)
            sync_folder(self._kept)
            return path
        raise AssertionError  # there are numbers enough

    def kept(self, number: int, index: int, count: int = 1) -> Path:
        """Return where the first (or a later) thing stands that was kept in place of a picture."""
        return self._kept / f"{number:04d}-{index}{f'.{count}' if count > 1 else ''}.bin"

    def settle(self, partial: Path, name: str) -> Path:
        """Make a finished download safe against a power cut and give it its name; returns its path."""
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        path = self.home / name
        partial.replace(path)
        sync_folder(self.home)
        return path

    def room(self) -> int | None:
        """Return how many bytes are free where the pictures will be written; None where the disk can't tell."""
        try:
            usage = shutil.disk_usage(self.home)
        except OSError:
            return None
        return usage.free if usage.total else None  # some network drives say nothing by saying zero

    def need_room(self, pictures: int) -> None:
        """Make sure, before anything is sent, that so many pictures of the largest size fit on the disk.

        Raises:
            SettingsError: how much room there is, and how much is needed.
        """
        room, needed = self.room(), pictures * PICTURE_BYTES
        if room is not None and room < needed:
            raise SettingsError(
                f"The disk of {self.home} has {room / 1e6:.0f} MB left; "
                f"{pictures} picture{'s' * (pictures != 1)} may need {needed / 1e6:.0f} MB.",
                hint="Nothing was sent. Make room, or choose another folder: %seedream config home=FOLDER",
            )

    def relative(self, path: Path) -> str:
        """Return a path of this folder as the journal spells it: relative, with forward slashes."""
        return path.relative_to(self.home).as_posix()

    def _remake(self) -> None:
        """Make the folders again that somebody deleted while we worked: pictures may still come."""
        if not all(folder.is_dir() for folder in self._folders):
            for folder in self._folders:
                make_private(folder)
            _keep_out_of_commits(self.home / ".gitignore")

    def _used_ids(self) -> Iterator[int]:
        """Find the ids in use: whatever is deleted of ids, pictures and journal, the others still tell of them."""
        yield self._last_id
        with contextlib.suppress(FileNotFoundError), os.scandir(self._ids) as entries:
            yield from (int(entry.name) for entry in entries if entry.name.isdecimal())
        with contextlib.suppress(FileNotFoundError), os.scandir(self.home) as entries:
            found = (_PICTURE_NAME.match(entry.name) for entry in entries)
            yield from (int(name[1]) for name in found if name)
        for path in self.journal.glob("*.jsonl"):
            with contextlib.suppress(OSError):
                yield from map(int, _TOLD_ID.findall(path.read_bytes()))


def slug(prompt: str) -> str:
    """Return a prompt as part of a file name: letters and digits of any script, at most 40 characters."""
    text = unicodedata.normalize("NFKC", prompt[: 8 * SLUG_LENGTH]).lower()
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()
    joined = "-".join(words)
    if len(joined) > SLUG_LENGTH:
        whole, _, _ = joined[: SLUG_LENGTH + 1].rpartition("-")
        joined = whole if len(whole) > SLUG_LENGTH // 2 else joined[:SLUG_LENGTH]
    return f"{joined}-" if _WINDOWS_NAMES.fullmatch(joined) else joined


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; it is there in full or not at all, its folder made if need be."""
    make_private(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _create(temporary, content, flush=True)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def unwritable(folder: Path, error: OSError) -> SettingsError:
    """Return the error that says which folder can't be written, and why."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return SettingsError(
        f"The folder {folder} can't be written: {reason}.",
        hint="Nothing was sent. Make it writable, or choose another: %seedream config home=FOLDER",
    )


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut, where the system offers that."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):  # network folders may refuse; the file itself is flushed already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _create(path: Path, content: bytes = b"", *, flush: bool = False) -> None:
    """Write a new private file; FileExistsError where there is one. The mode is set at birth, never after."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
        file.write(content)
        if flush:
            file.flush()
            os.fsync(file.fileno())


def _probe(folder: Path) -> None:
    """Write a little and take it away: access rights alone don't tell about full and read-only disks."""
    path = folder / f".probe-{secrets.token_hex(4)}"
    try:
        _create(path, bytes(4096))
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _keep_out_of_commits(path: Path) -> None:
    """Add journal and inputs to `.gitignore`; what the owner of the folder wrote there stays."""
    try:
        written = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        written = ""
    lacking = [line for line in _IGNORED if line not in written.splitlines()]
    if lacking:
        start = "\n" if written and not written.endswith("\n") else ""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="\n") as file:
            file.write(start + "".join(f"{line}\n" for line in lacking))
