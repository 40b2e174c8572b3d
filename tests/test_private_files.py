"""Files: for their owner alone, inside their folder, and from the network only what a picture of the service can be."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.errors import ApiError, DownloadError, ReplyError, SettingsError
from seedream_nb.keys import Key
from tests.faults.script import POST, Links, Reply
from tests.pictures import bomb, chunk, encoded, gradient, noise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

KEY = "sk_Zq7XvTgWpLmRkYbN"
HAS_MODES = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server."""
    return new_session(KEY)


@pytest.fixture(params=[0o022, 0o000], ids=["usual", "generous"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let new files be as open as most systems have it, or as open as can be."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def links_to(server: FaultServer, *links: str) -> None:
    """Let the service answer with these links."""
    server.on(POST, Reply(body=json.dumps({"images": links}).encode()))


def use_all_of_it(session: Session, server: FaultServer, folder: Path) -> None:
    """Do what leaves files behind: references, a series, refusals, nonsense, a picture that comes later, copies."""
    gradient().save(folder / "large.png")
    first = session.start("a fox", images=["large.png", noise(64, 64)], max_images=2).result()
    first.edit("a bear")
    session.start("a fox", once=True, save=folder / "copies").result()
    server.on(POST, Reply(status=401))
    with pytest.raises(ApiError):
        session.start("a cat").result()
    server.on(POST, Reply(body=b"nonsense " * 10_000))
    with pytest.raises(ReplyError):
        session.start("a dog").result()
    links_to(server, server.picture(64, 64, Reply(status=404)))
    with pytest.raises(DownloadError):
        session.start("an owl").result()
    links_to(server, server.on("/page.jpg", Reply(body=b"<html>")))
    with pytest.raises(DownloadError):
        session.start("a crow").result()
    session.recover()


def modes(folder: Path) -> dict[str, int]:
    """Return the permission bits of a folder and of all in it, by name."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


@pytest.mark.slow
@HAS_MODES
@pytest.mark.usefixtures("umask")
def test_all_in_home_is_for_its_owner_alone(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """After all that leaves files behind, every file in `home` has mode 0600 and every folder 0700."""
    use_all_of_it(session, fault_server, tmp_path)
    home = tmp_path / "seedream"
    found = modes(home)
    assert {name.split("/")[0] for name in found} > {"journal", "inputs", ".gitignore"}
    assert len([name for name in found if name.endswith(".txt")]) == 1
    expected = {name: 0o700 if (home / name).is_dir() else 0o600 for name in found}
    assert {name: oct(mode) for name, mode in found.items() if mode != expected[name]} == {}


@HAS_MODES
@pytest.mark.usefixtures("umask")
def test_folders_made_above_home_are_private_too(session: Session, tmp_path: Path) -> None:
    """A `home` below folders that are not there yet opens none of them to others."""
    session.settings.change(home=tmp_path / "new" / "below" / "home")
    session.start("a fox").result()
    made = [tmp_path / "new", tmp_path / "new" / "below", tmp_path / "new" / "below" / "home"]
    assert [oct(stat.S_IMODE(folder.stat().st_mode)) for folder in made] == ["0o700"] * 3


def test_home_keeps_itself_out_of_commits(session: Session, tmp_path: Path) -> None:
    """The folder has a `.gitignore` that names the journal and the references that were sent."""
    session.start("a fox").result()
    assert (tmp_path / "seedream" / ".gitignore").read_text().split() == ["/journal/", "/inputs/"]


@HAS_MODES
def test_copies_are_files_like_any_other(session: Session, tmp_path: Path) -> None:
    """What `save` copies is as open as the user's other files."""
    session.start("a fox", save=tmp_path / "copies").result()
    (tmp_path / "another").touch()
    (copy,) = (tmp_path / "copies").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == stat.S_IMODE((tmp_path / "another").stat().st_mode)


@HAS_MODES
@pytest.mark.usefixtures("umask")
def test_a_login_is_in_a_private_folder(session: Session) -> None:
    """The login's folder is the user's alone, and a file that was open to all is closed by the next login."""
    assert session.login.path is not None
    session.login.path.parent.mkdir(parents=True, mode=0o700)
    session.login.path.write_text("{}")
    session.login.path.chmod(0o666)
    session.login.store("api.novita.ai", Key(KEY, source="a test"))
    assert stat.S_IMODE(session.login.path.stat().st_mode) == 0o600
    session.login.path.unlink()
    session.login.path.parent.rmdir()
    session.login.store("api.novita.ai", Key(KEY, source="a test"))
    assert modes(session.login.path.parent) == {".": 0o700, "login.json": 0o600}


# -- names that others wrote ------------------------------------------------------------------------

NAMES = [
    "../../../etc/passwd", "..", ".", "/", "\\\\server\\share", "C:\\CON", "con", "NUL.txt", "aux", "com1", ".hidden",
    "-rf", "~root", "$HOME", "`id`", "a\0b", "a\nb", "a\x1b[2Jb", "\u202egnp.exe", "a/b/../../c", "x" * 5000,
    "日本" * 400, "e\u0301" * 300, "trailing. ", " ", "😀", "\ufeff", "a:b", 'q"uo|te?*<>', "%2e%2e%2f",
    "\u2024\u2024/\u2215",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.slow
def test_no_prompt_leads_out_of_home(session: Session, fault_server: FaultServer, tmp_path: Path, name: str) -> None:
    """Whatever the prompt and the link's name are, one picture comes, in `home`, with a name that any system takes."""
    link = fault_server.picture(64, 64, name="x.jpg")
    links_to(fault_server, f"{link}?name={name.encode().hex()}/../../../x.png")
    before = set(tmp_path.rglob("*"))
    picture = session.start(f"{name}x").result()[0]
    new = set(tmp_path.rglob("*")) - before
    assert picture.path.parent == tmp_path / "seedream"
    assert {path.suffix for path in new if path.is_file()} == {"", ".jpg", ".jsonl"}
    assert picture.path.name.startswith("0001-1-")
    assert len(os.fsencode(picture.path.name)) < 255
    assert not set(picture.path.name) & set('/\\:*?"<>|\0\n\x1b\u202e')


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.slow
def test_copies_stay_in_the_folder_that_was_named(session: Session, tmp_path: Path, name: str) -> None:
    """A folder to save to is taken as it is written, or refused before anything is sent; a copy never leaves it."""
    inside = tmp_path / "copies"
    inside.mkdir()
    picture = session.start(f"{name}x").result()[0]
    copy = picture.save(f"{inside}{os.sep}")
    assert copy.resolve().parent == inside.resolve()
    with contextlib.suppress(SettingsError):
        session.start("y", save=f"{inside}/a/{name.replace('..', '').lstrip('/')}").result()
    assert {path.name for path in tmp_path.iterdir()} == {"copies", "seedream"}


# -- what the network gives -------------------------------------------------------------------------


def webp_of(width: int, height: int) -> bytes:
    """Return an animation of two small frames that says it is so large."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    content = bytearray(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    place = content.index(b"VP8X") + 12
    content[place : place + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(content)


def with_profile(size_bytes: int) -> bytes:
    """Return a PNG whose colour profile and comment unpack to so many bytes each."""
    packed = zlib.compress(bytes(size_bytes), 9)
    content = encoded(gradient(), "PNG")
    told = chunk(b"iCCP", b"x\0\0" + packed) + chunk(b"zTXt", b"Comment\0\0" + packed)
    return content[:33] + told + content[33:]


def huge_jpeg() -> bytes:
    """Return a JPEG whose header says 65500 by 65500 pixels."""
    content = bytearray(encoded(gradient(), "JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = (65500).to_bytes(2, "big") * 2
    return bytes(content)


def flat_png(width: int, height: int, mode: str = "L") -> bytes:
    """Return a whole PNG of one colour: a few kB that unpack to all those pixels."""
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/etc/passwd) (r) file\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


def others() -> dict[str, bytes]:
    """Return what no link of the service should give, by name."""
    picture = gradient()
    written = {form: encoded(picture, form) for form in ("GIF", "TIFF", "BMP", "ICO", "PPM", "TGA", "PCX", "JPEG2000")}
    return {
        **written,
        "EPS": POSTSCRIPT,
        "PSD": b"8BPS\0\x01" + bytes(6) + b"\0\x03\0\0\0\x40\0\0\0\x40\0\x08\0\x03" + bytes(100_000),
        "SVG": SVG,
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "PDF": b"%PDF-1.7\n1 0 obj",
        "a zip": b"PK\x03\x04" + bytes(100),
        "a GIF that begins as a JPEG": b"\xff\xd8\xff" + written["GIF"],
        "an EPS with a PNG's name": b"\x89PNG\r\n\x1a\n" + POSTSCRIPT,
        "a film": b"\0\0\0\x18ftypmp42" + bytes(100),
        "terminal": b"\x1b[2J\x1b]0;owned\x07 hello",
        "nothing": b"",
    }


def bombs() -> dict[str, bytes]:
    """Return what would fill the memory of who opens it carelessly, by name."""
    return {
        "60000x60000 PNG": bomb(60_000, 60_000),
        "65500x65500 JPEG": huge_jpeg(),
        "16383x16383 animation": webp_of(16_383, 16_383),
        "60000x1100 PNG": flat_png(60_000, 1_100),
        "too many bytes": b"\xff\xd8\xff" + bytes(64_000_001),
    }


OTHERS = others()


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_no_other_format_becomes_a_picture(
    session: Session, fault_server: FaultServer, tmp_path: Path, name: str
) -> None:
    """What is no JPEG, PNG or WebP is refused, whatever it is called; the reason is a line of plain text."""
    headers = {"Content-Type": "image/png"}
    links_to(fault_server, fault_server.on("/picture.png", Reply(body=OTHERS[name], headers=headers)))
    with pytest.raises(DownloadError) as caught:
        session.start("a fox").result()
    assert [line for line in caught.value.lines() if not line.isprintable()] == []
    assert [path for path in (tmp_path / "seedream").iterdir() if path.is_file()] == [tmp_path / "seedream/.gitignore"]
    assert not [path for path in (tmp_path / "seedream/journal").rglob("*.part") if path.suffix != ".part"]


@pytest.mark.parametrize(("form", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_a_picture_is_named_by_its_content(session: Session, fault_server: FaultServer, form: str, suffix: str) -> None:
    """A JPEG that is called .html, and served as one, is a JPEG, and so named."""
    content = encoded(gradient(), form)
    reply = Reply(body=content, headers={"Content-Type": "text/html", "Content-Disposition": 'filename="../x.html"'})
    links_to(fault_server, fault_server.on("/picture.html", reply))
    picture = session.start("a fox").result()[0]
    assert picture.path.suffix == suffix
    assert picture.to_bytes() == content


FETCH = """
import json, sys
from pathlib import Path
from seedream_nb.errors import SeedreamError
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.view import bundle

def most():
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])

settings = Settings(environ={}, folder=Path.cwd())
settings.change(base_url=sys.argv[1], api_key="sk_test", price=0)
session, told = Session(settings=settings, bundle=bundle, lingers=False), {}
session.bundle(session.start("first").result())
before = most()
for name in json.loads(sys.argv[2]):
    try:
        session.bundle(session.start(name).result())
        why = ""
    except SeedreamError as error:
        why = str(error)
    told[name] = [why, most() - before]
session.close()
print(json.dumps(told))
"""


def fetched(server: FaultServer, files: dict[str, bytes]) -> dict[str, tuple[str, int]]:
    """Fetch and show each file in a process of its own; return the error, or nothing, and how many kB it grew."""
    links = [server.on(f"/{number}", Reply(body=content)) for number, content in enumerate(files.values())]
    in_order = [server.picture(2048, 2048), *links]
    server.on(POST, *(Reply(body=json.dumps({"images": [link]}).encode()) for link in in_order))
    command = [sys.executable, "-c", FETCH, server.url, json.dumps(list(files))]
    root = Path(__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    return {name: (why, grown) for name, (why, grown) in json.loads(ran.stdout).items()}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory that was used is read there")
@pytest.mark.slow
def test_no_file_fills_the_memory(fault_server: FaultServer) -> None:
    """What is too large, in pixels or bytes, packed or not, is refused with less than 100 MB of memory."""
    found = fetched(fault_server, bombs())
    assert {name: why for name, (why, _) in found.items() if "are paid for" not in why} == {}
    assert {name: grown for name, (_, grown) in found.items() if grown > 100_000} == {}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory that was used is read there")
@pytest.mark.slow
def test_a_profile_that_would_fill_the_memory_is_passed_over(fault_server: FaultServer) -> None:
    """The picture is whole and paid for: it is kept and shown, with less than 100 MB of memory."""
    ((why, grown),) = fetched(fault_server, {"a profile of 200 MB": with_profile(200_000_000)}).values()
    assert why == ""
    assert grown < 100_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory that was used is read there")
@pytest.mark.slow
def test_no_picture_that_the_service_can_not_make_is_unpacked(fault_server: FaultServer) -> None:
    """More pixels than 4096 by 4096, by a good margin, and animations are refused as well, with as little memory."""
    larger = {
        "8000x8000 PNG": flat_png(8_000, 8_000, "RGB"),
        "8000x8000 animation": webp_of(8_000, 8_000),
        "4096x4096 animation": webp_of(4_096, 4_096),
    }
    found = fetched(fault_server, larger)
    assert {name: grown for name, (why, grown) in found.items() if not why or grown > 100_000} == {}


def test_a_series_of_odd_files_keeps_the_good_ones(session: Session, fault_server: FaultServer) -> None:
    """Of a series in which some links give something else, the pictures come, and each other has its reason."""
    odd = [fault_server.on(f"/{name}", Reply(body=OTHERS[name])) for name in ("GIF", "SVG", "EPS")]
    links_to(fault_server, odd[0], fault_server.picture(64, 64), odd[1], odd[2])
    with pytest.raises(DownloadError):
        session.start("a fox", max_images=4).result()
    made = session.history[1]
    assert [picture.mark for picture in made] == ["@1.2"]
    assert {index: "sent" in why for index, why in made.missing.items()} == {1: True, 3: True, 4: True}
    fault_server.on(POST, Links())
