"""What a notebook shows: previews with captions, errors, and never a tag that somebody else wrote."""

from __future__ import annotations

import io
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from seedream_nb.errors import DownloadError, SeedreamError, StoppedError
from seedream_nb.generation import Generation, fold
from seedream_nb.job import Job
from seedream_nb.request import make_request
from seedream_nb.view import bundle, generation_bundle, history_bundle, job_bundle, request_bundle

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {"a", "div", "em", "figcaption", "figure", "img", "pre", "progress", "span", "strong"}
ATTRIBUTES = {"alt", "href", "max", "rel", "role", "src", "style", "target", "title", "value", "width"}

PAYLOADS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</div></figure><iframe src=//evil.example>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '"><svg/onload=alert(1)>',
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "<!--",
    "<![CDATA[<img src=x>]]>",
    "&lt;script&gt;alert(1)",
    "a\x1b[31m\u202ered\x00<b",
]


class Page(HTMLParser):
    """What a browser would find: each tag with its attributes, and the text between."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.odd: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """Note a comment: we write none."""
        self.odd.append(data)

    def handle_decl(self, decl: str) -> None:
        """Note a declaration: we write none."""
        self.odd.append(decl)

    def handle_pi(self, data: str) -> None:
        """Note an instruction: we write none."""
        self.odd.append(data)

    def unknown_decl(self, data: str) -> None:
        """Note whatever else is no tag: we write none."""
        self.odd.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def page(value: object) -> Page:
    """Return what a notebook shows of a value."""
    return Page(bundle(value)["text/html"])


def make(home: Path, *, pictures: int = 1, size: tuple[int, int] = (64, 48), **changes: Any) -> Generation:  # noqa: ANN401
    """Return generation 3 with its pictures on disk, as the journal tells of it."""
    at = "2026-11-21T09:30:00+00:00"
    intent = {
        "event": "intent", "id": 3, "at": at, "request": make_request("a fox", max_images=15).to_record(),
        "backend": "novita", "host": "api.novita.ai", "price": 0.03, **changes,
    }  # fmt: skip
    links = {"event": "links", "id": 3, "at": at, "links": [f"https://x.example/{n}" for n in range(pictures)]}
    files = [
        {"event": "file", "id": 3, "at": at, "index": index, "path": changes.get("path", f"0003-{index}-fox.jpg"),
         "width": size[0], "height": size[1], "media_type": "image/jpeg", "sha256": "", "size_bytes": 9}
        for index in range(1, pictures + 1)
    ]  # fmt: skip
    end = {"event": "end", "id": 3, "at": at, "status": "done", "cost": 0.03, "seconds": 2.0, **changes}
    generation = fold([intent, links, *files, {**end, "event": "end"}], home=home, alive=False)
    assert generation is not None
    for picture in generation:
        Image.new("RGB", size, "navy").save(picture.path, "JPEG")
    return generation


def ended(error: SeedreamError | None, generation: Generation | None = None) -> Job:
    """Return a job that has ended so."""
    job = Job(make_request("a fox"), backend="novita", host="api.novita.ai", price=0.03, timeout=60.0)
    job.finish(generation, error)
    return job


def check(html: str) -> Page:
    """Make sure that a page has only what we write ourselves: tags, attributes, addresses."""
    found = Page(html)
    assert found.odd == []
    for tag, attributes in found.tags:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES
        source, link = attributes.get("src"), attributes.get("href")
        assert source is None or source.startswith("data:image/jpeg;base64,")
        assert link is None or link.partition(":")[0] == "file" or ":" not in link.partition("/")[0]
    return found


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_journal_becomes_a_tag(tmp_path: Path, payload: str) -> None:
    """Whatever stands in any field of the journal is shown as text, in every view."""
    request = {**make_request("a fox").to_record(), "prompt": payload}
    hostile: dict[str, Any] = {
        "request": request, "template": payload, "backend": payload, "host": payload, "notebook": payload,
        "warnings": [payload], "sources": [payload], "status": payload,
        "error": {"kind": payload, "message": payload}, "path": f"{payload.replace('/', '').replace(chr(0), '')}.jpg",
    }  # fmt: skip
    generation = make(tmp_path, **hostile)
    gone = fold_missing(generation, payload)
    generation[0].path.rename(tmp_path / "away")
    shown = [bundle(each)["text/html"] for each in (generation, generation[0], gone)]
    (tmp_path / "away").rename(generation[0].path)
    shown += [bundle(each)["text/html"] for each in (generation, generation[0])]
    shown += [history_bundle([generation, gone])["text/html"]]
    for html in shown:
        check(html)


def fold_missing(generation: Generation, reason: str) -> Generation:
    """Return a generation that has lost its pictures, for some reason."""
    return replace(generation, images=[], missing={1: reason}, status=reason)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_job_becomes_a_tag(tmp_path: Path, payload: str) -> None:
    """Prompts, errors and hints of a job are shown as text, and so is the request of a dry run."""
    error = SeedreamError(payload, hint=payload)
    request = replace(make_request("a fox"), prompt=payload, warnings=(payload,))
    running = Job(request, backend="sandbox", host="sandbox", price=0.03, timeout=60.0)
    running.update(phase=payload, pictures=list(make(tmp_path)))
    views = [job_bundle(ended(error)), job_bundle(ended(error, make(tmp_path))), job_bundle(running)]
    for each in [*views, request_bundle(request, 0.03, payload)]:
        check(each["text/html"])


def test_what_was_written_is_still_readable(tmp_path: Path) -> None:
    """Escaping changes nothing for the reader: the text on the page is the text that was written."""
    generation = make(tmp_path, warnings=['2 < 3 & "so" it\'s <b>'])
    assert '2 < 3 & "so" it\'s <b>' in page(generation).text


def test_links_stay_whole(tmp_path: Path) -> None:
    """A link that a note quotes is not cut: it may be all that is left of a picture."""
    link = f"Link: https://x.example/{'s' * 1000}"
    shown = bundle(make(tmp_path, warnings=[link]))
    assert link in shown["text/plain"]
    assert link in Page(shown["text/html"]).text


def test_a_failed_job_tells_why() -> None:
    """A job that made nothing shows its error's lines, in the page and as text, not a bare word."""
    shown = job_bundle(ended(SeedreamError("The key is wrong.", hint="Try: %seedream login")))
    assert shown["text/plain"] == "The key is wrong.\nTry: %seedream login"
    assert check(shown["text/html"]).text == "The key is wrong.Try: %seedream login"


def test_a_stopped_job_tells_what_was_billed() -> None:
    """A job that was withdrawn says so in its own words."""
    assert job_bundle(ended(StoppedError("Stopped. Nothing was billed.")))["text/plain"] == (
        "Stopped. Nothing was billed."
    )


def test_a_job_with_pictures_and_an_error_shows_both(tmp_path: Path) -> None:
    """What arrived and what went wrong stand together; an error that is both the job's and the journal's, once."""
    generation = make(tmp_path, status="partial", error={"kind": "DownloadError", "message": "One is lost."})
    shown = job_bundle(ended(DownloadError("One is lost.", hint="Try again with: %seedream recover"), generation))
    found = check(shown["text/html"])
    assert len(found.all("img")) == 1
    for text in (shown["text/plain"], found.text):
        assert text.count("One is lost.") == 1
        assert "%seedream recover" in text


def test_a_job_that_broke_off_has_its_own_status(tmp_path: Path) -> None:
    """A generation that has no end in the journal is told as its job ended."""
    generation = replace(make(tmp_path), status="downloading")
    assert "@3 · failed · " in page(ended(SeedreamError("oops"), generation)).text


@pytest.mark.parametrize(("cost", "told"), [(0.0, "nothing charged"), (0.03, "0.03 USD"), (None, "may have been")])
def test_the_caption_tells_the_cost(tmp_path: Path, cost: float | None, told: str) -> None:
    """The caption says what it cost, that nothing was charged, or that nobody knows."""
    assert told in page(make(tmp_path, cost=cost)).text


def test_a_good_job_shows_its_generation(tmp_path: Path) -> None:
    """A job that ended well looks just like its generation."""
    generation = make(tmp_path)
    assert job_bundle(ended(None, generation)) == generation_bundle(generation)


@pytest.mark.parametrize("backend", ["sandbox", "novita"])
def test_only_imitations_have_a_badge(tmp_path: Path, backend: str) -> None:
    """A generation, a picture alone and a row of the history say whether the imitation made them."""
    generation = make(tmp_path, backend=backend)
    views = [bundle(generation), bundle(generation[0]), history_bundle([generation])]
    assert {"sandbox" in Page(each["text/html"]).text for each in views} == {backend == "sandbox"}
    assert {"sandbox" in each["text/plain"] for each in views} == {backend == "sandbox"}
    (image,) = page(generation[0]).all("img")
    assert image["alt"] == ("@3.1 (sandbox)" if backend == "sandbox" else "@3.1")


def test_every_picture_has_an_alternative_text(tmp_path: Path) -> None:
    """The alternative text has the prompt and says which of how many it is."""
    assert [image["alt"] for image in page(make(tmp_path, pictures=2)).all("img")] == [
        "a fox (@3.1, one of 2)",
        "a fox (@3.2, one of 2)",
    ]


@pytest.mark.parametrize(("size", "image", "figure"), [((4096, 512), 640, 640), ((512, 4096), 80, 160)])
def test_captions_are_as_wide_as_their_picture(tmp_path: Path, size: tuple[int, int], image: int, figure: int) -> None:
    """A long path does not push the next picture away, and a narrow picture's caption still has room."""
    found = page(make(tmp_path, size=size))
    assert found.all("img")[0]["width"] == str(image)
    assert f"width:{figure}px;max-width:100%" in (found.all("figure")[0]["style"] or "")


def test_no_colour_of_ours_lies_on_a_strange_background(tmp_path: Path) -> None:
    """Text has the theme's own colour, but for the badge, which brings its background along."""
    html = bundle(make(tmp_path, warnings=["long"]))["text/html"]
    styles = ";".join(attributes.get("style") or "" for _, attributes in Page(html).tags)
    assert {part for part in styles.split(";") if "color:" in part} == {"color:inherit"}


def contrast(one: int, other: int) -> float:
    """Return the contrast of two colours (0xRRGGBB), by the rule of WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: int) -> float:
    """Return how bright a colour is, from 0 to 1."""
    parts = [(colour >> shift & 255) / 255 for shift in (16, 8, 0)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_badge_can_be_read(tmp_path: Path) -> None:
    """The badge's letters stand out from it, 4.5 to 1 at least; it is not faint, as captions are."""
    badge, caption = page(make(tmp_path, backend="sandbox")[0]).all("span")
    assert "opacity" in (caption["style"] or "")
    style = dict(part.split(":", 1) for part in (badge["style"] or "").split(";"))
    assert "opacity" not in style
    assert contrast(*(int(style[name].lstrip("#"), 16) for name in ("background", "color"))) >= 4.5


@pytest.mark.parametrize(
    ("damage", "told"), [("gone", "the file is not there any more"), ("cut", "the file can’t be read")]
)
def test_lost_files(tmp_path: Path, damage: str, told: str) -> None:
    """A picture whose file is gone or damaged is told in words, in its place."""
    generation = make(tmp_path, pictures=2)
    path = generation[0].path
    path.unlink() if damage == "gone" else path.write_bytes(io.BytesIO(b"\xff\xd8\xff").getvalue())
    found = page(generation)
    assert (len(found.all("img")), told in found.text) == (1, True)
