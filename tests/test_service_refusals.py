"""Refusals: the class, the service's own words, what it cost, what to do; never the key."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import (
    ApiError,
    AuthenticationError,
    ContentRefusedError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ReplyError,
    SeedreamError,
    ServiceError,
)
from seedream_nb.service.refusals import format_duration, refusal, retry_after
from seedream_nb.service.retry import refused_for_now

KEY = "sk_Tr0ub4dor-and-3-more-words"


def error_body(status: int, reason: str, message: str) -> bytes:
    """Return the body of the service's error guide."""
    return json.dumps({"code": status, "reason": reason, "message": message, "metadata": {}}).encode()


TABLE = [
    # status, headers, message, class, in the message, in the hint
    (400, {}, "size is not valid", ApiError, "size is not valid", "Nothing was billed"),
    (400, {}, "The request failed because the input text may contain sensitive information", ContentRefusedError,
     "refused the prompt", "Change the prompt"),
    (400, {}, "InputImageSensitiveContentDetected", ContentRefusedError, "refused a reference image",
     "another reference"),
    (400, {}, "The output image may contain sensitive information", ContentRefusedError, "refused the result",
     "Another try"),
    (400, {}, "输入文本可能包含敏感信息", ContentRefusedError, "refused the prompt", "not billed"),
    (400, {}, "输出图片可能包含敏感信息", ContentRefusedError, "refused the result", "not billed"),
    (400, {}, "输入图片违规", ContentRefusedError, "refused a reference image", "not billed"),
    (400, {}, "field names are case-sensitive", ApiError, "case-sensitive", "Nothing was billed"),
    (401, {}, "invalid key", AuthenticationError, "doesn't know this key", "%seedream login"),
    (401, {}, "invalid key", AuthenticationError, "doesn't know this key", "NOVITA_API_KEY or .env takes precedence"),
    (402, {}, "", ApiError, "balance", "Top it up"),
    (403, {}, "identity not verified", PermissionDeniedError, "may not", "verify its identity"),
    (403, {}, "not enough balance", PermissionDeniedError, "balance", "Top it up"),
    (403, {}, "model_access_denied", PermissionDeniedError, "may not", "Allow Seedream 4.0"),
    (404, {}, "not found", ApiError, "nothing at this address", "base_url"),
    (413, {}, "", ApiError, "too large", "fewer or smaller"),
    (302, {"Location": "https://login.example/?next=1"}, "", ApiError, "https://login.example;", "base_url"),
    (307, {"location": "http://[bad"}, "", ApiError, "redirects;", "base_url"),
    (304, {}, "", ApiError, "undocumented way (304", "Nothing was billed"),
    (429, {}, "IPM exceeded", RateLimitError, "Too many pictures per minute", "Nothing was billed"),
    (429, {"Retry-After": "12"}, "", RateLimitError, "Too many pictures per minute", "asks to wait 12 s"),
    (429, {}, "insufficient balance", RateLimitError, "balance doesn't cover it", "Top it up"),
    (500, {}, "oops", ServiceError, "failed", "failed generations are not billed"),
    (503, {}, "", ServiceError, "not available", "failed generations are not billed"),
    (503, {"Retry-After": "7"}, "", ServiceError, "asks to wait 7 s", "did not accept the request"),
    (524, {}, "", OutcomeUnknownError, "A gateway gave up", "may have been billed"),
    (502, {}, "bad gateway", OutcomeUnknownError, "A gateway gave up", "may have been billed"),
    (504, {"Retry-After": "1"}, "", OutcomeUnknownError, "A gateway gave up", "may have been billed"),
    (204, {}, "", ReplyError, "undocumented way (204", "may have been billed"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "words", "kind", "said", "remedy"), TABLE)
def test_refusals(  # noqa: PLR0913, PLR0917 - a row of the table
    status: int, headers: dict[str, str], words: str, kind: type[SeedreamError], said: str, remedy: str
) -> None:
    """Each refusal has its class, says what happened in the service's own words, what it cost, what to do."""
    error = refusal(status, headers, error_body(status, "SOME_REASON", words))
    assert type(error) is kind
    assert said in error.message
    assert words in error.message
    assert remedy in (error.hint or "")
    assert len(error.lines()) == 2


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("configure()", "Give the right one there, or remove it: sd.configure(api_key=None)"),
        ("the environment (NOVITA_API_KEY)", "Correct or unset it there: it takes precedence"),
        ("the file /home/ada/.env", "Correct or unset it there: it takes precedence"),
        ("the stored login for api.novita.ai", "Store the right one: %seedream login"),
        (
            "Colab's secret NOVITA_API_KEY",
            "Correct it there and restart the session, or store another, which takes precedence: %seedream login",
        ),
    ],
)
def test_a_wrong_key_is_told_by_its_source(source: str, remedy: str) -> None:
    """Where the key came from, and only that place, is what a 401 sends its reader to."""
    error = refusal(401, {}, error_body(401, "UNAUTHORIZED", "invalid key"), source=source)
    assert type(error) is AuthenticationError
    assert (error.hint or "").startswith(f"Nothing was billed. It is from {source}. {remedy}")
    assert len(error.lines()) == 2


def test_what_an_error_keeps() -> None:
    """Status, code, reason and request id can be had in code."""
    content = b'{"code": 40001, "reason": "INVALID_SIZE", "message": "no", "metadata": {"trace_id": "t-1"}}'
    error = refusal(400, {}, content)
    assert isinstance(error, ApiError)
    assert (error.status, error.code, error.reason, error.request_id) == (400, 40001, "INVALID_SIZE", "t-1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"error": {"message": "words", "code": "x"}}', "words"),
        (b'{"error": "words"}', "words"),
        (b'{"detail": [{"msg": "words"}]}', "words"),
        (b'{"odd": "words"}', "words"),
        (b'["words"]', "words"),
        (b"<html><head><title>502 words</title></head><body>more</body></html>", "“502 words”"),
        (b"<h1>words</h1> and <b>more</b>", "“words and more”"),
        (b"plain words \xff", "plain words"),
        (b"", "(500)."),
        (b"[" * 100_000, "[["),
        (b"<TITLE lang='en'>\n 502 words </TITLE>", "“502 words”"),
        (b"<title></title><p>words</p>", "“words”"),
        (b"<title>502 words", "“502 words”"),
        (b"<p>words</p>" + b" " * 5000 + b"<title>too late</title>", "words"),
        (b"null", "null"),
        (b'"words"', "“words”"),
    ],
)
def test_where_the_words_are(content: bytes, words: str) -> None:
    """The service's words are found wherever a server, or a gateway in between, puts them."""
    assert words in refusal(500, {}, content).message


@pytest.mark.parametrize(
    "words",
    ["<title>", "<title", "<", "<a ", "< <", "\u202e", "é\u0327\u0301", "[", "[[],", '{"message":', "0,", "no fund ",
     "case sensitive ", "\0"],
)  # fmt: skip
@pytest.mark.parametrize("frame", ["{}", '{{"message": "{}"}}', "[{}1]"])
def test_long_words_take_no_time(words: str, frame: str) -> None:
    """However a gateway fills its answer, what it means is found within 20 ms: the loop waits for it."""
    content = frame.format(words * (64_000 // len(words.encode()))).encode()
    headers = {"location": f"http://{words * 9_000}", "retry-after": words * 9_000, "x-request-id": words * 9_000}
    took = []
    for _ in range(3):
        began = time.thread_time()
        refusal(400, headers, content, secret=KEY)
        took.append(time.thread_time() - began)
    assert min(took) < 0.02


@pytest.mark.parametrize("depth", [*range(100, 1000, 10), 2_000, 5_000, 9_000, 15_000, 30_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"message":', "}")])
def test_deep_words(depth: int, start: str, end: str) -> None:
    """JSON that is nested deeper than Python goes is still a refusal."""
    content = (start * depth + "1" + end * depth).encode()
    assert isinstance(refusal(400, {}, content), ApiError)


def test_what_others_wrote_is_text() -> None:
    """A message can neither move the cursor nor fill the screen."""
    error = refusal(400, {}, json.dumps({"message": "\x1b[2J\r\n" + "long " * 500, "reason": "\x07" * 900}).encode())
    assert error.message.isprintable()
    assert len(error.message) < 500


@given(start=st.integers(0, len(KEY) - 6), length=st.integers(6, len(KEY)), before=st.text(), after=st.text())
def test_the_key_is_never_shown(start: int, length: int, before: str, after: str) -> None:
    """A server that echoes the key, or a part of it, doesn't get it shown: no six characters of it in a row."""
    echoed = before + KEY[start : start + length] + after
    body = {"message": echoed, "reason": echoed, "code": echoed, "request_id": echoed}
    error = refusal(401, {"x-request-id": echoed}, json.dumps(body).encode(), secret=KEY)
    shown = repr(vars(error)) + str(error)
    # What the message says itself is no part of the key.
    assert not [KEY[at : at + 6] for at in range(len(KEY) - 5) if KEY[at : at + 6] in shown]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("-3", 0.0), ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0), ("soon", None), ("nan", None), ("inf", None), ("", None), (None, None),
        ("Fri, 20 Nov 99999999999 12:00:30 GMT", None), ("Fri, 20 Nov 2026 12:00:30 +99999999999999999999", None),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None), (", , :", None), ("9" * 5000, None), ("0 0 0 0:0", None),
    ],
)  # fmt: skip
def test_retry_after(asked: str | None, seconds: float | None) -> None:
    """A wait is asked for in seconds or as a date; nonsense asks for none."""
    headers = {} if asked is None else {"Retry-After": asked}
    assert retry_after(headers, datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("own", ["Fri, 20 Nov 2026 12:00:00 GMT", "Fri, 20 Nov 1998 12:00:00 GMT"])
def test_a_date_is_seen_from_the_servers_clock(own: str) -> None:
    """A wait until a date is the same however wrong this machine's clock is: the server tells its own time."""
    until = own.replace("12:00:00", "12:00:30")
    assert retry_after({"retry-after": until, "date": own}) == 30.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (12, "12 s"), (119, "119 s"), (121, "3 min"), (600, "10 min"), (10_800, "3 h"),
     (1e9, "more than two days"), (1e300, "more than two days")],
)  # fmt: skip
def test_spoken(seconds: float, words: str) -> None:
    """A wait is told in the unit that a person would use, never shorter than it is."""
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("status", "headers", "words", "seconds"),
    [
        (429, {}, "IPM exceeded", 0.0), (429, {"Retry-After": "7"}, "", 7.0), (429, {"Retry-After": "soon"}, "", 0.0),
        (429, {"Retry-After": "7"}, "insufficient balance", None), (503, {"Retry-After": "7"}, "", 7.0),
        (503, {"Retry-After": "0"}, "", 0.0), (503, {}, "", None), (503, {"Retry-After": "soon"}, "", None),
        (500, {"Retry-After": "7"}, "", None), (502, {"Retry-After": "7"}, "", None), (400, {}, "", None),
        (200, {"Retry-After": "7"}, "", None),
    ],
)  # fmt: skip
def test_refused_for_now(status: int, headers: dict[str, str], words: str, seconds: float | None) -> None:
    """Only what the service surely refused, and only for now, may be sent again, after so many seconds."""
    assert refused_for_now(status, headers, error_body(status, "REASON", words)) == seconds
