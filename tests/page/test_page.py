"""The panel's modules hold their types, and their pure functions do what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from seedream_nb.widgets.piece import PARTS, SHARED, module, static
from tests.page import tools

MODULES = ("form.js", "tray.js", "queue.js", "gallery.js")
FILES = (*MODULES, *SHARED, *chain.from_iterable(PARTS.values()))
MAX_LINES = 300
STRICT = {
    "allowJs": True, "checkJs": True, "noEmit": True, "strict": True, "target": "es2023",
    "lib": ["es2023", "dom", "dom.iterable"], "module": "esnext", "moduleResolution": "bundler", "types": [],
}  # fmt: skip


@pytest.fixture
def node() -> str:
    """Find node; without it, fail on a machine that is there for tests (CI), and skip elsewhere."""
    if not tools.is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(tools.ABSENT)
    return str(shutil.which("node"))


def run(command: list[str], folder: Path) -> str:
    """Return what a command prints; it must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_modules_hold_their_types(node: str, tmp_path: Path) -> None:
    """Each as the page gets it, with what all share before it, checked as strictly as TypeScript can."""
    for name in MODULES:
        (tmp_path / name).write_text(module(name), "utf-8")
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "files": MODULES}), "utf-8")
    run([node, str(tools.compiler()), "--project", "."], tmp_path)


@pytest.mark.slow
def test_the_pure_functions_do_what_they_say(node: str, tmp_path: Path) -> None:
    """In node's own test runner."""
    tests = sorted(Path(__file__).parent.glob("*.test.mjs"))
    for each in tests:
        name = each.name.removesuffix(".test.mjs")
        text = module(f"{name}.js") if f"{name}.js" in MODULES else static(f"{name}.js")
        (tmp_path / f"{name}.mjs").write_text(text, "utf-8")
        shutil.copy(each, tmp_path)
    assert "# fail 0" in run([node, "--test", "--test-reporter=tap", *(each.name for each in tests)], tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_module_is_short_enough_to_read(name: str) -> None:
    """No bundler stands between a checkout and a running panel, so what is written is what is read."""
    assert len(static(name).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("name", [*FILES, "panel.css"])
def test_nothing_is_fetched_from_anywhere(name: str) -> None:
    """No address stands in what the page gets, but for the name of SVG."""
    text = static(name).replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text
    assert "https://" not in text
    assert "innerHTML" not in text
