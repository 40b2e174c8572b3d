"""The key, given in each way that there is: no part of it is on any surface but where its owner put it."""

from __future__ import annotations

import base64
import json
import os
import re
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from seedream_nb.errors import RequestError, SettingsError
from seedream_nb.keys import Key, Login
from seedream_nb.scope import NamesScope
from seedream_nb.service.endpoint import find_endpoint
from seedream_nb.settings import Settings
from tests.faults.script import POST, Cut, Links, Reply
from tests.faults.server import FaultServer
from tests.secret import FRAMES, KEY, WALK, Visit, alone, leaking_files, leaks_in
from tests.test_renderers import converted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.script import Script, Seen
    from tests.kernel import Ran

pytestmark = pytest.mark.kernel

WAYS = ("configure", "environment", "dotenv", "login", "colab")

PREPARE = """
import gc, sys, logging
started = []
sys.addaudithook(lambda event, told: started.append(event) if event in {
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"} else None)
logging.basicConfig(level=logging.DEBUG, filename="debug.log")
%xmode Verbose
%load_ext seedream_nb
import seedream_nb as sd
"""

ALL_OF_IT = """
session = sd._default_session()
settings, endpoint, login = session.settings, session.endpoint(), session.login
key = endpoint.key
job = sd.submit("a fox in the snow")
clients = [each for each in gc.get_objects() if type(each).__module__ == "seedream_nb.http.client"]
generation = job.result()
request = generation.request
"""

LOOK = """
for each in (session, settings, endpoint, login, key, clients, job, generation, request, sd.history, vars(sd)):
    look_into(each)
"""

VERBS = ("", "config", "usage", "doctor", "history", "help", "show @1", "recover", "code @1")

FAIL = """
try:
    sd.generate({prompt!r})
except BaseException as error:
    frames_of(error)
    look_into(error)
    look_into(session)
    raise ValueError("a cell that catches our error and fails for its own reason")
"""


def give(way: str, visit: Visit, work: Path) -> None:
    """Give the key in this way, but for the environment, which the kernel begins with."""
    if way == "configure":
        (work / "key.txt").write_text(KEY)
        visit.run("giving", 'sd.configure(api_key=open("key.txt").read())')
    elif way == "dotenv":
        (work / ".env").write_text(f"NOVITA_API_KEY='{KEY}'\n")
    elif way == "login":
        ran = visit.kernel.start("%seedream login", stdin=True)
        visit.kernel.client.get_stdin_msg(timeout=10)
        visit.kernel.client.input(KEY)
        visit.shown["giving"] = ran.wait()
    elif way == "colab":
        package = work / "google" / "colab"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "userdata.py").write_text("def get(name):\n    return open('secret-of-colab.txt').read()\n")
        (work / "secret-of-colab.txt").write_text(KEY)
        visit.run("giving", "import google.colab")


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Name a way to give the key."""
    return str(request.param)


@pytest.fixture(scope="module")
def visit(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Visit a notebook whose key was given in this way, and try all that shows something."""
    folder = tmp_path_factory.mktemp(way)
    given = {"NOVITA_API_KEY": KEY} if way == "environment" else {}
    with FaultServer() as server, alone(folder, {"SEEDREAM_BASE_URL": server.url, **given}) as kernel:
        visit = Visit(kernel=kernel, folder=folder)
        visit.run("preparing", PREPARE + WALK + FRAMES)
        give(way, visit, kernel.folder)
        assert visit.run("a cell", "%%seedream --out fox\na fox").error is None
        assert visit.run("all of it", ALL_OF_IT).error is None
        assert server.posts[-1].headers["authorization"] == f"Bearer {KEY}"
        assert visit.run("looking", LOOK).error is None
        visit.run("whos", "%whos")
        for verb in VERBS:
            visit.run(f"%seedream {verb}", f"%seedream {verb}")
        server.on(POST, Reply(status=401, body=b'{"reason": "UNAUTHORIZED", "message": "no"}'))
        visit.run("a cell that fails", "%%seedream\na fox")
        assert visit.run("an error within another", FAIL.format(prompt="a fox")).error is not None
        visit.run("a setting that is wrong", 'import os\nos.environ["SEEDREAM_BACKEND"] = "nonsense"')
        assert visit.run("an error on the way to the key", FAIL.format(prompt="a fox")).error is not None
        visit.run("variables", "print(started)")
        yield visit


def test_no_cell_shows_the_key(visit: Visit) -> None:
    """Neither reprs, variables, verbs nor tracebacks, verbose and one within another, show six characters of it."""
    assert visit.leaks() == {}


def test_the_cells_were_worth_looking_at(visit: Visit) -> None:
    """What was searched has in it what a person would look for: the session, its client, the frames of the client."""
    assert "key=<key>" in visit.told("looking")
    assert "Client(127.0.0.1)" in visit.told("looking")
    assert "run_pipeline" in visit.told("an error within another")
    assert "nonsense" in visit.told("an error on the way to the key")


def test_no_log_has_the_key(visit: Visit) -> None:
    """Logs of httpx, httpcore and asyncio at DEBUG tell of requests, and not of the key."""
    log = (visit.kernel.folder / "debug.log").read_text()
    assert "httpcore" in log
    assert leaks_in(log) == []


def test_no_file_in_home_has_the_key(visit: Visit) -> None:
    """Pictures, their metadata, the journal and all else in the folder of pictures hold nothing of it."""
    assert list((visit.kernel.folder / "seedream").glob("*.jpg"))
    assert leaking_files(visit.kernel.folder / "seedream") == {}


def test_no_other_file_has_the_key(visit: Visit) -> None:
    """Neither IPython's history nor any other file of the user has it, but the stored login."""
    assert list((visit.folder / "home").rglob("history.sqlite"))
    assert leaking_files(visit.folder / "home", but="login.json") == {}


def test_no_process_is_started(visit: Visit) -> None:
    """Nothing of ours starts a process, which would inherit an environment."""
    assert visit.shown["variables"].printed.strip() == "[]"


def test_no_saved_notebook_has_the_key(visit: Visit) -> None:
    """Neither the notebook with all these outputs and their metadata, nor what nbconvert makes of it, has any of it."""
    notebook = new_notebook(cells=[saved(ran) for ran in visit.shown.values()])
    nbformat.validate(notebook)
    texts = [nbformat.writes(notebook), converted("html", notebook, template_name="basic")[0]]
    text, files = converted("markdown", notebook)
    texts += [text, *(content.decode("latin-1") for content in files.values())]
    assert [leaks for each in texts if (leaks := leaks_in(each))] == []


def saved(ran: Ran) -> nbformat.NotebookNode:
    """Return a cell as a notebook keeps it, without what its user wrote."""
    kept = [{name: value for name, value in each.items() if name != "transient"} for each in ran.outputs]
    return new_code_cell("", outputs=[nbformat.from_dict(each) for each in kept])  # type: ignore[no-any-return]


# -- what a server echoes ---------------------------------------------------------------------------


def authorization(seen: Seen) -> str:
    """Return the header that carries the key, as a server sees it."""
    return seen.headers["authorization"]


def bare(seen: Seen) -> str:
    """Return the key, as a server sees it."""
    return authorization(seen).removeprefix("Bearer ")


def refusing(status: int, **headers: str) -> Callable[[Seen], Reply]:
    """Answer with this status, and the key in every field of the error body; `headers` may hold `KEY`."""

    def answer(seen: Seen) -> Reply:
        key = bare(seen)
        body = {
            "code": key, "reason": f"NO_{key}", "message": f"insufficient balance: {authorization(seen)}",
            "metadata": {"trace_id": key, "headers": dict(seen.headers)},
        }  # fmt: skip
        told = {name.replace("_", "-"): value.replace("KEY", key) for name, value in headers.items()}
        return Reply(status=status, headers=told, body=json.dumps(body).encode())

    return answer


def answering(status: int, template: str) -> Callable[[Seen], Reply]:
    """Answer with this status and text; `KEY` in it becomes the key, `B64` and `HEX` what base64 and so on make of it.

    `-` makes that shorter by a character or more, as does what cuts a text wherever it is long enough.
    """
    return lambda seen: Reply(status=status, body=spelled(template, bare(seen)).encode())


def spelled(template: str, key: str) -> str:
    """Return a text in which the key stands in each way that the template names."""
    login = base64.b64encode(f"user:{key}".encode()).decode()
    ways = {"B64-": login[:-9], "HEX-": key.encode().hex()[:-7], "B64": login, "HEX": key.encode().hex(), "KEY": key}
    return re.sub("|".join(ways), lambda found: ways[found[0]], template)


def garbled(text: str) -> Reply:
    """Answer with this in place of a head, and close the connection: else more of it is waited for."""
    return Reply(raw=text.encode(), then="close")


ECHOES: dict[str, Script] = {
    "a refusal": refusing(400),
    "no permission": refusing(403),
    "a refusal in HTML": answering(400, "<html><title>Bad KEY</title><p>Authorization: Bearer KEY</p></html>"),
    "a refusal in a text": answering(422, "Authorization: Bearer KEY"),
    "a refusal in a list": answering(400, '["KEY", {"KEY": "KEY"}]'),
    "a request id": refusing(500, x_request_id="KEY"),
    "a trace id": refusing(503, x_trace_id="id-KEY-id"),
    "a rate limit": refusing(429, retry_after="KEY"),
    "a redirect's query": refusing(302, location="https://elsewhere.example/?key=KEY"),
    "a redirect's host": refusing(307, location="https://KEY.elsewhere.example/"),
    "a redirect's user": refusing(308, location="https://KEY:KEY@elsewhere.example/"),
    "a gateway": answering(504, "<h1>Gateway Time-out</h1>Authorization: Bearer KEY"),
    "a refusal in base64": answering(400, json.dumps({"message": 20 * "Basic B64 "})),
    "a refusal in nothing but base64": answering(400, json.dumps({"message": 20 * "B64-", "reason": f"x{9 * 'B64'}"})),
    "a refusal in hexadecimal": answering(400, json.dumps({"message": 20 * "HEX-", "reason": f"x{9 * 'HEX'}"})),
    "no JSON": answering(200, "Bearer KEY"),
    "no JSON but base64": answering(200, f"x{20 * 'B64'}"),
    "no JSON but half of it in base64": answering(200, '{"auth": "B64-'),
    "no JSON but half of it in hexadecimal": answering(200, '{"auth": "HEX-'),
    "no list": answering(200, '{"images": "KEY", "KEY": 1}'),
    "an odd success": answering(204, "KEY"),
    "a link that is none": answering(200, '{"images": ["KEY"]}'),
    "a link's scheme": answering(200, '{"images": ["KEY://KEY"]}'),
    "no answer": Cut(when="body"),
    "no HTTP": Reply(raw=b"\x00\x01 no HTTP\r\n\r\n", then="close"),
    "no header": lambda seen: garbled(f"HTTP/1.1 200 OK\r\nX\0Y: {authorization(seen)}\r\n\r\n"),
    "no status": lambda seen: garbled(f"{authorization(seen)}\r\n\r\n"),
}


def in_a_link(server: FaultServer, path: str) -> Callable[[Seen], Reply]:
    """Answer with a link to the server itself that has the key in it."""
    return lambda seen: Reply(body=json.dumps({"images": [server.url + path.replace("KEY", bare(seen))]}).encode())


@pytest.fixture(scope="module")
def echoed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Visit a notebook whose service echoes the key in each way that it can."""
    folder = tmp_path_factory.mktemp("echoed")
    with FaultServer() as server, alone(folder, {"SEEDREAM_BASE_URL": server.url, "NOVITA_API_KEY": KEY}) as kernel:
        visit = Visit(kernel=kernel, folder=folder)
        visit.run("preparing", PREPARE + WALK + FRAMES + "session = sd._default_session()")
        for label, step in ECHOES.items():
            server.on(POST, step)
            assert visit.run(label, FAIL.format(prompt=label)).error is not None
        visit.run("history", "look_into([*sd.history])\nsd.history")
        yield visit


def test_no_echo_of_the_key_is_shown(echoed: Visit) -> None:
    """Whatever a server echoes, no message, error object, frame or history shows six characters of the key."""
    assert echoed.leaks() == {}


def test_no_echo_of_the_key_is_written(echoed: Visit) -> None:
    """Nor does any file."""
    assert leaking_files(echoed.kernel.folder / "seedream") == {}
    assert leaking_files(echoed.folder / "home") == {}


def test_no_echo_of_the_key_is_logged(echoed: Visit) -> None:
    """Nor do the logs at DEBUG, where httpcore writes down the headers of each answer."""
    assert leaks_in((echoed.kernel.folder / "debug.log").read_text()) == []


PAGE = b"<html>no picture for KEY<!-- Authorization: Bearer KEY --></html>"
NO_SUCH_HEADER = "HTTP/1.1 200 OK\r\nX\0Y: KEY\r\n\r\n"


def echoing(**fields: Any) -> Callable[[Seen], Reply]:
    """Answer as a storage that echoes the key of its own link, which each of these fields may hold."""

    def filled(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: filled(each, key) for name, each in value.items()}
        if isinstance(value, bytes):
            return spelled(value.decode("latin-1"), key).encode("latin-1")
        return value.replace("KEY", key) if isinstance(value, str) else value

    def answer(seen: Seen) -> Reply:
        return Reply(**filled(fields, seen.path.rpartition("=")[2]))

    return answer


def a_wide_page(seen: Seen) -> Reply:
    """Answer with a page in UTF-16."""
    return Reply(body=PAGE.decode().replace("KEY", seen.path.rpartition("=")[2]).encode("utf-16"))


BROKEN_OFF = {"send": 700, "then": "reset", "ranges": True}
STORAGES: dict[str, Script] = {
    "a page": echoing(body=PAGE),
    "a page in UTF-16": a_wide_page,
    "a text cut in the key": echoing(body=b"-" * 66 + b" KEY is not known here"),
    "a text cut in base64": echoing(body=b"-" * 50 + b" Basic B64 was refused"),
    "a text cut in hexadecimal": echoing(body=b"-" * 50 + b" HEX is not known here"),
    "a long text cut in the key": echoing(body=b"-" * 239 + b" KEY is not known here"),
    "bytes": echoing(body=b"\0\1KEY\2"),
    "a refusal": echoing(status=403, body=PAGE, headers={"ETag": '"KEY"', "Retry-After": "KEY"}),
    "a part of a page": echoing(body=20 * PAGE, headers={"ETag": '"1"'}, **BROKEN_OFF),
    "a part and a tag": echoing(body=99 * b"\xff\xd8\xff\0pictures", headers={"ETag": '"KEY"'}, **BROKEN_OFF),
    "a redirect": echoing(status=302, headers={"Location": "/nothing/KEY?KEY"}),
    "a redirect to nowhere": echoing(status=302, headers={"Location": "KEY://KEY/"}),
    "a redirect to a user": echoing(status=302, headers={"Location": "http://KEY:KEY@169.254.0.1/KEY"}),
    "no header": echoing(raw=NO_SUCH_HEADER.encode()),
    "no length": echoing(raw=b"HTTP/1.1 200 OK\r\nContent-Length: KEY\r\n\r\n"),
    "no status": echoing(raw=b"KEY KEY KEY\r\n\r\n"),
    "no coding": echoing(body=PAGE, headers={"Content-Encoding": "KEY"}),
}  # fmt: skip

ITEMS = {
    "a refused picture": [{"error": {"code": "KEY", "message": "no picture for KEY"}}],
    "a refused picture among others": [{"error": {"code": "KEY", "message": {"KEY": "KEY"}}}, "http://SERVER/KEY"],
    "a page in the reply": ["data:text/KEY;base64,S0VZ"],
    "a link's user": ["http://KEY:KEY@SERVER/"],
    "a link's port": ["http://127.0.0.1:KEY/"],
    "no item": [None, {"KEY": "KEY"}, "KEY"],
    "a list": [["KEY"]],
}

PICKLED = """
import pickle
try:
    sd.generate({prompt!r})
except BaseException as error:
    print(pickle.dumps([vars(error), error.args, getattr(error, "__notes__", None)]))
for each in sd.history:
    print(pickle.dumps([each.warnings, each.missing, each.error, each.links]))
"""


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Visit a notebook whose service gives links with the key in them: one leads to a picture, and one does not."""
    folder = tmp_path_factory.mktemp("linked")
    with FaultServer() as server, alone(folder, {"SEEDREAM_BASE_URL": server.url, "NOVITA_API_KEY": KEY}) as kernel:
        visit = Visit(kernel=kernel, folder=folder)
        visit.run("preparing", PREPARE + WALK + FRAMES + "session = sd._default_session()")
        server.picture(64, 64, name="here.jpg")
        server.on(POST, in_a_link(server, "/pictures/here.jpg?key=KEY"))
        visit.run("a picture", "%%seedream\na fox")
        server.on(POST, in_a_link(server, "/pictures/gone.jpg?key=KEY"))
        visit.run("no picture", FAIL.format(prompt="a fox"))
        links = [server.on(f"/{number}.jpg", step) + "?key=KEY" for number, step in enumerate(STORAGES.values())]
        server.on(POST, answering(200, json.dumps({"images": links})))
        visit.run("storages", FAIL.format(prompt="a fox"))
        for label, items in ITEMS.items():
            reply = json.dumps({"images": items, "for": "KEY"}).replace("SERVER", f"127.0.0.1:{server.port}")
            server.on(POST, answering(200, reply))
            visit.run(label, FAIL.format(prompt=label))
            visit.run(f"{label}, pickled", PICKLED.format(prompt=label))
        visit.run("panel", "panel = sd.Panel()\nprint(panel.get_state())")
        visit.run("history", "sd.history\nlook_into([*sd.history])")
        visit.run("recover", "%seedream recover")
        yield visit


def test_no_link_shows_the_key(linked: Visit) -> None:
    """A link that has the key in it, of a picture that came and of one that did not, is shown nowhere."""
    assert linked.leaks() == {}


def test_no_link_brings_the_key_to_the_journal(linked: Visit) -> None:
    """Nor is it written down."""
    assert leaking_files(linked.kernel.folder / "seedream") == {}


# -- at each stage ----------------------------------------------------------------------------------

STAGES = {
    "prepare": "%%seedream -i nothing.png\na fox",
    "prepare, an error of the notebook": "%%seedream -i broken()\na fox",
    "a typo": "%%seedream --sizes 2K --size 3K\na {fx}",
    "a word too many": f"%%seedream --size 2K {KEY}\na fox",
    "a key as an option": f"%%seedream --api-key={KEY}\na fox",
    "a key as an option's value": f"%%seedream --size {KEY}\na fox",
    "a key as a variable": f"%%seedream --out {KEY}-1\na fox",
    "a key in a setting": f"%seedream config api_key={KEY}",
    "a key after login": f"%seedream login {KEY}",
    "a key as a verb": f"%seedream {KEY}",
    "a key as an address": f'sd.configure(base_url="https://{KEY}@api.novita.ai")',
    "a key as a size": f'sd.configure(size="{KEY}")',
    "a key as a keyword": f'sd.generate("a fox", api_key="{KEY}")',
    "a key in a wrong setting's company": f'sd.configure(api_key="{KEY}", budget="much")',
    "settings from a variable": 'sd.configure(api_key=open("key.txt").read(), budget="much")',
    "no key but nearly": 'os.environ["NOVITA_API_KEY"] = open("key.txt").read() + " x"\nsd.generate("a fox")',
    "reserve": "os.environ['NOVITA_API_KEY'] = open('key.txt').read()\nsd.configure(budget=0.01)\nsd.generate('a fox')",
    "settle": "sd.configure(budget=None)\nsd.generate('a fox', save='copies')",
}  # fmt: skip


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Visit a notebook in which something goes wrong at each stage; each error is caught and another raised."""
    folder = tmp_path_factory.mktemp("staged")
    with FaultServer() as server, alone(folder, {"SEEDREAM_BASE_URL": server.url, "NOVITA_API_KEY": KEY}) as kernel:
        copies = kernel.folder / "copies"
        (kernel.folder / "key.txt").write_text(KEY)

        def spoil(_: Seen) -> Links:
            copies.rmdir()
            copies.touch()
            return Links()

        server.on(POST, spoil)
        visit = Visit(kernel=kernel, folder=folder)
        visit.run("preparing", PREPARE + WALK + FRAMES + "import os\ndef broken():\n    return 1 / 0")
        for label, code in STAGES.items():
            assert visit.run(label, code).error is not None, label
            visit.run(f"{label}: frames", "import sys\nframes_of(sys.last_value)\nlook_into(sys.last_value)")
        yield visit


def test_no_stage_shows_the_key(staged: Visit) -> None:
    """No message has a part of the key, be it ours or that of the cell itself, whose text is its owner's."""
    assert {label: parts for label, parts in staged.leaks().items() if not label.endswith(": frames")} == {}


def test_no_frame_of_ours_holds_the_key(staged: Visit) -> None:
    """Nor has any variable of ours, where the key was not handed to us in that very call."""
    handed = {f"{label}: frames" for label in STAGES if label.startswith("a ")}
    assert {label: parts for label, parts in staged.leaks().items() if label not in handed} == {}


# -- to whom it goes --------------------------------------------------------------------------------

OTHER_PLACES = [
    "https://api.novita.ai.evil.example", "https://evil.example/api.novita.ai", "https://api.novita.ai@evil.example",
    "https://api.novita.ai:x@evil.example", "https://evil.example#api.novita.ai", "https://evil.example?api.novita.ai",
    "https://evil.example\\@api.novita.ai", "https://api.novita.ai\\.evil.example", "https://api.novita.ai:8443",
    "http://api.novita.ai", "https://api.novita.a\u2170", "https://api\uff0enovita.ai", "https://novita.ai",
    "https://api.novita.ai.", "https://xapi.novita.ai", "//api.novita.ai", "https:api.novita.ai", "https:///api.novita.ai",
    "ftp://api.novita.ai", "https://[::1]", "https://api.novita.ai%2eevil.example", "https://api.novita.ai%00.evil.example",
]  # fmt: skip


@pytest.mark.parametrize("url", OTHER_PLACES)
def test_a_login_is_found_for_its_own_host_only(tmp_path: Path, url: str) -> None:
    """However another address is made to look like the one the login is for, it gets no key."""
    import httpx

    settings, login = Settings(environ={}, folder=tmp_path), Login(tmp_path / "user")
    login.store("api.novita.ai", Key(KEY, source="a test"))
    assert find_endpoint(settings, login=login, environ={}).key is not None
    try:
        settings.change(base_url=url)
        endpoint = find_endpoint(settings, login=login, environ={})
    except SettingsError:
        return
    assert httpx.URL(endpoint.base_url).netloc == b"api.novita.ai"


IN_A_REQUEST: list[tuple[str, dict[str, Any], str]] = [
    (f"a fox {KEY}", {}, "in the prompt"),
    (f"a fox {KEY[:-2]}", {}, "in the prompt"),
    ("a fox {it}", {"values": {"it": KEY}}, "in the prompt"),
    ("a fox {it}", {"values": {"it": {"NOVITA_API_KEY": KEY}}}, "in the prompt"),
    ("a fox", {"images": [f"https://pictures.example/a.png?key={KEY}"]}, "a reference image"),
    ("a fox", {"images": [f"https://pictures.example/a.png?key={KEY.replace('_', '%5F')}"]}, "a reference image"),
    ("a fox", {"save": f"out-{KEY}"}, "the folder of `save`"),
    (f"a fox {KEY}", {"once": True}, "in the prompt"),
]


@pytest.mark.parametrize(("prompt", "options", "place"), IN_A_REQUEST)
@pytest.mark.parametrize("backend", ["novita", "sandbox"])
def test_a_request_with_the_key_in_it_is_refused(  # noqa: PLR0913 - fixtures
    *,
    new_session: NewSession,
    fault_server: FaultServer,
    tmp_path: Path,
    prompt: str,
    options: dict[str, Any],
    place: str,
    backend: str,
) -> None:
    """Pasted or as a value, in the prompt, a URL or a folder: nothing is sent or written, and no message shows it."""
    session = new_session(KEY)
    session.settings.change(backend=backend)
    with pytest.raises(RequestError, match=f"Your key is .*{place}.*: remove it") as caught:
        session.start(prompt, **options)
    assert leaks_in(str(caught.value)) == []
    assert fault_server.posts == []
    assert leaking_files(tmp_path) == {}


def test_a_rehearsal_with_the_key_in_it_is_refused(new_session: NewSession) -> None:
    """What is only shown would be kept with the notebook."""
    session = new_session(KEY)
    with pytest.raises(RequestError, match="Your key is in the prompt"):
        session.rehearsed(session.compose(f"a fox {KEY}"))


@pytest.mark.parametrize("options", [{"prompt": f"a {{{KEY}}} fox"}, {"prompt": "a fox", "images": [KEY]}])
def test_no_problem_of_a_request_shows_the_key(new_session: NewSession, options: dict[str, Any]) -> None:
    """In braces, or as the name of a file that does not exist: nor do errors behind it."""
    session = new_session(KEY)
    with pytest.raises(RequestError, match="Your key is in the request") as caught:
        session.compose(**options, scope=NamesScope({}))
    assert leaks_in(f"{caught.value} {caught.value.__context__!r} {caught.value.__cause__!r}") == []


def test_a_key_that_is_not_used_is_refused_too(new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's, where another was configured."""
    monkeypatch.setenv("NOVITA_API_KEY", KEY)
    session = new_session("sk_another-one-of-some-length")
    with pytest.raises(RequestError, match="Your key is in the prompt"):
        session.start("a {it} fox", values={"it": dict(os.environ)})


def test_a_template_with_the_key_in_it_is_refused(new_session: NewSession) -> None:
    """It is kept with the history, whatever came of its expressions."""
    session = new_session(KEY)
    with pytest.raises(RequestError, match="Your key is in the prompt"):
        session.submit(session.compose("a fox"), template=f"a {{{{'{KEY}': 'fox'}}['{KEY}']}}")


def test_words_of_the_key_are_no_key(new_session: NewSession) -> None:
    """A prompt may share a few letters with it."""
    job = new_session(KEY).start(f"a fox {KEY[3:8]}")
    assert job.result().status == "done"


@pytest.mark.parametrize("key", ["test", "k1", "elevenchars"])
def test_a_key_that_may_be_a_word_is_not_looked_for_in_requests(new_session: NewSession, key: str) -> None:
    """One of fewer than 12 characters, as servers on one's own machine have: a prompt may well say it."""
    session = new_session(key)
    session.settings.change(backend="sandbox")
    assert session.start(f"a {key} of a fox").result().prompt == f"a {key} of a fox"
    with pytest.raises(RequestError, match="Your key is in the prompt: remove it"):
        new_session("twelve-chars").start("a twelve-chars of a fox")
