"""Runs notebooks from top to bottom: one as somebody without a key would, or all of them to commit their outputs.

`python run.py NOTEBOOK FOLDER`: the executed notebook and its pictures end up in FOLDER.
`python run.py all`: every notebook beside this file gets the outputs of the sandbox.
`python run.py all FOLDER`: every notebook with your key, if there is one; the outcome ends up in FOLDER, and what is
there already is not asked for again.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PANEL = HERE.parent / ".github" / "panel.jpg"
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


def demonstrate(notebook: Path, folder: Path) -> None:
    """Run the notebook without a key, and say what it made and where that is."""
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


def regenerate(notebook: Path) -> None:
    """Give a notebook the outputs that it has in a clean folder without a key, if they are others than it has."""
    import nbformat
    from tidy import same_but_for_chance, tidy

    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        forget_keys(Path(empty))
        folder = Path(empty) / "notebooks"
        folder.mkdir()
        document = nbformat.read(execute(notebook, folder), as_version=4)
        tidy(document, folder)
    fresh = nbformat.writes(document) + "\n"
    changed = not same_but_for_chance(fresh, notebook.read_text("utf-8"))
    if changed:
        notebook.write_text(fresh, "utf-8", newline="\n")
    told = f"{len(fresh) / 1e3:.0f} kB" if changed else "as it was"
    print(f"{notebook.name}: {time.monotonic() - start:.0f} s, {told}", flush=True)


def run_all(folder: Path | None) -> None:
    """Run every notebook: for the outputs that are committed, or with a key into a folder that is kept."""
    if folder is None:
        shutil.copyfile(PANEL, HERE / PANEL.name)
    else:
        folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(HERE.glob("*.ipynb")):
        if folder is None:
            regenerate(notebook)
        else:
            print(execute(notebook, folder), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "all":
        run_all(Path(sys.argv[2]) if sys.argv[2:] else None)
    else:
        demonstrate(*map(Path, sys.argv[1:3]))
