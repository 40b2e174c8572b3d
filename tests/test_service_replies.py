"""What comes back: links with and without the key, whole pictures, refusals of single pictures, what is left of it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seedream_nb.errors import ApiError, ContentRefusedError, RateLimitError, ReplyError, ServiceError
from seedream_nb.http.salvage import parse_reply
from seedream_nb.service.redaction import redact, redact_content, redact_link, redact_message
from seedream_nb.service.refusals import READ_BYTES, none_made, refusal, retry_after
from seedream_nb.service.reply import _closing, is_inline, parse_results, salvage_results
from seedream_nb.service.retry import refused_for_now
from tests.faults.pictures import jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk_Zq7XvTgWpLmRkYbN"
WORDY = "sk-seedream-team-1"
LINK = "https://ark.example/seedream-4-0/out/1.jpeg?X-Tos-Date=20261128&x=%2Fa%20b"
KEYS = st.text(st.characters(codec="ascii", categories=["L", "N", "Pd"]), min_size=1, max_size=60)
LINKS = st.builds(lambda path: f"https://x.example/{quote(path)}", st.text(max_size=60))

# -- the key in a link -----------------------------------------------------------------------------


def test_words_that_a_link_and_the_key_share_stay() -> None:
    """A link that merely has a word of the key can be fetched as it is kept."""
    assert redact_link(LINK, WORDY) == LINK


@given(secret=KEYS, link=LINKS)
def test_a_link_without_the_key_is_kept_as_it_came(secret: str, link: str) -> None:
    """Whatever the key is: a link in which it does not stand survives unchanged."""
    assume(secret.lower() not in link.lower())
    near = max(6, -(-4 * len(secret) // 5))
    assume(not any(secret[at : at + near].lower() in link.lower() for at in range(len(secret) - near + 1)))
    assert redact_link(link, secret) == link


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": str.upper,
    "nearly": lambda key: key[1:-1],
    "percent": lambda key: "".join(f"%{ord(each):02x}" for each in key),
    "some percent": lambda key: key.replace("Z", "%5A").replace("N", "%4e"),
    "percent twice": lambda key: "".join(f"%25{ord(each):02X}" for each in key),
    "JSON": lambda key: "".join(f"\\u{ord(each):04x}" for each in key),
    "HTML": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "HTML, sloppy": lambda key: "".join(f"&#0000000{ord(each)}" for each in key) + ";",
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(each):08x};" for each in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a user": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
}  # fmt: skip


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("redact", [redact, redact_link])
def test_a_key_is_blotted_out_however_it_is_spelled(
    redact: Callable[[str, str], str], spell: Callable[[str], str]
) -> None:
    """(Nearly) the whole key goes from a link and a text; what stands around it stays."""
    spelled = spell(KEY)
    left = redact(f"https://a.example/1.jpg?k={spelled}&x=1", KEY)
    assert "…" in left
    assert left.startswith("https://a.example/1.jpg?k=")
    assert left.endswith("&x=1")
    assert len(left) <= len("https://a.example/1.jpg?k=Bearer+base64&x=1")


CODINGS: dict[str, Callable[[str], str]] = {
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a user": lambda key: base64.b64encode(f"me:{key}?".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
}


def readable(text: str) -> str:
    """Return what can be read in a text that is cut out of base64 or hexadecimal."""
    digits = [bytes.fromhex(text[at : at + (len(text) - at) // 2 * 2]) for at in (0, 1) if HEXED.fullmatch(text)]
    words = [text[at : at + (len(text) - at) // 4 * 4] for at in range(4)]
    return b" ".join([*digits, *map(base64.urlsafe_b64decode, words)]).decode("latin-1")


HEXED = re.compile("[0-9a-fA-F]*")


@pytest.mark.parametrize("secret", [KEY, WORDY, "user:pa55+/~ÿ?word"])
@pytest.mark.parametrize("spell", CODINGS.values(), ids=CODINGS)
def test_no_piece_of_an_encoded_key_is_left(spell: Callable[[str], str], secret: str) -> None:
    """Wherever base64 or hexadecimal is cut, what is left of it tells less than six characters."""
    spelled, runs = spell(secret), [secret[at : at + 6] for at in range(len(secret) - 5)]
    for begin, end in itertools.combinations(range(len(spelled) + 1), 2):
        left = redact(spelled[begin:end], secret)
        read = " ".join(map(readable, left.replace("=", "").split("…")))
        assert not any(run.encode().decode("latin-1") in read for run in runs), (begin, end, left)


@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("begins", range(len(KEY) - 5))
def test_no_piece_of_a_key_is_left_that_was_cut_and_then_encoded(before: str, begins: int) -> None:
    """Six characters of it show in base64, whatever stands around them."""
    piece = base64.b64encode(f"{before}{KEY[begins : begins + 6]}!!".encode()).decode()
    assert "…" in redact(piece, KEY)


@given(before=st.text(), after=st.text(), secret=KEYS.filter(lambda key: len(key) > 5))
def test_no_link_holds_the_whole_key(before: str, after: str, secret: str) -> None:
    """Wherever it stands."""
    assert secret.lower() not in redact_link(f"https://x.example/{before}{secret}{after}", secret).lower()


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://a.example/out/1.jpeg?n=1", "https://a.example/out/1.jpeg?n=…"),
        ("https://1.example/seedream-1-0/1/a-1.jpg", "https://1.example/seedream-1-0/…/a-1.jpg"),
        ("https://me:1@a.example/11/1_1.jpg", "https://me:…@a.example/11/1_1.jpg"),
    ],
)
def test_a_short_key_in_a_link_is_a_piece_of_it(link: str, kept: str) -> None:
    """A key of less than six characters goes where it is all that stands between two of an address's marks."""
    assert redact_link(link, "1") == kept


# -- the key in our own messages -------------------------------------------------------------------


@pytest.mark.parametrize("key", ["images", "https", "journal", "service", "a", "sk-picture-the-service-team", WORDY])
def test_our_own_words_stay_whatever_the_key_is(key: str) -> None:
    """What a server wrote is blotted before it is put into a message, so our own words need not be."""
    message = (
        "The service's reply names no picture. A key of these images: %seedream login, https://novita.ai/billing; "
        "it is kept in the journal of this team."
    )
    assert redact_message(message, key) == message


def test_a_long_key_leaves_our_own_messages_all_the_same() -> None:
    """Should an echo of it get there by a way that nobody thought of."""
    assert redact_message(f"Internal error in seedream_nb: {WORDY} {KEY[1:]}", KEY).endswith(f"{WORDY} …")
    assert redact_message(f"Internal error in seedream_nb: {WORDY}", WORDY) == "Internal error in seedream_nb: …"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"the pictures of my team", "isn't JSON: the … of my team"),
        (b"{}", "has no list of pictures"),
        (b'{"message": "no pictures"}', "has no list of pictures, but says: no …"),
    ],
)
def test_a_senseless_reply_is_told_in_our_own_words(content: bytes, told: str) -> None:
    """Only what the server said is blotted."""
    with pytest.raises(ReplyError) as caught:
        parse_results(content, 1, secret="pictures")
    assert caught.value.message == f"The service's reply {told}."


@pytest.mark.parametrize(("content", "is_kept"), [(b"", False), (b"{}", True)])
def test_only_a_reply_that_says_something_is_said_to_be_kept(content: bytes, is_kept: bool) -> None:
    """Of an empty one, as a 204 has it, there is nothing to keep."""
    with pytest.raises(ReplyError) as caught:
        parse_results(content, 1, secret=KEY)
    assert ("kept" in str(caught.value)) is is_kept
    assert "may have been billed" in str(caught.value)


# -- the key in what is kept -----------------------------------------------------------------------


def test_what_is_kept_has_its_links_whole() -> None:
    """A kept text loses each part of the key, its links only the whole of it."""
    text = f'{{"images": ["{LINK}", "https:\\/\\/a.example\\/seedream-team\\/?k={WORDY}"], "for": "sk-seedream"}}'
    kept = redact_content(text.encode(), [WORDY]).decode()
    assert kept == f'{{"images": ["{LINK}", "https:\\/\\/a.example\\/seedream-team\\/?k=…"], "for": "…"}}'


def test_a_picture_is_kept_byte_for_byte() -> None:
    """Even one that has the key in it: nobody could look at it any more."""
    picture = jpeg(64, 64)
    with_key = picture[:2] + b"\xff\xfe\x00\x15" + KEY.encode() + picture[2:]
    assert redact_content(with_key, [KEY]) == with_key


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "gbk"])
def test_a_page_is_kept_without_the_key_in_any_encoding(encoding: str) -> None:
    """What comes before and after it stays, byte for byte."""
    before, after = "<p>" if encoding == "gbk" else "<p>é ", " denied</p>"
    page = f"{before}{KEY}{after}".encode(encoding)
    kept = redact_content(page, [KEY])
    assert kept.startswith(before.encode(encoding))
    assert kept.endswith(after.encode("utf-16-le" if "16" in encoding else encoding))
    assert KEY[:6].encode() not in kept.replace(b"\0", b"")


@given(st.binary(), st.lists(st.sampled_from([WORDY, KEY, "k1"]), max_size=2))
def test_what_has_no_key_in_it_is_kept_as_it_came(content: bytes, secrets: list[str]) -> None:
    """Whatever bytes they are."""
    assume(not any(secret.encode() in content.lower() for secret in secrets))
    assume(b"k1" not in content.lower())
    assert redact_content(content, secrets) == content


# -- what a reply lists ----------------------------------------------------------------------------

PICTURE = b"\x89PNG\r\n\x1a\n and so on"
BASE64 = base64.b64encode(PICTURE).decode()


def reply(*items: object) -> bytes:
    """Return a reply with these items."""
    return json.dumps({"images": items}).encode()


@pytest.mark.parametrize(
    "item",
    [
        f"data:image/png;base64,{BASE64}", f" data:;base64,{BASE64} ", f"DATA:image/png;charset=x;BASE64,{BASE64}",
        f"data:image/png;base64,{BASE64.rstrip('=')}", f"data:image/png;base64,{quote(BASE64, safe='')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(PICTURE).decode()}",
        f"data:image/png;base64,{BASE64[:8]}\n {BASE64[8:]}",
        {"url": f"data:image/png;base64,{BASE64}"}, {"image_url": f"data:image/png;base64,{BASE64}"},
        {"b64_json": BASE64},
    ],
)  # fmt: skip
def test_a_picture_can_come_in_the_reply(item: object) -> None:
    """It is named by its content in place of a link, and had by that name; the name is short."""
    results = parse_results(reply(item, "https://a.example/2"), 2)
    picture, link = results.links
    assert is_inline(picture)
    assert len(picture) < 120
    assert (results.raw[picture], link) == (PICTURE, "https://a.example/2")
    assert not results.is_odd
    assert BASE64[:12] not in repr(results)


def test_a_large_picture_in_a_reply() -> None:
    """Several megabytes of base64 beside links, with slashes spelled as PHP does, are read as they are."""
    picture = jpeg(64, 64, size_bytes=5_000_000)
    text = reply(f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}", "https://a.example/2")
    results = parse_results(text.replace(b"/", b"\\/"), 2)
    assert results.raw[results.links[0]] == picture
    assert results.links[1] == "https://a.example/2"


SENSITIVE = {"code": "OutputImageSensitiveContentDetected", "message": "may contain sensitive information"}


def test_a_refused_picture_among_others() -> None:
    """Its place and the service's words are told, and the others are results; that is not odd."""
    results = parse_results(reply("https://a.example/1", {"error": SENSITIVE}, {"url": "https://a.example/3"}), 3)
    assert results.links == ["https://a.example/1", "https://a.example/3"]
    assert [each.to_record() for each in results.refused] == [{"picture": 2, "of": 3, **SENSITIVE}]
    assert not results.is_odd


@pytest.mark.parametrize(
    ("item", "picture"),
    [
        ({"url": "https://a.example/1", "error": None}, True),
        ({"url": "https://a.example/1", "error": SENSITIVE}, True),
        ({"url": None, "error": "no"}, False), ({"url": "", "error": {"code": 500}}, False),
    ],
)  # fmt: skip
def test_an_item_with_a_link_is_a_picture(item: object, picture: bool) -> None:
    """Whatever else it says: it is paid for. One without is refused if it says so in any form."""
    results = parse_results(reply(item), 1)
    assert (bool(results.links), bool(results.refused)) == (picture, not picture)


@pytest.mark.parametrize("items", [({},), (None,), ("",), ({"error": {}},), ({"error": SENSITIVE}, None)])
def test_neither_pictures_nor_refusals(items: tuple[object, ...]) -> None:
    """A reply without any picture, in which something else than a refusal stands, may have been billed."""
    with pytest.raises(ReplyError, match="may have been billed"):
        parse_results(reply(*items), 2)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (SENSITIVE, ContentRefusedError, "safety check refused the result"),
        ({"code": "InputTextSensitiveContentDetected", "message": "the prompt"}, ContentRefusedError, "the prompt"),
        ({"code": "RateLimitExceeded", "message": "slow"}, RateLimitError, "“slow”"),
        ({"code": "InternalServiceError", "message": "oops"}, ServiceError, "“oops”"),
        ({"code": 500}, ServiceError, "500"), ("no", ApiError, "“no”"),
    ],
)  # fmt: skip
def test_no_picture_was_made(error: object, kind: type[ApiError], words: str) -> None:
    """A reply that refuses each picture is a refusal of the class that its words say; nothing was billed."""
    told = none_made(parse_results(reply({"error": error}, {"error": error}), 2).refused)
    assert type(told) is kind
    assert words in str(told)
    assert "billed" in str(told)


def test_a_refused_picture_shows_no_key() -> None:
    """Wherever the service puts it."""
    (refused,) = parse_results(reply({"error": {"code": KEY, "message": {"to": [KEY]}}}), 1, secret=KEY).refused
    assert KEY[3:9] not in f"{refused} {refused.to_record()} {none_made([refused])}"


def test_a_reply_that_says_why_it_has_no_list() -> None:
    """What a reply says in place of pictures is told."""
    with pytest.raises(ReplyError, match="but says: out of order"):
        parse_results(b'{"error": {"message": "out of order"}}', 1)


def test_an_endless_link_is_odd() -> None:
    """It can't be fetched; the journal has its beginning, and the reply is kept."""
    results = parse_results(reply("https://a.example/" + "a" * 100_000), 1)
    assert results.is_odd
    assert len(results.links[0]) < 17_000


TEXTS = st.one_of(
    st.text(), st.sampled_from(["https://a/\ud800", "data:;base64,\ud800%41", "data:;base64,A", "\0lifted:0", "%"])
)  # fmt: skip
NAMES = st.sampled_from(["images", "url", "image_url", "b64_json", "error", "code", "message"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(NAMES, inner)),
)


@given(items=st.lists(VALUES), cut=st.integers(0, 9))
def test_nothing_in_a_reply_is_in_the_way(items: list[Any], cut: int) -> None:
    """Whatever stands in it, it is read, or said to make no sense: an error of ours would lose what is paid for."""
    content = reply(*items)
    with contextlib.suppress(ReplyError):
        results = parse_results(content, 4, secret=KEY)
        assert results.links or str(none_made(results.refused))
    salvage_results(content[: len(content) - cut], 4, secret=KEY)


@given(st.binary())
def test_no_bytes_are_in_the_way(content: bytes) -> None:
    """Nor does it matter what bytes they are."""
    for each in (content, b'{"images": [' + content, b'{"images": ["http:' + content + b'"]}'):
        with contextlib.suppress(ReplyError):
            parse_results(each, 4, secret=KEY)
        salvage_results(each, 4, secret=KEY)


# -- what is left of one ---------------------------------------------------------------------------

WHOLE = {
    "spaces before it": b"\n" * 5000 + reply("https://a.example/1"),
    "a mark before it": b"\xef\xbb\xbf" + reply("https://a.example/1"),
    "something behind it": reply("https://a.example/1") + b"\r\n--end--\r\n",
    "the marks of its transfer": b"24;x=1\r\n" + reply("https://a.example/1") + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_all_of_it_came(content: bytes) -> None:
    """What stands around a reply's JSON takes nothing from it."""
    results, is_whole = salvage_results(content, 1)
    assert (results.links, is_whole) == (["https://a.example/1"], True)


PARTS = {
    "cut off": '{"images": ["https://a.example/1?x=1\\u0026y=2", "https:\\/\\/a.example\\/2", "https://a.exam',
    "a quote too many": '{"images": ["https://a.example/1?x=1&y=2", "x"y", "https://a.example/2"]}',
}


@pytest.mark.parametrize("content", PARTS.values(), ids=PARTS)
def test_links_of_a_part(content: str) -> None:
    """Each link that came whole is found, however it is spelled."""
    results, is_whole = salvage_results(content.encode(), 2)
    assert (results.links, is_whole) == (["https://a.example/1?x=1&y=2", "https://a.example/2"], False)


@pytest.mark.parametrize(
    "content",
    [
        b'{"images": ["https://a.example/1"], "images": ["https://a.example/2"]}',
        b'{"images": ["https://a.example/1", "https://a.example/2"], "images": null}',
        b'{"images": ["https://a.example/1"]}{"images": ["https://a.example/2"]}',
        b'{"status": "working"}\n{"images": ["https://a.example/1", "https://a.example/2"]}\n',
        b'{"images": ["https://a.example/1"]}\n\ndata: {"images": ["https://a.example/1", "https://a.example/2"]}\n\n',
    ],
)
def test_several_lists_are_one(content: bytes) -> None:
    """Links that are told twice or one after the other are all results: each may be paid for."""
    results, is_whole = salvage_results(content, 2)
    assert (results.links, is_whole) == (["https://a.example/1", "https://a.example/2"], True)


@pytest.mark.parametrize(
    "items",
    [
        ("https://a.example/1", ["https://a.example/2", "https://a.example/1"]),
        ("https://a.example/1", {"uri": "https://a.example/2", "licence": "https://a.example/licence"}),
        ({"url": "https://a.example/1"}, {"image_url": {"url": "https://a.example/2", "detail": "high"}}),
    ],
)
def test_a_link_within_an_item_is_a_picture(items: tuple[object, ...]) -> None:
    """Beside one that is as documented, none that is paid for is passed over, however the service wraps it."""
    assert parse_results(reply(*items), 2).links == ["https://a.example/1", "https://a.example/2"]


@pytest.mark.parametrize(
    "value",
    [
        {"created": 1, "data": [{"url": "https://a.example/1"}, {"url": "https://a.example/2"}]},
        {"image_urls": ["https://a.example/1", "https://a.example/2"]},
        {"Images": ["https://a.example/1", "https://a.example/2"]},
        ["https://a.example/1", "https://a.example/2"],
    ],
)
def test_links_under_another_name(value: object) -> None:
    """They are kept, though the reply is not as documented; links elsewhere are a captive portal's, or of help."""
    results, is_whole = salvage_results(json.dumps(value).encode(), 2)
    assert (results.links, is_whole) == (["https://a.example/1", "https://a.example/2"], False)
    assert not salvage_results(json.dumps({"help": value}).encode(), 2)[0].links


def test_a_picture_under_another_name() -> None:
    """One that came as a whole is kept too."""
    results, _ = salvage_results(json.dumps({"data": [{"b64_json": BASE64}]}).encode(), 1)
    assert list(results.raw.values()) == [PICTURE]


@pytest.mark.parametrize("packed", ["", "@@@@", "!" * 4_000 + BASE64[:400]])
def test_a_picture_that_is_damaged_is_odd(packed: str) -> None:
    """What its bytes lack stands only in the reply, which is kept."""
    assert parse_results(reply(f"data:image/png;base64,{packed}"), 1).is_odd


def test_a_whole_picture_of_a_part() -> None:
    """A picture that came as a whole is one; one that was cut off is none."""
    content = reply(f"data:image/png;base64,{BASE64}", f"data:image/png;base64,{BASE64}x")[:-8]
    results, is_whole = salvage_results(content, 2)
    assert ([*results.raw.values()], is_whole) == ([PICTURE], False)


# -- and all of it in time --------------------------------------------------------------------------

MEGABYTE = 1_000_000
WORST = {
    "links": b'{"images": [' + b'"http:' * (MEGABYTE // 6),
    "escaped links": b'{"images": [' + b'\\"http:' * (MEGABYTE // 7),
    "links that begin again": b'{"images": ["http:' * (MEGABYTE // 18),
    "pictures": b'{"images": [' + b'\\"data:image/' * (MEGABYTE // 13),
    "lists": b'{"images"  ' * (MEGABYTE // 11),
    "an endless link": b'{"images": ["http:' + b"a" * MEGABYTE,
    "quotes": b'{"images":' + b'"' * MEGABYTE,
    "escaped quotes": b'{"images":["' + b'\\"' * (MEGABYTE // 2),
    "escapes": b'{"images":["' + b"\\" * MEGABYTE,
    "codes": b'{"images":["' + b"\\u0041" * (MEGABYTE // 6) + b'"]}',
    "percents": b'{"images":["https://a/' + b"%25" * (MEGABYTE // 3),
    "half a key": KEY[:-1].encode() * (MEGABYTE // 18),
    "half a key in base64": base64.b64encode(KEY.encode())[:-4] * (MEGABYTE // 24),
    "half a key in base64, escaped": (base64.b64encode(KEY.encode())[:-4] + b"%20") * (MEGABYTE // 27),
    "half a key in hexadecimal": KEY.encode().hex()[:-2].encode() * (MEGABYTE // 36),
    "addresses": b"http://" * (MEGABYTE // 7) + KEY.encode(),
    "halves": b"<" * (MEGABYTE // 2) + b"<title" * (MEGABYTE // 12),
    "entities": b"&#0" * (MEGABYTE // 3),
    "spaces": b" " * MEGABYTE,
    "nothing": b"\0" * MEGABYTE,
    "no text": b"\xff" * MEGABYTE,
}


@pytest.mark.slow
@pytest.mark.parametrize("content", WORST.values(), ids=WORST)
def test_a_megabyte_of_the_worst(content: bytes) -> None:
    """Everything that reads what a service sends takes time in proportion to it: seconds, where it took hours."""
    began = time.thread_time()
    with contextlib.suppress(ReplyError):
        parse_results(content, 1, secret=KEY)
    salvage_results(content, 1, secret=KEY)
    redact_content(content, [KEY])
    refusal(400, {"location": content.decode("latin-1")}, content, secret=KEY)
    refused_for_now(429, {"retry-after": content.decode("latin-1")}, content)
    assert time.thread_time() - began < 20


@pytest.mark.parametrize("content", WORST.values(), ids=WORST)
def test_a_refusal_takes_no_time(content: bytes) -> None:
    """As much of a refusal as is read, is read within a moment: that is done where all else waits for it."""
    began = time.thread_time()
    refusal(400, {}, content[:READ_BYTES], secret=KEY)
    refused_for_now(429, {}, content[:READ_BYTES])
    retry_after({"retry-after": content.decode("latin-1")})
    assert time.thread_time() - began < 1


LARGEST = 8 * MEGABYTE


@pytest.mark.slow
@pytest.mark.parametrize("unit", [b'\\"', b'"http:\0'], ids=["escaped quotes", "links without an end"])
def test_the_largest_reply_is_read_soon(unit: bytes) -> None:
    """8 MB of the worst are looked through for links, however they may be framed, within seconds."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    began = time.thread_time()
    assert not parse_reply(head + b'{"images":["' + unit * (LARGEST // len(unit))).is_whole
    assert time.thread_time() - began < 8


@pytest.mark.slow
@pytest.mark.parametrize("escape", ["%{:02x}", "%25{:02x}", "&#{};", "\\u{:04x}", "\\x{:02x}", "{:c}\0"])
@pytest.mark.parametrize("between", ["", "+"])
def test_a_reply_full_of_escaped_keys_is_cleaned_soon(escape: str, between: str) -> None:
    """8 MB of the key in the escapes of addresses, JSON or HTML are blotted out within seconds, and all of them."""
    spelled = "".join(escape.format(each) for each in KEY.encode()) + between
    content = spelled.encode() * (LARGEST // len(spelled))
    began = time.thread_time()
    kept = redact_content(content, [KEY])
    assert time.thread_time() - began < 15
    assert not kept.replace("…".encode(), b"").replace(between.encode(), b"").strip(b"\0")


@pytest.mark.parametrize("begins", range(5))
def test_nothing_but_pieces_of_a_key_goes_as_a_whole(begins: int) -> None:
    """Where thousands of pieces of the key stand among escapes, none of them is left."""
    content = f"{KEY[begins : begins + 6]}%20".encode() * 50_000
    assert KEY[begins : begins + 6].encode() not in redact_content(content, [KEY])


@pytest.mark.parametrize(
    ("written", "closes"),
    [
        (b'"', 0), (b'\\"', -1), (b'a\\\\"', 3), (b'\\\\\\"', -1), (b"a", -1), (b"\\", -1), (b"", -1),
        (b'\\"' * 200_000 + b'"', 400_000),
    ],
    ids=range(8),
)  # fmt: skip
def test_where_a_text_ends(written: bytes, closes: int) -> None:
    """A text of JSON ends at the first quote that is not escaped, however many are."""
    assert _closing(b'"' + written, 1) == (closes + 1 if closes >= 0 else -1)
