"""The files of a `home`: pictures, sent references, ids; and the room on its disk."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from seedream_nb.errors import SettingsError
from seedream_nb.files import is_refused_name, make_way, name_without_words, read_regular, refuse_symlink
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
SLUG_LENGTH = 40
PICTURE_BYTES = 20_000_000
"""A JPEG of 4096x4096 pixels with the finest grain; most pictures need a quarter of that."""
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
"""Of the pictures that a service makes."""
INPUT_EXTENSIONS = {**EXTENSIONS, "image/bmp": "bmp", "image/tiff": "tif", "image/gif": "gif"}
"""Of references as they are sent."""
_IGNORED = ("/journal/", "/inputs/")
_MAX_IGNORED = 1_000_000
_PART_NAME = lazy_pattern(r"(\d{4,12})-(\d+)\.[0-9a-f]+-(\d+)\.part")
_PICTURE_NAME = lazy_pattern(r"([0-9]{4}|[1-9][0-9]{4,8})-[0-9]{1,2}(?:-.*)?\.(?:jpg|png|webp)", re.DOTALL)
_ID = lazy_pattern("[1-9][0-9]{0,8}")
_RECORDED_ID = lazy_pattern(rb'"id": ?([0-9]{1,9}),')  # within a string the quotes would be escaped
_GAP = 100
"""The largest gap in the ids of our pictures. Anything beyond is somebody's date: `20261128-1.jpg`."""
_MAX_JOURNAL_BYTES = 512_000_000
_WINDOWS_NAMES = lazy_pattern(r"(con|prn|aux|nul|com\d|lpt\d)")
_REASONS = {
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOSPC: "no room is left on the disk",
    errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC: "the disk quota is used up",
    errno.ENOENT: "the folder that contains it was removed",
    errno.EEXIST: "a file is in the way",
    errno.ENOTDIR: "a file is in the way",
    errno.ENAMETOOLONG: "its name is too long",
}


@frozen
class Input:
    """A reference image as it will be sent: a file under `inputs/`, and what was changed to make it fit."""

    path: Path
    media_type: str
    sha256: str
    size_bytes: int
    note: str | None = None


@frozen
class UnfinishedDownload:
    """A picture's partial download, and the process that started it."""

    path: Path
    number: int
    index: int
    process: int
    size_bytes: int


class Store:
    """The folder of pictures, references and journal; kernels can share it."""

    def __init__(self, home: Path) -> None:
        """Name the folder; nothing is touched before `open` or the first use."""
        try:
            self.home = Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would follow a home that is a link
        except OSError:  # it is relative to a folder that was removed: `open` will say so
            self.home = home
        self.journal = self.home / "journal"
        self.inputs = self.home / "inputs"
        self._ids = self.journal / "ids"
        self._partials = self.journal / "partial"
        self._kept = self.journal / "kept"
        self._folders = (self.home, self.journal, self._ids, self._partials, self.inputs)
        self._token = secrets.token_hex(3)
        self._last_id = 0
        self._taken: frozenset[int] = frozenset()

    def open(self) -> None:
        """Create the folders, and make sure by writing that they can be written.

        Raises:
            SettingsError: a folder can't be written; it says which, and why. Nothing was sent.
        """
        for folder in self._folders:
            try:
                self._make(folder)
                _probe(folder)
            except OSError as error:
                raise unwritable(folder, error) from error
        try:
            _write_gitignore(self.home / ".gitignore")
        except OSError as error:
            raise unwritable(self.home, error) from error

    def new_id(self) -> int:
        """Allocate the next id of this folder, for nobody else, by exclusive creation of a file."""
        number = self._last_id
        if not number or not (self._ids / str(number)).exists():  # somebody deleted the ids
            number, self._taken = self._used_ids()
        while True:
            number += 1
            if number in self._taken:
                continue
            try:
                _create(self._ids / str(number))
            except FileExistsError:
                continue
            except FileNotFoundError:  # the folder was emptied while we worked: pictures may still come
                self._restore_folders()
                number -= 1
                continue
            self._last_id = number
            return number

    def picture_name(self, number: int, index: int, prompt: str, media_type: str) -> str:
        """Return the file name of picture `index` (from 1) of generation `number`: `0042-1-a-fox.jpg`."""
        words = slug(prompt)
        return f"{number:04d}-{index}{'-' if words else ''}{words}.{EXTENSIONS[media_type]}"

    def partial(self, number: int, index: int) -> Path:
        """Return where picture `index` of generation `number` is kept while it is being downloaded."""
        self._restore_folders()
        path = self._partials / f"{number:04d}-{index}.{self._token}-{os.getpid()}.part"
        make_way(path)
        return path

    def parts(self) -> list[UnfinishedDownload]:
        """Return the unfinished downloads of all kernels."""
        try:
            names = sorted(os.listdir(self._partials))  # noqa: PTH208 - only the names are needed
        except OSError:
            return []
        matches = [(self._partials / name, match) for name in names if (match := _PART_NAME.fullmatch(name))]
        return [part for path, match in matches if (part := _unfinished(path, *map(int, match.groups())))]

    def keep(self, part: Path, number: int, index: int) -> Path:
        """Keep for good what arrived instead of a picture; it may be all there is. Nothing is overwritten."""
        make_inner(self._kept)
        for count in itertools.count(1):
            path = self.kept(number, index, count)
            try:
                _create(path)
            except FileExistsError:
                if filecmp.cmp(part, path, shallow=False):  # the same content
                    part.unlink()
                    return path
                continue
            part.replace(path)
            sync_folder(self._kept)
            return path
        raise AssertionError  # count() never ends

    def kept(self, number: int, index: int, count: int = 1) -> Path:
        """Return the path of the first (or a later) file that was kept instead of a picture."""
        return self._kept / f"{number:04d}-{index}{f'.{count}' if count > 1 else ''}.bin"

    def settle(self, partial: Path, name: str) -> Path:
        """Make a finished download safe against a power cut and give it its name; return its path.

        If the disk or the locale can't have that name, only its numbers are used: `0042-1.jpg`.
        """
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            path = self._take_name(partial, name)
        except (OSError, UnicodeError) as error:
            if not is_refused_name(error):
                raise
            path = self._take_name(partial, name_without_words(name))
        partial.replace(path)
        sync_folder(self.home)
        return path

    def _take_name(self, partial: Path, name: str) -> Path:
        """Reserve a name for a finished download that no other picture has, for example in a synchronised folder."""
        stem, _, extension = name.rpartition(".")
        for count in itertools.count(2):
            path = self.home / name
            try:
                _create(path)
            except FileExistsError:
                if not (path.is_symlink() or _is_same(partial, path)):
                    name = f"{stem}-{count}.{extension}"
                    continue
            return path
        raise AssertionError  # count() never ends

    def room(self) -> int | None:
        """Return the free bytes on the disk of this folder; None if that is unknown."""
        try:
            usage = shutil.disk_usage(self.home)
        except OSError:
            return None
        return usage.free if usage.total else None  # some network drives report zero for unknown

    def require_room(self, pictures: int) -> None:
        """Make sure, before anything is sent, that this many pictures of the largest size fit on the disk.

        Raises:
            SettingsError: they don't; it says how much room there is, and how much is needed.
        """
        room, needed = self.room(), pictures * PICTURE_BYTES
        if room is not None and room < needed:
            raise SettingsError(
                f"The disk of {self.home} has {room / 1e6:.0f} MB left; "
                f"{pictures} picture{'s' * (pictures != 1)} may need {needed / 1e6:.0f} MB.",
                hint="Nothing was sent. Make room, or choose another folder: %seedream config home=FOLDER",
            )

    def relative(self, path: Path) -> str:
        """Return a path of this folder as the journal has it: relative, with forward slashes."""
        return path.relative_to(self.home).as_posix()

    def _make(self, folder: Path) -> None:
        """Make one of the folders; home may be a link to another disk, the folders within may not."""
        if folder == self.home:
            make_private(folder)
        else:
            make_inner(folder)

    def _restore_folders(self) -> None:
        """Make the folders again if somebody deleted them while we worked: pictures may still come."""
        are_there = all(folder.is_dir() for folder in self._folders)
        for folder in self._folders:
            self._make(folder)
        if not are_there:
            _write_gitignore(self.home / ".gitignore")

    def _used_ids(self) -> tuple[int, frozenset[int]]:
        """Return the last used id, and later ones that pictures seem to have.

        Ids, pictures and journal all record them, so two of the three may be deleted.
        """
        last = max(self._recorded_ids(), default=0)
        named: set[int] = set()
        with contextlib.suppress(FileNotFoundError), os.scandir(self.home) as entries:
            named = {int(match[1]) for entry in entries if (match := _PICTURE_NAME.fullmatch(entry.name))}
        for number in sorted(named):
            if last < number <= last + _GAP:
                last = number
        return last, frozenset(number for number in named if number > last)

    def _recorded_ids(self) -> Iterator[int]:
        """Yield the ids that are recorded in files and in the journal."""
        yield self._last_id
        with contextlib.suppress(FileNotFoundError), os.scandir(self._ids) as entries:
            yield from (int(entry.name) for entry in entries if _ID.fullmatch(entry.name))
        for path in self.journal.glob("*.jsonl"):
            with contextlib.suppress(OSError):
                yield from map(int, _RECORDED_ID.findall(read_regular(path, _MAX_JOURNAL_BYTES)))


def number_of(name: str) -> int | None:
    """Return the id in the name of a picture's file; None if it is not named as we name pictures."""
    match = _PICTURE_NAME.fullmatch(name)
    return int(match[1]) if match else None


def _unfinished(path: Path, number: int, index: int, process: int) -> UnfinishedDownload | None:
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            size_bytes = status.st_size
            return UnfinishedDownload(path=path, number=number, index=index, process=process, size_bytes=size_bytes)
    return None


def _is_same(partial: Path, path: Path) -> bool:
    """Return whether this picture is there already, or only its name was taken by a process that died."""
    with contextlib.suppress(OSError):
        existing = read_regular(path, partial.stat().st_size)
        return not existing or existing == partial.read_bytes()
    return False


def slug(prompt: str) -> str:
    """Return a prompt as part of a file name: letters and digits of any script, at most 40 characters."""
    text = unicodedata.normalize("NFKC", prompt[: 8 * SLUG_LENGTH]).lower()
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()
    joined = "-".join(words)
    if len(joined) > SLUG_LENGTH:
        whole_words, _, _ = joined[: SLUG_LENGTH + 1].rpartition("-")
        joined = whole_words if len(whole_words) > SLUG_LENGTH // 2 else joined[:SLUG_LENGTH]
    return f"{joined}-" if _WINDOWS_NAMES.fullmatch(joined) else joined


def make_private(folder: Path) -> None:
    """Make a folder and its missing parents, for their owner alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def make_inner(folder: Path) -> None:
    """Make a folder within a home, as `make_private` does; OSError if there is a link in its place."""
    refuse_symlink(folder)
    make_private(folder)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in full or not at all; its folder is made if needed."""
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
    """Make new names in a folder survive a power cut, if the system supports that."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):  # network folders may refuse; the file itself is flushed already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _create(path: Path, content: bytes = b"", *, flush: bool = False) -> None:
    """Write a new private file; FileExistsError if there is one. The mode is set on creation, never later."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
        file.write(content)
        if flush:
            file.flush()
            os.fsync(file.fileno())


def _probe(folder: Path) -> None:
    """Write a little and remove it: permissions alone don't show full and read-only disks."""
    path = folder / f".probe-{secrets.token_hex(4)}"
    try:
        _create(path, bytes(4096))
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _write_gitignore(path: Path) -> None:
    """Add journal and inputs to `.gitignore`; the owner's own lines stay, and a link is not followed."""
    try:
        refuse_symlink(path)
        written = read_regular(path, _MAX_IGNORED).decode("utf-8", "replace")
    except FileNotFoundError:
        written = ""
    except OSError:
        return
    lacking = [line for line in _IGNORED if line not in written.splitlines()]
    if lacking:
        start = "\n" if written and not written.endswith("\n") else ""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, PRIVATE_FILE)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="\n") as file:
            file.write(start + "".join(f"{line}\n" for line in lacking))


_PIECE_BYTES = 1 << 20


class TooBig(Exception):
    """More was written than fits."""


class Draft:
    """A file being written under a temporary name; it is removed unless it is kept.

    It has only `write`, so that no library writes around it, unless through `fill`; and it reports a full disk as
    such.
    """

    def __init__(self, folder: Path, max_bytes: int | None = None) -> None:
        """Write into `folder`, at most `max_bytes` bytes."""
        self._folder, self._max = folder, max_bytes
        self._path = folder / f".{secrets.token_hex(8)}.part"
        self._file: BinaryIO
        self._hash, self._size_bytes = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        """Create the file, for its owner only."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with self._disk_errors():
            make_inner(self._folder)
            self._file = os.fdopen(os.open(self._path, flags, PRIVATE_FILE), "w+b")
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the file unless it was kept."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of it; raises TooBig beyond the limit, SettingsError if the disk is full."""
        self._size_bytes += len(data)
        if self._max is not None and self._size_bytes > self._max:
            raise TooBig
        self._hash.update(data)
        with self._disk_errors():
            return self._file.write(data)

    def fill(self, save: Callable[[BinaryIO], object], *, end: bytes) -> None:
        """Let a library write the whole file: with a real file, Pillow blocks no other thread.

        Args:
            save: writes to the file that it is given.
            end: the last bytes of such a file. Pillow does not notice if a full disk cuts its last piece short.

        Raises:
            TooBig: it is larger than the limit.
            SettingsError: the disk is full.
        """
        with self._disk_errors():
            save(self._file)
            self._file.seek(0)
            last = b""
            while piece := self._file.read(_PIECE_BYTES):
                self._hash.update(piece)
                self._size_bytes += len(piece)
                last = (last + piece)[-len(end) :]
            if last != end:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._max is not None and self._size_bytes > self._max:
            raise TooBig

    @property
    def sha256(self) -> str:
        """The hash of what has been written."""
        return self._hash.hexdigest()

    def keep(self, media_type: str, note: str | None) -> Input:
        """Name the file after its content and return it, ready to be sent."""
        sha256 = self._hash.hexdigest()
        path = self._folder / f"{sha256}.{INPUT_EXTENSIONS[media_type]}"
        with self._disk_errors():
            self._file.close()
            try:
                self._path.replace(path)
            except PermissionError:  # on Windows, while another job sends this very picture
                if not path.exists():
                    raise
        return Input(path=path, media_type=media_type, sha256=sha256, size_bytes=self._size_bytes, note=note)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno is None:  # not from the disk: a library's own
                raise
            raise unwritable(self._folder, error) from error
