"""Keeps what is typed into panels in the `home`, so that it outlives the kernel: a file for each panel.

A panel begins with what was written last for its notebook. What somebody else's folder holds is text: only with a
signature of this user's own do the expressions of a prompt stay expressions, and paths are followed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import threading
import time
import weakref
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.background import at_exit
from seedream_nb.errors import Problem, SeedreamError, plain, shorten
from seedream_nb.files import is_regular_file, read_regular, refuse_symlink
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.prompt import literal
from seedream_nb.references.written import check_url, is_private_url
from seedream_nb.request import Reference
from seedream_nb.settings import user_folder
from seedream_nb.storage.store import make_inner, write_private
from seedream_nb.widgets.protocol import Draft, Message
from seedream_nb.widgets.tray import UPLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seedream_nb.session import Session
    from seedream_nb.storage.store import Store

VERSION = 1
SAVE_SECONDS = 0.5
"""How long after a change it is written."""
MAX_BYTES = 1_000_000
MAX_FILES = 8
"""Of one notebook: the oldest goes."""
MAX_ALL_FILES = 400
MAX_PICTURE_BYTES = 100_000_000
PICTURE_SECONDS = 86_400.0
"""How long a picture stays that no draft names any more: it may be undone."""
_SHOWN = 60
_MAX_REFERENCES = 20
_MARK = lazy_pattern(r"@[1-9][0-9]{0,8}\.[0-9]{1,2}")
_PICTURE = lazy_pattern(r"([0-9a-f]{64})\.picture")
_FILE = lazy_pattern(r"[0-9a-f]{16}-[0-9a-f]{16}\.json")
_RANDOM = lazy_pattern(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SECRET_BYTES = 32
_GONE = "{name}: this reference image is gone, so it was left out."


@frozen
class Filled:
    """What is in form and tray."""

    draft: Draft
    references: tuple[Reference, ...] = ()
    changed: str = ""
    """The mark of the picture that is to be changed, while the form is for that."""


@frozen
class Kept:
    """What was kept of a notebook's panels."""

    now: Filled
    before: Filled | None = None
    """What the way back leads to."""
    is_other: bool = False
    """Whether `before` is what another panel of this notebook holds."""
    told: tuple[str, ...] = ()
    """What could not be brought back."""


class Drafts:
    """The drafts of a session's notebook, of which one panel's is written. Thread-safe."""

    def __init__(self, session: Session, *, config: Path | None = None) -> None:
        """Keep them in the session's `home`; `config` is the user's own folder, for the key of signatures."""
        self._session = session
        self._config = config or user_folder("config", os.environ)
        self._token, self._process = secrets.token_hex(8), os.getpid()
        self._lock, self._writing = threading.RLock(), threading.Lock()
        self._source: Callable[[], tuple[Filled, Filled | None]] | None = None
        self._timer: threading.Timer | None = None
        self._typed_for: Store | None = None
        """Whose draft waits to be written: the session may have another home by then."""
        self._written_for: Store | None = None
        self._continues: dict[str, str] = {}
        """What was taken over from other files: their names, each with a hash of its content."""
        self.change: Callable[[], None] = lambda: None
        """Called when `trouble` is another."""
        self.trouble = ""
        """Why what is typed is not kept, if it is not."""
        _all.add(self)

    @property
    def key(self) -> str:
        """The same for all panels of this notebook; where no host tells a name, for all of this folder."""
        name = self._session.notebook() or ""
        told = "" if _RANDOM.search(name) else name  # which is another the next day
        return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:16]

    def keep(self, source: Callable[[], tuple[Filled, Filled | None]]) -> None:
        """Write soon what `source` returns then: what is filled in, and what the way back leads to."""
        if os.getpid() != self._process:  # a forked child has no panel, and its locks may be held for ever
            return
        with self._lock:
            self._source, self._typed_for = source, self._session.store
            if self._timer is None:
                self._timer = threading.Timer(SAVE_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write now what has not been written yet."""
        if os.getpid() != self._process:
            return
        with self._lock:
            source, self._source = self._source, None
            store = self._typed_for
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if source is None:
            return
        with self._writing:
            self._written_for = store
            try:
                self._write(*source())
                trouble = ""
            except (OSError, SeedreamError) as error:
                why = plain(error.message if isinstance(error, SeedreamError) else error.strerror or str(error))
                trouble = f"What you type here is not kept: {why}"
            finally:
                self._written_for = None
        if trouble != self.trouble:
            self.trouble = trouble
            self.change()

    # -- reading -----------------------------------------------------------------------------------

    def load(self) -> Kept | None:
        """Return what was written last for this notebook, if anything; nothing in it is an error."""
        _flush_all()
        with self._writing:
            found = self._found()
        if not found:
            return None
        newest, *others = found
        told = list[str]()
        now = self._filled(newest.values.get("now"), newest, told)
        if now is None:
            return None
        self._continues = {**newest.continues, newest.name: newest.digest}
        before = self._filled(newest.values.get("before"), newest, [])
        other = next((filled for each in others if (filled := self._filled(each.values.get("now"), each, []))), None)
        is_other = other is not None and other.draft["prompt"].strip() not in {"", now.draft["prompt"].strip()}
        if is_other:
            return Kept(now=now, before=other, is_other=True, told=tuple(told))
        return Kept(now=now, before=before, told=tuple(told))

    def _found(self) -> list[_File]:
        """Return the files of this notebook that no other continues, newest first."""
        prefix, found = f"{self.key}-", list[_File]()
        with contextlib.suppress(OSError, SeedreamError):
            refuse_symlink(self._journal)
            refuse_symlink(self._folder)
            names = sorted(name for name in os.listdir(self._folder) if name.startswith(prefix))  # noqa: PTH208 - only names
            found = [each for name in names[:MAX_ALL_FILES] if _FILE.fullmatch(name) and (each := self._read(name))]
        found.sort(key=lambda each: (each.is_own, each.written), reverse=True)
        continued = {item for each in found for item in each.continues.items()}
        return [each for each in found if (each.name, each.digest) not in continued]

    def _read(self, name: str) -> _File | None:
        path = self._folder / name
        try:
            refuse_symlink(path)
            content = read_regular(path, MAX_BYTES)
            values = json.loads(content)
            if values["seedream_draft"] != VERSION:  # of a later version: it is left as it is
                return None
            continues = values.get("continues")
            signature = values.pop("signature", None)
            return _File(
                name=name,
                digest=hashlib.sha256(content).hexdigest(),
                written=min(float(values["written"]), time.time()),
                is_own=isinstance(signature, str) and hmac.compare_digest(signature, self._signature(values)),
                continues={str(key): str(value) for key, value in continues.items()} if continues else {},
                values=values,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _filled(self, value: object, file: _File, told: list[str]) -> Filled | None:
        """Return what was filled in, as far as it is valid and its references are there."""
        if not isinstance(value, dict):
            return None
        try:
            draft = Message(value).draft("form")
        except SeedreamError:
            return None
        if not file.is_own:
            draft["prompt"] = literal(draft["prompt"])
        records = value.get("references")
        references = list[Reference]()
        for record in records[:_MAX_REFERENCES] if isinstance(records, list) else ():
            try:
                references.append(self._reference(record, is_own=file.is_own))
            except (OSError, ValueError, KeyError, TypeError, LookupError, SeedreamError, Problem):
                name = record.get("name") if isinstance(record, dict) else None
                told.append(_GONE.format(name=shorten(plain(str(name or "A picture")), _SHOWN)))
        changed = str(value.get("changed") or "")
        return Filled(draft=draft, references=tuple(references), changed=changed if _MARK.fullmatch(changed) else "")

    def _reference(self, record: Mapping[str, Any], *, is_own: bool) -> Reference:
        """Return a reference that was kept; raises one of many errors if it is gone or not valid."""
        home, name = self._store.home, str(record["name"])[:200]
        if "url" in record:
            if is_private_url(url := check_url(name, str(record["url"]))):
                raise ValueError("it would be fetched from here")
            return Reference(name=name, url=url)
        if "file" in record:
            reference = Reference.from_record(record, home)
            refuse_symlink(self._store.inputs)
            if not isinstance(reference.source, Path) or not is_regular_file(reference.source):
                raise ValueError("it is gone")
            return reference
        if "mark" in record and _MARK.fullmatch(str(record["mark"])):
            return self._composed(str(record["mark"]))
        if "picture" in record:
            match = _PICTURE.fullmatch(str(record["picture"]))
            path = self._pictures / str(record["picture"])
            refuse_symlink(path)
            reference = replace(self._composed(path), name=name)
            if match is None or reference.sha256 != match[1]:
                raise ValueError("it is another picture")
            return reference
        if not is_own:
            raise ValueError("a path of somebody else's draft")
        return replace(self._composed(Path(str(record["path"]))), name=name)

    def _composed(self, written: object) -> Reference:
        (reference,) = self._session.compose("-", images=[written], defaults=False).images
        return reference

    # -- writing -----------------------------------------------------------------------------------

    def _write(self, now: Filled, before: Filled | None) -> None:
        texts = [str(text) for each in (now, before) if each for text in (*each.draft.values(), each.changed)]
        images = [image for each in (now, before) if each for image in each.references]
        texts += [str(text) for image in images for text in (image.name, image.url or "", _path_of(image))]
        if self._session.holds_key("\n".join(texts)):
            raise SeedreamError("it contains your key.")
        self._store.open()
        make_inner(self._folder)
        values: dict[str, Any] = {
            "seedream_draft": VERSION,
            "written": time.time(),
            "continues": self._continues,
            "now": self._record(now),
            "before": None if before is None else self._record(before),
        }
        content = json.dumps({**values, "signature": self._signature(values)}).encode()
        if len(content) > MAX_BYTES:
            raise SeedreamError(f"it has more than {MAX_BYTES // 1_000_000} MB.")
        write_private(self._folder / f"{self.key}-{self._token}.json", content)
        self._tidy()

    def _record(self, filled: Filled) -> dict[str, Any]:
        references = [self._record_of(each) for each in filled.references]
        return {"form": filled.draft, "references": references, "changed": filled.changed}

    def _record_of(self, reference: Reference) -> dict[str, Any]:
        """Return how a reference is kept: by its URL, mark, file or path, and where it has none, by its content."""
        store, source = self._store, reference.source
        if reference.url is not None:
            return reference.to_record()
        if isinstance(source, Path):
            if source.parent == store.inputs:
                return reference.to_record(store.relative(source))
            if source.parent == self._pictures:
                return {"name": reference.name, "picture": source.name}
            if source.parent == store.home and _MARK.fullmatch(reference.name):
                return {"name": reference.name, "mark": reference.name}
            if not _goes_with_the_process(source):
                return {"name": reference.name, "path": str(source)}
        return {"name": reference.name, "picture": self._picture(reference)}

    def _picture(self, reference: Reference) -> str:
        """Keep the content of a reference; return the name of its file."""
        source = reference.source
        if isinstance(source, Path):
            content = read_regular(source, MAX_PICTURE_BYTES)
        elif isinstance(source, bytes):
            content = source
        elif source is not None:
            file = BytesIO()
            source.save(file, "PNG")
            content = file.getvalue()
        else:
            raise SeedreamError(f"{reference.name} has no content.")
        name = f"{hashlib.sha256(content).hexdigest()}.picture"
        if not is_regular_file(self._pictures / name):
            make_inner(self._pictures)
            write_private(self._pictures / name, content)
        return name

    def _tidy(self) -> None:
        """Remove the oldest files of this notebook, and of all, beyond what is kept, and pictures that none names."""
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(self._folder) if _FILE.fullmatch(name)]  # noqa: PTH208 - only names
            files = sorted((self._folder / name for name in names), key=_changed, reverse=True)
            own = [path for path in files if path.name.startswith(self.key)]
            for path in {*own[MAX_FILES:], *files[MAX_ALL_FILES:]}:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            old = [path for path in self._pictures.iterdir() if _changed(path) < time.time() - PICTURE_SECONDS]
            named = b"".join(self._contents()) if old else b""
            for path in old:
                if path.name.encode() not in named:
                    path.unlink(missing_ok=True)

    def _contents(self) -> Iterator[bytes]:
        for path in self._folder.glob("*.json"):
            yield read_regular(path, MAX_BYTES)

    # -- where -------------------------------------------------------------------------------------

    @property
    def _store(self) -> Store:
        return self._written_for or self._session.store

    @property
    def _journal(self) -> Path:
        return self._store.journal

    @property
    def _folder(self) -> Path:
        return self._journal / "drafts"

    @property
    def _pictures(self) -> Path:
        return self._folder / "pictures"

    def _signature(self, values: Mapping[str, Any]) -> str:
        """Return the signature of a draft with this user's own key; without one it is another each time."""
        content = json.dumps(values, sort_keys=True).encode()
        return hmac.new(self._secret(), content, "sha256").hexdigest()

    def _secret(self) -> bytes:
        if self._config is None:
            return secrets.token_bytes(_SECRET_BYTES)
        path = self._config / "drafts.key"
        with contextlib.suppress(OSError):
            found = read_regular(path, 100)
            if len(found) == _SECRET_BYTES:
                return found
        made = secrets.token_bytes(_SECRET_BYTES)
        with contextlib.suppress(OSError):
            write_private(path, made)
        return made


@frozen
class _File:
    """A file that was read."""

    name: str
    digest: str
    written: float
    is_own: bool
    continues: Mapping[str, str]
    values: Mapping[str, Any]


def _path_of(reference: Reference) -> object:
    return reference.source if isinstance(reference.source, Path) else ""


def _goes_with_the_process(path: Path) -> bool:
    """Return whether a file was handed over by the page, and is removed at the process's end."""
    return path.parent.name.startswith(UPLOADS) and path.parent.parent == Path(tempfile.gettempdir())


_all: weakref.WeakSet[Drafts] = weakref.WeakSet()


def _flush_all() -> None:
    for drafts in list(_all):
        drafts.flush()


at_exit(_flush_all)


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
