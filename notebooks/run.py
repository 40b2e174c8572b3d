"""Runs a notebook from top to bottom as somebody without a key would: `python run.py NOTEBOOK FOLDER`.

The executed notebook and its pictures end up in FOLDER.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

PLACES = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
PICTURES = {".jpg", ".png", ".webp"}


def forget_keys(empty: Path) -> None:
    """Let neither the environment nor a stored login nor somebody's own Jupyter settings reach the notebook."""
    for name in [name for name in os.environ if name == "NOVITA_API_KEY" or name.startswith("SEEDREAM_")]:
        del os.environ[name]
    os.environ.update(dict.fromkeys(PLACES, str(empty)))


def execute(notebook: Path, folder: Path) -> Path:
    """Run every cell in `folder` and write the executed notebook there, with what came before an error too."""
    import nbformat
    from nbclient import NotebookClient

    document = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        document,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        # Else recent kernels warn that they talk over loopback, which is of no use to a reader.
        extra_arguments=["--log-level=ERROR"],
    )
    executed = folder / notebook.name
    try:
        client.execute()
    finally:
        nbformat.write(document, executed)
    return executed


def made_since(folder: Path, start: float) -> list[Path]:
    """Return the pictures directly in `folder` that are not older than `start` (seconds since the epoch)."""
    found = [path for path in folder.glob("*") if path.suffix in PICTURES]
    return sorted(path for path in found if path.stat().st_mtime >= start)


def main(notebook: Path, folder: Path) -> None:
    """Run the notebook, and say what it made and where that is."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.time()
    print(f"Running {notebook} ...", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        forget_keys(Path(empty))
        executed = execute(notebook, folder)
    home = folder / "seedream"
    pictures = made_since(home, start)
    print(f"\n{len(pictures)} picture{'' if len(pictures) == 1 else 's'} in {home.resolve()}")
    for picture in pictures:
        print(f"  {picture.name}")
    print(f"The executed notebook: {executed.resolve()}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
