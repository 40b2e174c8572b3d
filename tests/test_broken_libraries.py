"""A library that is broken, exchanged or in disguise is told before anything is paid; then nothing is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import seedream_nb
from tests.faults import POST, Cut, Links, Reply
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from tests.faults import FaultServer

pytestmark = pytest.mark.slow

ROOT = Path(seedream_nb.__file__).parents[1]

START = """
import sys
import seedream_nb as sd

def ask(prompt="a fox", **options):
    try:
        return sd.generate(prompt, **options).status
    except sd.SeedreamError as error:
        return f"{type(error).__name__}: {error}"
"""


def run(server: FaultServer, folder: Path, code: str, *, before: str = "") -> str:
    """Run a script in a process of its own, which finds modules in the folder as a kernel does; return what it says."""
    command = [sys.executable, "-W", "ignore", "-c", before + START + code]
    settings = {"SEEDREAM_BASE_URL": server.url, "NOVITA_API_KEY": "sk_test"}
    env = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100, env=env)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("PIL.py", ""),
        ("PIL/__init__.py", ""),
        ("httpx.py", ""),
        ("httpx.py", "1/0"),
        ("anyio.py", ""),
        ("h11.py", ""),
        ("secrets.py", ""),
        ("ssl.py", ""),
        ("random.py", "def uniform(a, b): return a"),
        ("stringprep.py", ""),
    ],
)
def test_a_file_in_the_way_is_named(fault_server: FaultServer, tmp_path: Path, name: str, content: str) -> None:
    """A file of the notebook's folder that is taken for a library: nothing is sent, and the message names it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    # As in a kernel, whose own start has imported much before the folder counts.
    first = "import sys; sys.path.remove(''); import asyncio, concurrent.futures; sys.path.insert(0, '');"
    if name in {"ssl.py", "secrets.py", "random.py"}:
        first += f"sys.modules.pop({name[:-3]!r}, None);"
    said = run(fault_server, tmp_path, "print(ask())", before=first)
    assert said.startswith("SettingsError: ")
    assert str(tmp_path / name) in said
    assert "Rename" in said
    assert fault_server.posts == []


def test_a_pillow_that_was_exchanged_is_told(fault_server: FaultServer, tmp_path: Path) -> None:
    """Its compiled part is of another version than the rest: nothing is sent, and the remedy is a restart."""
    code = """
import PIL
PIL.__version__ = "9.9.9"
print(ask())
PIL.__version__ = __import__("importlib.metadata").metadata.version("pillow")
sys.modules.pop("PIL.Image", None)
print(ask())
"""
    said = run(fault_server, tmp_path, code)
    assert said.startswith("SettingsError: The library pillow can't be used: ")
    assert "built for another version" in said
    assert "Nothing was sent, nothing was billed. Restart the kernel" in said
    assert said.endswith("\ndone\n")
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("name", ["_imaging", "JpegImagePlugin", "PngImagePlugin", "ImageOps"])
def test_a_part_of_pillow_that_is_missing_is_told(fault_server: FaultServer, tmp_path: Path, name: str) -> None:
    """What a picture that was paid for would need is tried before anything is sent."""
    said = run(fault_server, tmp_path, "print(ask())", before=f"import sys; sys.modules['PIL.{name}'] = None;")
    assert said.startswith("SettingsError: The library pillow can't be used: ")
    assert fault_server.posts == []


def test_a_picture_is_not_blamed_for_a_broken_pillow(fault_server: FaultServer, tmp_path: Path) -> None:
    """With a reference image, too, it is told what is wrong with Pillow."""
    (tmp_path / "PIL.py").write_text("")
    (tmp_path / "photo.png").write_bytes(encoded(gradient(64, 64), "PNG"))
    said = run(fault_server, tmp_path, "print(ask(images=['photo.png']))\nprint(ask(images=[open('photo.png', 'rb')]))")
    assert said.count("PIL.py is imported instead of the library PIL, which requests need.") == 2
    assert "Save it" not in said


@pytest.mark.parametrize("name", ["ImageDraw", "ImageFont", "_imagingft"])
def test_a_result_needs_no_font(fault_server: FaultServer, tmp_path: Path, name: str) -> None:
    """Where Pillow can't load fonts, the result comes, and is shown whole, in one picture too."""
    code = """
result = sd.generate("a fox", max_images=2)
shown = result._repr_mimebundle_()
print(result.status, sorted(shown), shown["text/html"].count("<img"))
"""
    said = run(fault_server, tmp_path, code, before=f"import sys; sys.modules['PIL.{name}'] = None;")
    assert said == "done ['image/jpeg', 'text/html', 'text/plain'] 2\n"


def test_a_picture_that_can_not_be_shown_small_is_linked(fault_server: FaultServer, tmp_path: Path) -> None:
    """A library that breaks after all hides nothing: caption, path and link are there."""
    code = """
result = sd.generate("a fox")
from seedream_nb import preview
preview._preview.cache_clear()
sys.modules["PIL"] = sys.modules["PIL.Image"] = None
shown = result._repr_mimebundle_()
print(result.path if hasattr(result, "path") else result[0].path.name, sorted(shown), shown["text/html"])
"""
    said = run(fault_server, tmp_path, code)
    assert "['text/html', 'text/plain']" in said
    assert 'href="seedream/0001-1-a-fox.jpg"' in said


def test_a_sandbox_that_can_not_paint_is_told(fault_server: FaultServer, tmp_path: Path) -> None:
    """It draws: what it needs for that is tried too."""
    code = 'sd.configure(backend="sandbox"); print(ask())'
    said = run(fault_server, tmp_path, code, before="import sys; sys.modules['PIL.ImageFont'] = None;")
    assert said.startswith("SettingsError: The library pillow can't be used: ")


RECORDED = """
import importlib.abc, threading
from seedream_nb.jobs.job import Job

class Recorder(importlib.abc.MetaPathFinder):
    names = []
    sent = False
    def find_spec(self, name, path, target=None):
        if self.sent and name != "sniffio":  # httpcore looks for it each time, where it is not installed
            self.names.append(name)

sys.meta_path.insert(0, Recorder())
commit = Job.commit

def committed(job):
    Recorder.sent = True
    commit(job)

Job.commit = committed
"""


def test_nothing_is_imported_once_a_request_was_sent(fault_server: FaultServer, tmp_path: Path) -> None:
    """Whatever the service and the network do then: it was imported before."""
    (tmp_path / "photo.jpg").write_bytes(encoded(gradient(), "JPEG"))
    link = fault_server.picture(64, 64, Cut(when="headers"), Reply(body=b"no picture", send=4, then="reset"))
    local = fault_server.picture(64, 64).replace("127.0.0.1", "localhost")
    fault_server.on(
        POST,
        Links(),
        Reply(body=b'{"images": ["%s", "%s"]}' % (link.encode(), local.encode())),
        Reply(status=429, headers={"Retry-After": "0"}),
        Links(),
        Reply(status=400, body=b'{"code": 400, "reason": "INVALID", "message": "no"}'),
        Reply(body=b"<html>"),
        Cut(when="body"),
    )
    code = """
for number in range(6):
    said = ask(str(number), images=["photo.jpg"], max_images=2)
    print(said.partition(":")[0], Recorder.names)
    Recorder.names.clear()
    Recorder.sent = False
result = sd.history[1]
Recorder.sent = True
result._repr_mimebundle_()
print(Recorder.names)
"""
    said = run(fault_server, tmp_path, RECORDED + code).splitlines()
    assert [line.partition(" ")[2] for line in said[:-1]] == ["[]"] * 6, said
    assert said[-1] == "[]"
