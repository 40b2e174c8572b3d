"""What a notebook shows: previews with captions, errors, and never a tag that somebody else wrote."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from seedream_nb.errors import DownloadError, SeedreamError, StoppedError
from seedream_nb.jobs.job import Job
from seedream_nb.request import Reference, make_request
from seedream_nb.storage.folding import fold
from seedream_nb.view import bundle, generation_bundle, history_bundle, job_bundle, request_bundle
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.storage.generation import Generation
    from seedream_nb.view import Bundle

TAGS = {"a", "bdi", "div", "em", "img", "pre", "progress", "span", "strong", "table", "tbody", "td", "tr"}
ATTRIBUTES = {
    *(
        "align",
        "alt",
        "aria-label",
        "border",
        "cellpadding",
        "class",
        "data-seedream",
        "dir",
        "href",
        "rel",
        "role",
        "src",
        "style",
    ),
    *("target", "title", "valign", "value", "width"),
}

PAYLOADS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</div></td></table><iframe src=//evil.example>",
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


def make(
    home: Path,
    *,
    pictures: int = 1,
    size: tuple[int, int] = (64, 48),
    drawn: tuple[int, int] | None = None,
    **changes: Any,
) -> Generation:
    """Return generation 3 with its pictures on disk, as the journal tells of it; `drawn` makes smaller files."""
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
        Image.new("RGB", drawn or size, "navy").save(picture.path, "JPEG")
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
    images = [
        {"name": payload, "file": put_in(tmp_path), "width": payload, "height": payload, "sha256": payload},
        {"name": payload, "file": payload, "sha256": payload},
        {"name": payload, "url": f"https://x.example/{''.join(each for each in payload if each > ' ')}"},
    ]
    request = {**make_request("a fox").to_record(), "prompt": payload, "images": images}
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


def put_in(home: Path, picture: Image.Image | None = None, name: str = "a") -> str:
    """Keep a picture as a reference that was sent; return what the journal calls its file."""
    kept = f"inputs/{name * 64}.png"
    (home / "inputs").mkdir(exist_ok=True)
    (picture or Image.new("RGB", (400, 300), "green")).save(home / kept)
    return kept


def sent(home: Path, prompt: str = "a fox", **names: str) -> dict[str, Any]:
    """Return the journal's form of a request with these references, each a file of its own; a URL is just told."""
    images = [
        {"name": name, "url": name} if "://" in name else
        {"name": name, "file": put_in(home, name=place), "sha256": place, "width": 400, "height": 300}
        for place, name in names.items()
    ]  # fmt: skip
    return {**make_request(prompt).to_record(), "images": images}


def fold_missing(generation: Generation, reason: str) -> Generation:
    """Return a generation that has lost its pictures, for some reason."""
    return replace(generation, images=[], missing={1: reason}, status=reason)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_job_becomes_a_tag(tmp_path: Path, payload: str) -> None:
    """Prompts, errors and hints of a job are shown as text, and so is the request of a dry run."""
    error = SeedreamError(payload, hint=payload)
    handed = [
        Reference(name=payload, sha256="a", source=encoded(gradient(), "PNG")),
        Reference(name=payload, url=payload),
    ]
    request = replace(make_request("a fox", images=handed), prompt=payload, warnings=(payload,))
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


@pytest.mark.parametrize(
    ("size_bytes", "told"), [(0, "Uploading…"), (400, "Uploading…"), (2_400_000, "Uploading 1.2 of 2.4 MB")]
)
def test_what_takes_no_time_to_upload_is_not_counted(size_bytes: int, told: str) -> None:
    """A request without pictures is a few hundred bytes: "0.0 of 0.0 MB" would only puzzle."""
    running = Job(make_request("a fox"), backend="sandbox", host="sandbox", price=0.03, timeout=60.0)
    running.update(phase="uploading", uploaded_bytes=size_bytes // 2, upload_bytes=size_bytes)
    assert job_bundle(running)["text/plain"] == told


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
    assert told in page(replace(make(tmp_path), cost=cost)).text


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


@pytest.mark.parametrize(("size", "image", "figure"), [((4096, 512), 900, 900), ((512, 4096), 80, 160)])
def test_captions_are_as_wide_as_their_picture(tmp_path: Path, size: tuple[int, int], image: int, figure: int) -> None:
    """A long path does not push the next picture away, and a narrow picture's caption still has room."""
    found = page(make(tmp_path, size=size))
    assert found.all("img")[0]["width"] == str(image)
    (cell,) = found.all("td")
    assert cell["width"] == str(figure)
    assert f"width:{figure}px;max-width:100%" in (cell["style"] or "")


@pytest.mark.parametrize("count", [1, 4, 15])
def test_each_preview_stands_on_the_page_once(tmp_path: Path, count: int) -> None:
    """JupyterLab parses a result twice as it opens: it has one preview a picture, and little else for each."""
    html = bundle(make(tmp_path, pictures=count))["text/html"]
    found = Page(html)
    previews = [image["src"] or "" for image in found.all("img")]
    assert html.count("data:") == len(previews) == count
    assert len(found.tags) <= 12 + 12 * count
    assert len(html) - sum(map(len, previews)) <= 2000 + 1500 * count


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


@pytest.mark.parametrize(("damage", "told"), [("gone", "the file no longer exists"), ("cut", "the file can’t be read")])
def test_lost_files(tmp_path: Path, damage: str, told: str) -> None:
    """A picture whose file is gone or damaged is told in words, in its place."""
    generation = make(tmp_path, pictures=2)
    path = generation[0].path
    path.unlink() if damage == "gone" else path.write_bytes(io.BytesIO(b"\xff\xd8\xff").getvalue())
    found = page(generation)
    assert (len(found.all("img")), told in found.text) == (1, True)


class Grid(HTMLParser):
    """Where the pictures of a page stand: the number of pictures in each row of each table, and those outside."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.rows: list[int] = []
        self.widths: list[str | None] = []
        self.outside = 0
        self._cells = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count a picture in its row."""
        if tag == "td":
            self.widths.append(dict(attrs).get("width"))
        if tag == "tr":
            self.rows.append(0)
        elif tag == "td":
            self._cells += 1
        elif tag == "img" and self._cells:
            self.rows[-1] += 1
        elif tag == "img":
            self.outside += 1

    def handle_endtag(self, tag: str) -> None:
        """Leave a cell."""
        self._cells -= tag == "td"


def grid(value: Bundle) -> Grid:
    """Return where the pictures of a view stand."""
    return Grid(value["text/html"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "size", "rows"),
    [
        (1, (64, 48), [1]),
        (2, (640, 480), [2]),
        (4, (640, 480), [2, 2]),
        (5, (640, 480), [3, 2]),
        (15, (640, 480), [3, 3, 3, 3, 3]),
        (15, (360, 640), [5, 5, 5]),
        (2, (2100, 900), [2]),
    ],
)
def test_pictures_stand_in_a_table(tmp_path: Path, count: int, size: tuple[int, int], rows: list[int]) -> None:
    """Where every style is stripped, pictures stand side by side in rows that fit a page, about equally long."""
    shown = grid(bundle(make(tmp_path, pictures=count, size=size)))
    assert (shown.rows, shown.outside) == (rows, 0)


def test_every_picture_has_a_width(tmp_path: Path) -> None:
    """Where every style is stripped, a picture and its cell still are as wide as they should be."""
    for shown in (page(make(tmp_path, pictures=5, size=(640, 480))), page(make(tmp_path)[0])):
        widths = [
            (image["width"], cell["width"]) for image, cell in zip(shown.all("img"), shown.all("td"), strict=True)
        ]
        assert all(image and int(image) <= int(cell or 0) for image, cell in widths)


def running(size: str | None = None, pictures: int | None = None) -> Job:
    """Return a job that was just begun."""
    request = make_request("a fox", size=size, max_images=pictures)
    return Job(request, backend="novita", host="api.novita.ai", price=0.03, timeout=60.0)


def test_a_running_job_has_the_same_layout(tmp_path: Path) -> None:
    """Pictures that have landed stand where they will stand in the result, above what the job is doing."""
    job = running("16:9", 4)
    job.update(phase="downloading", expected=4, pictures=list(make(tmp_path, pictures=4, size=(64, 36)))[1:])
    shown = job_bundle(job)
    assert grid(shown).rows == [1, 2]
    assert Page(shown["text/html"]).text.strip().endswith("Downloading 3 of 4")


@pytest.mark.parametrize(
    ("size", "pictures", "places", "look"),
    [
        ("21:9", None, 1, "width:900px;max-width:100%;aspect-ratio:3024/1296"),
        ("9:16", None, 1, "width:360px;max-width:100%;aspect-ratio:1440/2560"),
        ("9:16", 4, 4, "width:218px;max-width:100%;aspect-ratio:1440/2560"),
        ("4K", None, 1, "width:640px;max-width:100%;aspect-ratio:2048/2048"),
    ],
)
def test_a_picture_that_is_to_come_has_its_place(size: str, pictures: int | None, places: int, look: str) -> None:
    """From the first moment there is a place for each picture, as large as it will be, so that nothing moves then."""
    assert job_bundle(running(size, pictures))["text/html"].count(look) == places


def test_a_place_becomes_its_picture(tmp_path: Path) -> None:
    """A picture is shown as wide as the place that was kept for it, in a cell as wide."""
    widths = {}
    for shape in ((64, 36), (36, 64), (64, 64), (21 * 3, 9 * 3)):
        for count in (1, 2, 4, 9):
            large = (shape[0] * 48, shape[1] * 48)
            job = running(f"{large[0]}x{large[1]}", count)
            waiting = Grid(job_bundle(job)["text/html"]).widths
            generation = make(tmp_path, pictures=count, size=large, drawn=shape)
            widths[shape, count] = waiting == Grid(bundle(generation)["text/html"]).widths != []
    assert all(widths.values()), widths


@pytest.mark.parametrize(
    ("size", "width"), [((2048, 2048), 640), ((3024, 1296), 900), ((1440, 2560), 360), ((2560, 1440), 900)]
)
def test_one_picture_uses_the_width_and_fits_the_height(tmp_path: Path, size: tuple[int, int], width: int) -> None:
    """A wide picture takes the width that is there, and a high one is no higher than a screen."""
    assert page(make(tmp_path, size=size, drawn=(64, 64))).all("img")[0]["width"] == str(width)


def test_one_picture_has_one_line(tmp_path: Path) -> None:
    """The caption of a picture alone tells mark, size, seconds, cost and path in one line."""
    told = page(make(tmp_path)).text.strip()
    assert re.fullmatch(r"@3 · 64×48 · 2\.0 s · 0\.03 USD · \S*0003-1-fox\.jpg", told)


def test_four_stand_as_two_pairs(tmp_path: Path) -> None:
    """Four pictures stand four in a row or two and two, never three and one: a pair wraps as one."""
    rows = Page(bundle(make(tmp_path, pictures=4, size=(1440, 2560), drawn=(36, 64)))["text/html"]).all("tr")
    assert ["display:contents" in (row["style"] or "") for row in rows] == [False, False]


def test_only_final_results_have_a_picture_beside_the_page(tmp_path: Path) -> None:
    """What shows no HTML gets a JPEG of a result or a picture; a job on its way sends no such thing each second."""
    generation = make(tmp_path, pictures=2)
    running = Job(make_request("a fox"), backend="novita", host="api.novita.ai", price=0.03, timeout=60.0)
    running.update(phase="downloading", expected=2, pictures=list(generation))
    views = [bundle(generation), bundle(generation[0]), job_bundle(ended(None, generation)), job_bundle(running)]
    assert ["image/jpeg" in each for each in views] == [True, True, True, False]


def jpeg(value: Bundle) -> Image.Image:
    """Return the picture beside a page, decoded."""
    image = Image.open(io.BytesIO(base64.b64decode(value["image/jpeg"])))
    image.load()
    return image


@pytest.mark.parametrize(("count", "size"), [(1, (1600, 1200)), (4, (1200, 1600)), (15, (1600, 1200))])
def test_the_picture_beside_the_page(tmp_path: Path, count: int, size: tuple[int, int]) -> None:
    """Beside the page is one JPEG of all the pictures, small enough for a notebook and large enough to print."""
    sheet = jpeg(bundle(make(tmp_path, pictures=count, size=size)))
    assert (sheet.format, max(sheet.size) < 1150, min(sheet.size) > 700) == ("JPEG", True, True)


def test_a_sheet_of_the_sandbox_says_so(tmp_path: Path) -> None:
    """On a sheet the label in the picture is too small to read, so it stands below, beside the mark."""
    sheets = [bundle(make(tmp_path, pictures=2, backend=backend))["image/jpeg"] for backend in ("novita", "sandbox")]
    assert sheets[0] != sheets[1]


def test_lost_files_are_left_out_of_the_sheet(tmp_path: Path) -> None:
    """A sheet shows what can be shown; with nothing to show there is none, and the page still tells."""
    generation = make(tmp_path, pictures=3)
    generation[0].path.unlink()
    generation[1].path.write_bytes(b"\xff\xd8\xff")
    assert bundle(generation)["image/jpeg"] == bundle(generation[2])["image/jpeg"]
    generation[2].path.unlink()
    assert set(bundle(generation)) == set(bundle(generation[2])) == {"text/plain", "text/html"}


def test_the_history_is_a_wall(tmp_path: Path) -> None:
    """Each generation is an item of a list: its first picture, its mark, how many there are, a line of its prompt."""
    several, failed = make(tmp_path, pictures=3), replace(make(tmp_path), images=[], status="failed", error="No.\nGo.")
    shown = check(history_bundle([several, failed])["text/html"])
    roles = [attributes.get("role") for _, attributes in shown.tags]
    assert (roles.count("list"), roles.count("listitem"), len(shown.all("img"))) == (1, 2, 1)
    assert " ".join(shown.text.split()) == "failedNo.@3 a fox@3 ×3 a fox"
    assert ["done · 3 pictures" in (each.get("title") or "") for each in shown.all("div")].count(True) == 1


@pytest.mark.slow
def test_a_wall_stays_small(tmp_path: Path) -> None:
    """The newest thirty are shown, of the grainiest pictures in less than 450 kB, and how many more there are."""
    grainy = make(tmp_path, size=(640, 480))
    Image.effect_noise((640, 480), 90).convert("RGB").save(grainy[0].path, "JPEG")
    html = history_bundle([grainy] * 33)["text/html"]
    shown = check(html)
    assert len(shown.all("img")) == 30
    assert "and 3 more" in shown.text
    assert len(html) < 450_000


def test_the_history_fits_a_terminal(tmp_path: Path) -> None:
    """As plain text the history is a line of at most 80 characters for each generation, and says what it leaves out."""
    long = make(tmp_path, request={**make_request("a fox").to_record(), "prompt": "fox " * 600}, backend="sandbox")
    *lines, rest = history_bundle([long] * 23)["text/plain"].splitlines()
    assert {len(each) for each in lines} <= set(range(60, 81))
    assert all(each.startswith("@3") and each.endswith("(sandbox)") for each in lines)
    assert (len(lines), rest) == (20, "and 3 more, in sd.history")


def test_the_history_fits_a_terminal_in_chinese(tmp_path: Path) -> None:
    """A Chinese character takes two columns of a terminal; a line still has at most 80."""
    chinese = make(tmp_path, request={**make_request("a fox").to_record(), "prompt": "雪" * 100})
    (line,) = history_bundle([chinese])["text/plain"].splitlines()
    assert 76 <= len(line) + line.count("雪") <= 80
    assert line.endswith("雪…")


def test_what_others_wrote_keeps_its_direction(tmp_path: Path) -> None:
    """A prompt, a file name and a note from right to left turn nothing around that we wrote beside them."""
    arabic = "ثعلب في الثلج"
    request = {**make_request("a fox").to_record(), "prompt": arabic}
    generation = make(tmp_path, request=request, warnings=[arabic], path="ثعلب.jpg")
    shown = [
        page(generation),
        Page(history_bundle([generation])["text/html"]),
        Page(job_bundle(ended(SeedreamError(arabic)))["text/html"]),
    ]
    assert [any(attributes.get("dir") == "auto" for _, attributes in each.tags) for each in shown] == [True] * 3
    assert [each.text.count(arabic) for each in shown] == [1, 1, 1]


def test_styles_that_a_sanitiser_strips_have_a_substitute(tmp_path: Path) -> None:
    """JupyterLab drops `anywhere` and `contents` from an untrusted notebook: before each stands what it leaves."""
    html = bundle(make(tmp_path, pictures=2))["text/html"]
    for stripped, left in [("anywhere", "overflow-wrap:break-word;"), ("contents", "display:flex;")]:
        styles = [attributes["style"] or "" for _, attributes in Page(html).tags if "style" in attributes]
        concerned = [style for style in styles if f":{stripped}" in style]
        assert concerned
        assert all(left in style.partition(f":{stripped}")[0] for style in concerned)


@pytest.mark.parametrize(("pictures", "paths"), [(4, 4), (5, 2), (15, 2)])
def test_a_long_series_tells_its_files_once(tmp_path: Path, pictures: int, paths: int) -> None:
    """Up to four pictures each have their path below them; of more, one line tells the first and the last."""
    found = page(make(tmp_path, pictures=pictures))
    assert found.text.count("-fox.jpg") == paths
    assert f"-{pictures}-fox.jpg" in found.text
    assert all(f"@3.{index}" in found.text for index in range(1, pictures + 1))
    assert len({link["href"] for link in found.all("a")}) == pictures


@pytest.mark.parametrize(
    ("status", "told"), [("generating", "cost not known yet"), ("unknown", "may have been billed")]
)
def test_a_cost_that_nobody_knows(tmp_path: Path, status: str, told: str) -> None:
    """While it runs it is not known yet; only what got no answer may have been billed."""
    assert told in page(replace(make(tmp_path), status=status, cost=None)).text


def test_references_are_shown_with_their_numbers(tmp_path: Path) -> None:
    """Below a result stands each reference that was sent: small, with number, name and alternative text, in order."""
    generation = make(tmp_path, request=sent(tmp_path, "image 1 as image 2", a="photo.jpg", b="@2.1"))
    found = check(bundle(generation)["text/html"])
    _, *small = found.all("img")
    assert [image["alt"] for image in small] == ["image 1: photo.jpg", "image 2: @2.1"]
    assert {image["width"] for image in small} == {"85"}
    assert found.text.endswith("image 1photo.jpgimage 2@2.1")
    assert bundle(generation)["text/plain"].endswith("image 1: photo.jpg · image 2: @2.1")


def test_references_of_a_chinese_prompt(tmp_path: Path) -> None:
    """In a Chinese prompt the references are called as there: 图1."""
    found = page(make(tmp_path, request=sent(tmp_path, "把图1放在雪里", a="photo.jpg")))
    assert found.all("img")[-1]["alt"] == "图1: photo.jpg"


def test_a_reference_by_url_is_told_and_not_fetched(tmp_path: Path) -> None:
    """A URL that the service fetched is text: a page that asked for it would tell who looks at the notebook."""
    url = "https://x.example/cat.png"
    for shown in (bundle(make(tmp_path, request=sent(tmp_path, a=url))), dry_run(Reference(name="cat", url=url))):
        found = check(shown["text/html"])
        assert f"image 1{url}" in found.text
        assert not [each for each in found.all("img") if each["alt"] != "a fox (@3.1)"]
        assert not [each for each in found.all("a") if url in (each["href"] or "")]


def test_numbers_of_references_stand_on_one_line(tmp_path: Path) -> None:
    """A URL has no small picture, but the room of one where others have; alone it has none."""
    url, shelf = "https://x.example/cat.png", "align-items:flex-end"
    assert bundle(make(tmp_path, request=sent(tmp_path, a=url, b="photo.jpg")))["text/html"].count(shelf) == 2
    assert bundle(make(tmp_path, request=sent(tmp_path, a=url)))["text/html"].count(shelf) == 0


@pytest.mark.parametrize("damage", ["gone", "cut", "never kept"])
def test_a_reference_that_is_lost_is_told(tmp_path: Path, damage: str) -> None:
    """Of a reference whose file is gone, damaged or was never kept, number and name are left."""
    request = sent(tmp_path, a="photo.jpg")
    kept = tmp_path / request["images"][0]["file"]
    if damage == "gone":
        kept.unlink()
    elif damage == "cut":
        kept.write_bytes(b"\x89PNG")
    else:
        del request["images"][0]["file"]
    found = page(make(tmp_path, request=request))
    assert len(found.all("img")) == 1
    assert found.text.endswith("image 1photo.jpg")


def test_a_reference_leads_to_its_file(tmp_path: Path) -> None:
    """A reference that was sent is linked to the file that is kept, in full size."""
    shown = bundle(make(tmp_path, request=sent(tmp_path, a="photo.jpg")), folder=tmp_path)
    assert Page(shown["text/html"]).all("a")[-1]["href"] == f"inputs/{'a' * 64}.png"


def test_a_result_without_references_has_no_room_for_them(tmp_path: Path) -> None:
    """A prompt of words alone leaves no empty row."""
    assert bundle(make(tmp_path))["text/html"].count("<table") == 1


def test_ten_references_stand_in_a_table(tmp_path: Path) -> None:
    """Where every style is stripped, references stand in rows that fit a page."""
    names = {place: f"photo-{place}.jpg" for place in "abcdef0123"}
    assert grid(bundle(make(tmp_path, request=sent(tmp_path, **names)))).rows == [1, 5, 5]


def dry_run(*references: Reference) -> Bundle:
    """Return what a dry run with these references shows."""
    return request_bundle(make_request("a fox", images=references), 0.03, "novita")


def test_a_dry_run_shows_its_references(tmp_path: Path) -> None:
    """Before anything is prepared, references are shown from where they are: a file, bytes, an image in memory."""
    (tmp_path / "a.jpg").write_bytes(encoded(gradient(400, 300), "JPEG"))
    sources: dict[str, Path | bytes | Image.Image]
    sources = {"a.jpg": tmp_path / "a.jpg", "data": encoded(gradient(400, 300), "GIF"), "plot": gradient(400, 300)}
    references = [
        Reference(name=name, sha256=name, width=400, height=300, source=source) for name, source in sources.items()
    ]
    shown = dry_run(*references)
    small = check(shown["text/html"]).all("img")
    assert [image["alt"] for image in small] == ["image 1: a.jpg", "image 2: data", "image 3: plot"]
    assert "image 1: a.jpg · image 2: data · image 3: plot" in shown["text/plain"].splitlines()


@pytest.mark.parametrize("damage", ["large", "gone", "cut"])
def test_a_dry_run_waits_for_no_reference(tmp_path: Path, damage: str) -> None:
    """What would take long to decode, and what can't be, is told by its name; a dry run goes on."""
    path = tmp_path / "a.png"
    if damage != "gone":
        path.write_bytes(encoded(Image.new("L", (3000, 2000)), "PNG")[: 100 if damage == "cut" else None])
    found = check(dry_run(Reference(name="a.png", sha256="a", width=3000, height=2000, source=path))["text/html"])
    assert (found.all("img"), "image 1a.png" in found.text) == ([], True)


@pytest.mark.parametrize(
    ("sources", "told"), [([], ""), (["@2.1"], " · from @2.1"), (["@2.1", "@2.2", "@1.1"], " · from @2, @1.1")]
)
def test_the_caption_tells_the_lineage(tmp_path: Path, sources: list[str], told: str) -> None:
    """The caption tells which earlier results went in; several of one generation are told as that one."""
    generation = make(tmp_path, sources=sources)
    assert re.search(rf" · 0\.03 USD{re.escape(told)} · \S*0003-1-fox\.jpg$", page(generation).text)
    assert f"0.03 USD{told}\n" in bundle(generation)["text/plain"]


@pytest.mark.parametrize("inside", [True, False])
def test_links_lead_from_the_folder_of_the_notebook(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: bool,
) -> None:
    """Wherever the kernel has gone since, links lead from the notebook's folder; out of it they are whole paths."""
    home, elsewhere = tmp_path / "notes" / "seedream", tmp_path / "elsewhere"
    home.mkdir(parents=True)
    elsewhere.mkdir()
    generation = make(home, pictures=1)
    monkeypatch.chdir(elsewhere if inside else home)
    folder = tmp_path / "notes" if inside else elsewhere
    address = "seedream/0003-1-fox.jpg" if inside else generation[0].path.as_uri()
    path = "seedream/0003-1-fox.jpg" if inside else str(generation[0].path)
    for value in (generation, generation[0], ended(None, generation)):
        found = Page(bundle(value, folder=folder)["text/html"])
        assert {link["href"] for link in found.all("a")} == {address}
        assert f" · {path}" in found.text
