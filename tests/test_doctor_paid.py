"""`doctor --paid`: says what it costs, makes one picture, sees one request refused, and writes down what it saw."""

from __future__ import annotations

import base64
import json
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from seedream_nb import errors
from seedream_nb.compose import NO_PROMPT
from seedream_nb.doctor.harmless import HIDDEN, Harmless
from seedream_nb.doctor.paid import PROMPT, Look, reference
from seedream_nb.http.client import Timeouts
from seedream_nb.jobs.job import Job
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import POST, Cut, FaultServer, Links, OnceRead, Reply, jpeg
from tests.secret import KEY, leaks_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedream_nb.storage.generation import Generation
    from tests.faults.fixture import Tls
    from tests.faults.script import Seen, Step

REFUSAL = {"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "prompt is required", "metadata": {}}
SIGNATURE = "9f2c77d1ab30465e8c1d"
JSON = {"Content-Type": "application/json"}
IMPATIENT = Timeouts(connect_pauses=(0.01, 0.01), download_pauses=(0.01,), refused_pauses=(0.01,), stall=2.0)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Begin a session in an empty folder, with a key."""
    settings = Settings(environ={}, folder=tmp_path)
    settings.change(api_key=KEY, price=0.03)
    session = Session(settings=settings, lingers=False, timeouts=IMPATIENT)
    yield session
    session.close()


class Told:
    """What a look has said, as one line, and what it made."""

    def __init__(self, session: Session, write: Callable[[Path, bytes], None] | None = None) -> None:
        """Look, with nobody who watches."""
        self.said: list[str] = []
        more = {} if write is None else {"write": write}
        self.look = Look(session, wait=Job.result, tell=self.said.append, **more)
        self.home = session.settings.get("home")

    @property
    def text(self) -> str:
        """All that was said."""
        return "\n".join(self.said)

    @property
    def transcripts(self) -> list[Path]:
        """The files that were written."""
        return sorted(self.home.glob("seedream-doctor-*.md"))

    @property
    def transcript(self) -> str:
        """What stands in the only one."""
        (path,) = self.transcripts
        return path.read_text("utf-8")


def by_prompt(refused: Step, asked: Step) -> OnceRead:
    """Answer a request without a prompt with the first, another with the second."""
    return OnceRead(lambda seen: asked if "prompt" in seen.json() else refused)


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    """Return an answer in JSON."""
    date = {"Date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
    return Reply(status=status, body=json.dumps(body).encode(), headers={**JSON, **date, **(headers or {})})


def link(server: FaultServer, content: bytes = b"", headers: dict[str, str] | None = None) -> str:
    """Serve a picture under a link that is signed for a day, as object storage does; return the link."""
    reply = Reply(body=content or jpeg(1024, 1024), headers={"Content-Type": "image/jpeg", **(headers or {})})
    path = server.on("/bucket/picture.jpg", reply)
    return f"{path}?X-Tos-Date={datetime.now(UTC):%Y%m%dT%H%M%SZ}&X-Tos-Expires=86400&X-Tos-Signature={SIGNATURE}"


@pytest.fixture
def service(session: Session, fault_server: FaultServer) -> FaultServer:
    """Answer as is expected, but that all is on loopback, without TLS."""
    session.settings.change(base_url=fault_server.url)
    images = answer(200, {"images": [link(fault_server)]})
    fault_server.on(POST, by_prompt(answer(400, REFUSAL), images))
    return fault_server


def in_base64(text: str) -> str:
    """Return a text in base64, as a name can have it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def rows(transcript: str) -> dict[str, str]:
    """Return the table of a transcript: the state of each thing that is expected."""
    return {
        what: state for state, what in re.findall(r"^\| (ok|differs|not seen) \| ([^|]+) \|", transcript, re.MULTILINE)
    }


def differs(transcript: str) -> dict[str, str]:
    """Return what differs in a transcript, and what was seen of that."""
    return dict(re.findall(r"^\| differs \| ([^|]+) \| [^|]* \| ([^|]*) \|", transcript, re.MULTILINE))


# -- what it says, sends and keeps -----------------------------------------------------------------


def test_it_says_what_it_costs_before_anything_is_sent(session: Session, service: FaultServer) -> None:
    """The price, the number, the host, and whose key by its source; never the key."""
    said: list[tuple[str, int]] = []
    Look(session, wait=Job.result, tell=lambda text: said.append((text, len(service.seen)))).run()
    told = " ".join(text for text, sent in said if not sent)
    assert (
        f"one picture in 1K with one reference at 127.0.0.1:{service.port}: 1 picture, 0.03 USD, with the key" in told
    )
    assert "with the key from configure()" in told
    assert "First it sends a request without a prompt" in told
    assert leaks_in(told) == []


def test_it_sends_a_request_without_a_prompt_and_one_with_a_reference(session: Session, service: FaultServer) -> None:
    """In this order, so that no more can be spent than was said; both with documented fields alone, for one picture."""
    Told(session).look.run()
    first, second = (seen.json() for seen in service.posts)
    plain = {"size": "1K", "sequential_image_generation": "disabled", "watermark": True}
    assert first == plain
    assert {name: second[name] for name in plain} == plain
    assert second["prompt"] == PROMPT
    assert [each[:22] for each in second["images"]] == ["data:image/png;base64,"]
    assert set(second) == {*plain, "prompt", "images"}


def test_the_request_without_a_prompt_is_not_run_again(session: Session, service: FaultServer) -> None:
    """What stands for its prompt in the history is never sent, nor paid, as one."""
    Told(session).look.run()
    sent = len(service.posts)
    with pytest.raises(errors.RequestError, match="without a prompt"):
        session.history[1].rerun()
    assert len(service.posts) == sent


def test_the_picture_is_a_normal_generation(session: Session, service: FaultServer) -> None:
    """It is in the history with its file, and counted in what was spent; the refused one is there as refused."""
    made = Told(session).look.run()
    refused, done = session.history
    assert (made.id, done.id, done.status, len(done)) == (2, 2, "done", 1)
    assert done[0].path.read_bytes() == jpeg(1024, 1024)
    assert (refused.status, refused.cost, refused.prompt) == ("failed", 0.0, NO_PROMPT)
    assert "on purpose" in refused.warnings[0]
    assert [image.name for image in done.request.images] == ["a small picture made by the doctor"]
    assert session.budget.spent == pytest.approx(0.03)
    assert session.budget.may_have_been_billed == 0
    assert len(service.posts) == 2


def test_the_transcript_is_for_its_owner_alone(session: Session, service: FaultServer) -> None:
    """It is in `home`, and its path is told."""
    told = Told(session)
    told.look.run()
    (path,) = told.transcripts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"Transcript: {path}" in told.said
    assert service.posts


def test_of_a_service_that_is_as_expected_everything_is(
    session: Session, tls_fault_server: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing differs, and nothing was left unseen."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_fault_server.authority))
    server = tls_fault_server.server
    session.settings.change(base_url=server.url)
    server.on(POST, by_prompt(answer(400, REFUSAL), answer(200, {"images": [link(server)]})))
    told = Told(session)
    told.look.run()
    assert set(rows(told.transcript).values()) == {"ok"}
    assert "17 of 17 things that were seen are as expected." in told.said
    assert re.search(r"connected [\d.]+ s, TLS [\d.]+ s, sent [\d.]+ s, first byte [\d.]+ s, whole", told.transcript)


# -- what differs ----------------------------------------------------------------------------------

DIFFERENT: dict[str, tuple[object, str, str]] = {
    "another status for the refusal": (
        {"status": 422}, "a request without a prompt is refused", "HTTP 422"
    ),
    "an error that is told otherwise": (
        {"error": {"error": {"type": "x"}}}, "what a refusal says", "error"
    ),
    "a refusal without JSON": ({"refused": Reply(status=400, body=b"no")}, "what a refusal says", "no JSON object"),
    "more fields": ({"body": {"images": [""], "task_id": "7"}}, "its reply's fields", "images, task_id"),
    "another name": ({"body": {"image_urls": [""]}}, "its reply's fields", "image_urls"),
    "objects in the place of texts": ({"body": {"images": [{"url": ""}]}}, "a picture in it is", "object with 1 field"),
    "two pictures": ({"body": {"images": ["", ""]}}, "pictures in it", "2"),
    "another type of reply": ({"reply": {"Content-Type": "text/plain"}}, "its reply's type", "text/plain"),
    "a link that holds for an hour": ({"expires": 3600}, "how long the link holds", "60 min, by x-tos-expires"),
    "a link that does not say": ({"expires": None}, "how long the link holds", "it does not say"),
    "a picture of another type": (
        {"headers": {"Content-Type": "binary/octet-stream"}}, "the download's type", "binary/octet-stream"
    ),
    "a picture of another size": ({"content": jpeg(2048, 2048)}, "its pixels, for 1K", "2048x2048"),
    "something behind the end": ({"content": jpeg(1024, 1024) + b"x" * 7}, "bytes behind the picture's end", "7"),
    "another clock": (
        {"reply": {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}}, "the service's clock, beside this one", "-"
    ),
}  # fmt: skip


def filled(body: object, link: str) -> object:
    """Return a reply with a link in the place of each empty text."""
    if isinstance(body, dict):
        return {name: filled(value, link) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(each, f"{link}&n={number}" if number else link) for number, each in enumerate(body)]
    return link if body == "" else body


@pytest.mark.parametrize("name", DIFFERENT)
def test_each_difference_is_told(name: str, session: Session, service: FaultServer) -> None:
    """In the transcript's table and in what is said, with what was seen; none of these is an error of ours."""
    how, what, seen = DIFFERENT[name]
    assert isinstance(how, dict)
    url = link(service, how.get("content", b""), how.get("headers"))
    expires = how.get("expires", 86400)
    url = url.replace("=86400", f"={expires}") if expires else url.partition("?")[0]
    reply = answer(200, filled(how.get("body", {"images": [""]}), url), how.get("reply"))
    refusal = answer(how.get("status", 400), how.get("error", REFUSAL), how.get("reply"))
    service.on(POST, by_prompt(how.get("refused", refusal), reply))
    told = Told(session)
    try:
        told.look.run()
    except errors.ReplyError:
        assert name == "another name"
    found = differs(told.transcript)
    assert seen in found[what]
    assert f"differs: {what}: expected " in told.text
    assert {*found} - {what} <= {"the link's scheme", "pictures in it", "requests for it"}


def test_what_a_file_is_built_of_is_told(session: Session, service: FaultServer) -> None:
    """Segments by name and size, and whether there are C2PA, XMP and Exif."""
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x>trainedAlgorithmicMedia</x>"
    segments = [(b"\xe1", xmp), (b"\xe1", b"Exif\0\0MM"), (b"\xeb", b"JP\0\1\0\0\0\1\0\0\0\x18jumb....c2pa....")]
    told_of = b"".join(b"\xff" + mark + (len(data) + 2).to_bytes(2, "big") + data for mark, data in segments)
    picture = jpeg(1024, 1024)
    link(service, picture[:2] + told_of + picture[2:])
    told = Told(session)
    told.look.run()
    assert "C2PA: yes, XMP: yes, Exif: yes, a word for “made by a model”: yes." in told.transcript
    for line in (
        "- APP1 (XMP), 63 bytes",
        "- APP1 (Exif), 12 bytes",
        "- APP11 (JUMBF, C2PA), 32 bytes",
        "- EOI, 2 bytes",
    ):
        assert line in told.transcript


# -- what must not be in it ------------------------------------------------------------------------

ODD = f"{KEY} {quote(PROMPT)} {SIGNATURE}"
TOKEN = re.sub(r"[^A-Za-z0-9]+", "-", f"{KEY} {SIGNATURE}")


def echoing(seen: Seen, url: str, folder: Path) -> Reply:
    """Answer with all that was sent, and more, in every place: names and values, of headers and fields."""
    said = seen.json()
    told = f"{seen.headers['authorization']} {said.get('prompt', '')} {url} {folder}"
    headers = {
        "X-Echo": told, f"X-{TOKEN}": "1", f"X-{SIGNATURE}": "1", "Server": TOKEN[:30], "X-Paper-Colours": "1",
        "Content-Type": f"application/{TOKEN[:30].lower()}", "X-Request-Id": told, "Retry-After": TOKEN[:20],
    }  # fmt: skip
    body = {
        KEY: told,
        told: [told, {told: told}],
        "code": KEY,
        "reason": KEY.upper(),
        "message": told,
        SIGNATURE: {TOKEN: KEY},
    }
    if "prompt" not in said:
        return answer(400, body, headers)
    return answer(200, {**body, "images": [url]}, headers)


def test_nothing_private_is_in_it_whatever_a_server_echoes(session: Session, fault_server: FaultServer) -> None:
    """Neither key nor prompt, signature or path, in names and values of headers and fields, and in the picture."""
    session.settings.change(base_url=fault_server.url)
    folder = session.settings.get("home")
    secret = f"{KEY} {PROMPT} {SIGNATURE} {folder}".encode()
    picture = jpeg(1024, 1024)
    comment = b"\xff\xfe" + (len(secret) + 2).to_bytes(2, "big") + secret
    headers = {
        f"X-{TOKEN}": TOKEN,
        "ETag": KEY,
        "X-Echo": f"{SIGNATURE} {PROMPT}",
        "Content-Type": f"image/{SIGNATURE}",
    }
    url = link(fault_server, picture[:2] + comment + picture[2:] + secret, headers)
    url += f"&{KEY}={KEY}&{SIGNATURE}=1#{KEY}"
    fault_server.on(POST, OnceRead(lambda seen: echoing(seen, url, folder)))
    told = Told(session)
    told.look.run()
    for text in (told.transcript, told.text.replace(str(told.transcripts[0]), "")):
        assert leaks_in(text) == []
        for word in (
            SIGNATURE,
            SIGNATURE[:8],
            PROMPT,
            PROMPT[:9],
            "paper boat",
            quote(PROMPT),
            str(folder),
            str(Path.home()),
        ):
            assert word.lower() not in text.lower()
    assert "COM (a comment)" in told.transcript


# -- bad input -------------------------------------------------------------------------------------


def failing(kind: type[errors.SeedreamError], told: Told) -> list[str]:
    """Look, which fails with this error; return its lines."""
    with pytest.raises(kind) as caught:
        told.look.run()
    return caught.value.lines()


def test_without_a_key_it_is_refused_as_ever(session: Session, service: FaultServer) -> None:
    """With the usual three lines, and nothing is sent."""
    session.settings.change(api_key=None)
    told = Told(session)
    lines = failing(errors.SettingsError, told)
    assert len(lines) == 3
    assert "There is no key. Get one at" in lines[0]
    assert (told.said, service.seen) == ([], [])


def test_a_budget_below_its_cost_refuses_it(session: Session, service: FaultServer) -> None:
    """Nothing is sent, not even what would be refused."""
    session.settings.change(budget=0.02)
    told = Told(session)
    assert (
        "This could exceed the budget: 1 picture, 0.03 USD, and 0.02 USD is left"
        in failing(errors.BudgetError, told)[0]
    )
    assert (service.seen, told.transcripts) == ([], [])


def test_a_budget_of_its_cost_is_enough(session: Session, service: FaultServer) -> None:
    """What is refused takes nothing of it."""
    session.settings.change(budget=0.03)
    assert Told(session).look.run().status == "done"
    assert session.budget.left == 0
    assert len(service.posts) == 2


def test_without_a_network_it_says_so(session: Session, service: FaultServer) -> None:
    """Nothing was billed, and there is nothing to write down."""
    service.close()
    told = Told(session)
    lines = failing(errors.ConnectionFailedError, told)
    assert "it refused the connection" in lines[0]
    assert "nothing was billed" in lines[-1]
    assert told.transcripts == []


@pytest.mark.parametrize(("status", "kind"), [(429, errors.RateLimitError), (503, errors.ServiceError)])
def test_what_is_refused_is_never_sent_again(
    status: int, kind: type[errors.SeedreamError], session: Session, service: FaultServer
) -> None:
    """Not even where the service asks for that; then no picture is asked for either."""
    service.on(POST, answer(status, REFUSAL, {"Retry-After": "0"}))
    told = Told(session)
    failing(kind, told)
    assert len(service.posts) == 1
    assert f"HTTP {status}" in told.transcript


def test_no_connection_is_not_tried_again_either(session: Session, service: FaultServer) -> None:
    """Its message would say how often it was tried."""
    service.close()
    assert "tried" not in failing(errors.ConnectionFailedError, Told(session))[0]


def test_a_wrong_key_ends_it(session: Session, service: FaultServer) -> None:
    """No picture is asked for where that can't come to anything; the transcript has what was seen."""
    service.on(POST, answer(401, {"message": "no such key"}))
    told = Told(session)
    assert "configure()" in failing(errors.AuthenticationError, told)[-1]
    assert len(service.posts) == 1
    assert differs(told.transcript)["a request without a prompt is refused"] == "HTTP 401"
    assert rows(told.transcript)["a request for a picture"] == "not seen"


def test_if_it_is_not_refused_no_other_picture_is_asked_for(session: Session, service: FaultServer) -> None:
    """So never more is paid for than was said; the picture that was made is looked at."""
    service.on(POST, answer(200, {"images": [link(service)]}))
    told = Told(session)
    made = told.look.run()
    assert (made.id, len(service.posts)) == (1, 1)
    assert made.cost == pytest.approx(0.03)
    assert "so no other was asked for" in told.text
    assert differs(told.transcript)["a request without a prompt is refused"] == "HTTP 200"
    assert rows(told.transcript)["the file"] == "ok"


@pytest.mark.parametrize("step", [Cut(when="body"), answer(504, {"message": "timeout"})])
def test_what_may_have_been_billed_is_not_followed_by_another(
    step: Step, session: Session, service: FaultServer
) -> None:
    """It is counted as what may have been billed, and said."""
    service.on(POST, step)
    told = Told(session)
    assert "may have been billed" in failing(errors.OutcomeUnknownError, told)[-1]
    assert len(service.posts) == 1
    assert session.budget.may_have_been_billed == pytest.approx(0.03)
    assert len(told.transcripts) == 1


def test_a_picture_that_fails_is_written_down_too(session: Session, service: FaultServer) -> None:
    """What was answered, and how it ended."""
    service.on(POST, by_prompt(answer(400, REFUSAL), answer(500, {"message": "oops"})))
    told = Told(session)
    failing(errors.ServiceError, told)
    assert "HTTP 500. It ended with ServiceError." in told.transcript
    assert rows(told.transcript)["a request without a prompt is refused"] == "ok"


def test_a_transcript_that_no_disk_takes_is_shown(
    session: Session, service: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture is paid for, and so is what was seen of it."""

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    told = Told(session, write=full)
    assert told.look.run().status == "done"
    assert "The transcript can't be written (No space left on device), so here it is:" in told.text
    assert "## Expected and seen" in capsys.readouterr().out
    assert service.posts


def test_looks_of_the_same_second_have_transcripts_of_their_own(session: Session, service: FaultServer) -> None:
    """The names are taken, not only looked at: other kernels look at the same moment."""
    told = [Told(session) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert {made.status for made in pool.map(lambda each: each.look.run(), told)} == {"done"}
    assert len(told[0].transcripts) == len(told)
    assert all(path.read_text("utf-8").startswith("# ") for path in told[0].transcripts)
    assert len(service.posts) == 2 * len(told)


def test_an_output_that_closes_meanwhile_loses_no_transcript(session: Session, service: FaultServer) -> None:
    """What was sent may be paid for; `| head` reads one line, and then nobody any more."""
    told = Told(session)

    def tell(text: str) -> None:
        if service.posts:
            raise BrokenPipeError(32, "Broken pipe")
        told.said.append(text)

    assert Look(session, wait=Job.result, tell=tell).run().status == "done"
    assert told.transcript


@pytest.mark.parametrize("replace", [Path.unlink, lambda path: (path.unlink(), path.mkdir())], ids=["gone", "folder"])
def test_a_picture_that_somebody_moved_is_made_all_the_same(
    session: Session, service: FaultServer, replace: Callable[[Path], object]
) -> None:
    """The file is not there to be looked at: the rest is written down, and what was made is returned."""
    told = Told(session)

    def wait(job: Job) -> Generation:
        made = job.result()
        replace(made[0].path)
        return made

    look = Look(session, wait=wait, tell=told.said.append)
    assert look.run().status == "done"
    assert rows(told.transcript)["the file"] == "not seen"
    assert service.posts


def test_of_more_secrets_than_any_reply_has_nothing_is_compared() -> None:
    """Comparing each name with 15 links of 16 kB would take minutes: no name but the usual ones is shown then."""
    harmless = Harmless(secrets=[f"{number:05}" * 3000 for number in range(15)])
    found = (
        harmless.name("colour"),
        harmless.name("images"),
        harmless.header("server", "nginx"),
        harmless.host("a.example"),
    )
    assert found == (HIDDEN, "images", "", HIDDEN)


@pytest.mark.parametrize("spelled", [str, str.upper, lambda text: text.encode().hex(), in_base64])
def test_a_piece_of_a_secret_is_no_name(spelled: Callable[[str], str]) -> None:
    """Six characters of it in a row, in any spelling that a name can have, are too many."""
    harmless = Harmless(secrets=["k" * 20, SIGNATURE])
    assert harmless.name(f"x{spelled(SIGNATURE[4:13])}") == HIDDEN
    assert harmless.name("colour") == "colour"


def test_settings_change_nothing_about_it(session: Session, service: FaultServer) -> None:
    """A size, a mark and `once` are for cells: what is looked at is the same everywhere."""
    session.settings.change(size="4K", watermark=False, once=True)
    Told(session).look.run()
    Told(session).look.run()
    assert len(service.posts) == 4
    assert {seen.json()["size"] for seen in service.posts} == {"1K"}


def test_in_the_sandbox_it_is_a_rehearsal(session: Session) -> None:
    """It says so, costs nothing, and nothing differs there."""
    session.settings.change(backend="sandbox")
    told = Told(session)
    made = told.look.run()
    assert "This is a rehearsal in the sandbox" in told.said[0]
    assert (made.status, session.budget.spent) == ("done", 0)
    assert differs(told.transcript) == {}
    assert "**This is a rehearsal in the sandbox" in told.transcript
    assert "attach it" not in told.text


@pytest.mark.parametrize("number", [0, 1], ids=["before the first", "before the second"])
def test_what_was_not_said_is_not_bought(session: Session, service: FaultServer, number: int) -> None:
    """A thread changes the price before one of the requests: that one is not sent."""

    def change(_: Seen) -> Reply:
        session.settings.change(price=3)
        return answer(400, REFUSAL)

    service.on(POST, change, Links())
    look = Look(session, wait=Job.result, tell=lambda _: None if number else session.settings.change(price=3))
    with pytest.raises(errors.SettingsError, match="The settings were changed meanwhile"):
        look.run()
    assert (len(service.posts), session.budget.spent) == (number, 0)


def test_a_rehearsal_stays_one(session: Session, service: FaultServer) -> None:
    """Nothing is charged, it said; a login meanwhile, with `backend=auto`, changes nothing about that."""
    session.settings.change(backend="sandbox")
    look = Look(session, wait=Job.result, tell=lambda _: session.settings.change(backend="novita"))
    with pytest.raises(errors.SettingsError, match="The settings were changed meanwhile"):
        look.run()
    assert service.posts == []


def test_the_reference_is_within_the_limits_of_the_service(tmp_path: Path) -> None:
    """It is sent as it is."""
    session = Session(settings=Settings(environ={}, folder=tmp_path), lingers=False)
    (image,) = session.compose("a boat", images=[reference()]).images
    assert (image.media_type, image.width, image.height, image.notes) == ("image/png", 64, 64, ())
