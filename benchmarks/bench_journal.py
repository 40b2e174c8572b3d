"""What it costs to write down a request of four pictures, each line flushed to the disk before the next step."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Row, median_seconds
from seedream_nb.request import make_request
from seedream_nb.storage.journal import Journal
from seedream_nb.storage.store import Store

PICTURES = 4
REQUESTS = 51


def run() -> list[Row]:
    """Measure the journal's part of a request, its id included."""
    # Beside this file, for the temporary folder is often no disk at all.
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        store = Store(Path(folder))
        store.open()
        journal = Journal(store.journal)
        seconds = median_seconds(lambda: write_down(store, journal), times=REQUESTS)
        journal.close()
    return [Row(name=f"journal: a request of {PICTURES} pictures", value=1000 * seconds, unit="ms", bound=5)]


def write_down(store: Store, journal: Journal) -> None:
    """Write what the procedure writes: intent, links, files, end."""
    request = make_request("a fox in the snow at dawn, soft light", max_images=PICTURES)
    number = store.new_id()
    journal.append(
        "intent", number, template=request.prompt, request=request.to_record(), fingerprint=request.fingerprint,
        backend="novita", host="api.novita.ai", price=0.03, notebook=None, sources=[], warnings=[],
    )  # fmt: skip
    links = [f"https://pictures.example/{number}/{index}?{'s' * 300}" for index in range(1, PICTURES + 1)]
    journal.append("links", number, links=links, seconds=12.3)
    for index in range(1, PICTURES + 1):
        name = store.picture_name(number, index, request.prompt, "image/jpeg")
        journal.append(
            "file", number, index=index, path=name, width=2048, height=2048,
            media_type="image/jpeg", sha256="0" * 64, size_bytes=1_234_567,
        )  # fmt: skip
    journal.append("end", number, status="done", cost=0.12, seconds=15.6)
