"""Composing: defaults of the settings, and what is evaluated for whom."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.compose import Composer
from seedream_nb.errors import RequestError
from seedream_nb.scope import NamesScope
from seedream_nb.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.request import ImageRequest


class Compose:
    """A composer over a notebook that has one picture, `photo`."""

    def __init__(self, folder: Path) -> None:
        """Begin with the defaults."""
        self.settings = Settings(environ={}, folder=folder)
        scope = NamesScope({"photo": Image.new("RGB", (64, 64), "red")})
        self._compose = Composer(settings=self.settings, scope=scope, marked=lambda _: []).compose

    def __call__(self, prompt: str = "a fox", **options: object) -> ImageRequest:
        """Compose a request."""
        return self._compose(prompt, **options)  # type: ignore[arg-type]


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """Give a composer with the default settings."""
    return Compose(tmp_path)


@pytest.mark.parametrize(
    ("settings", "options", "size"),
    [
        ({}, {}, "2048x2048"),
        ({"size": "4K"}, {}, "4K"),
        ({"size": "1280x960"}, {"size": "1K"}, "1K"),
        ({"aspect": "16:9"}, {}, "2560x1440"),
        ({"aspect": "16:9"}, {"size": "2K"}, "2560x1440"),
        ({"aspect": "16:9"}, {"size": "1280x960"}, "1280x960"),
        ({"size": "2K"}, {"aspect": "3:2"}, "2496x1664"),
        ({"size": "1280x960"}, {"aspect": "3:2"}, "2496x1664"),
        ({"size": "2K", "aspect": "16:9"}, {}, "2560x1440"),
    ],
)
def test_settings_fill_what_is_not_said(
    compose: Compose, settings: dict[str, str], options: dict[str, str], size: str
) -> None:
    """The size and aspect of the settings hold where the request says nothing, as far as they go together with it."""
    compose.settings.change(**settings)
    assert compose(**options).size == size


def test_the_watermark_setting_holds_unless_the_request_says(compose: Compose) -> None:
    """`watermark` of the settings is the default, and the request's own goes before it."""
    compose.settings.change(watermark=False)
    assert [compose().watermark, compose(watermark=True).watermark] == [False, True]


def test_typed_words_may_be_names_of_the_notebook(compose: Compose) -> None:
    """What a person types as a reference may be an expression over the notebook's names."""
    (reference,) = compose(images=["photo"], typed=True).images
    assert (reference.name, reference.width) == ("photo", 64)


def test_words_from_elsewhere_are_never_evaluated(compose: Compose) -> None:
    """A text handed over in Python is a mark, a URL or a path, never an expression."""
    with pytest.raises(RequestError, match="photo"):
        compose(images=["photo"])


def test_without_names_a_prompt_is_plain_text(compose: Compose) -> None:
    """Braces of a prompt that nobody gave values for stay as they are."""
    assert compose("a {style} fox {{x}}").prompt == "a {style} fox {{x}}"


def test_everything_wrong_is_told_together(compose: Compose) -> None:
    """The prompt, a reference, the size and the count are reported in one error."""
    with pytest.raises(RequestError) as caught:
        compose("a {stile}", scope=NamesScope({"style": "x"}), images=["nofile.png"], size="9K", max_images=99)
    assert all(part in str(caught.value.problems) for part in ("stile", "nofile.png", "9K", "99"))


@pytest.mark.parametrize("options", [{}, {"values": {}}], ids=["text", "template"])
def test_a_prompt_that_no_model_reads_is_refused_at_once(compose: Compose, options: dict[str, object]) -> None:
    """A file that was read in the place of a prompt freezes no kernel."""
    begun = time.thread_time()
    with pytest.raises(RequestError, match=r"The prompt has 50,000,000 characters; the most is 2,000,000"):
        compose("{a} " * 12_500_000, **options)
    assert time.thread_time() - begun < 5


@pytest.mark.parametrize("prompt", ["\u200b", "\ufeff \u2060", "\0", "\u202e\n\u200d", "\xad"])
def test_a_prompt_that_nobody_can_see_is_refused(compose: Compose, prompt: str) -> None:
    """A pasted zero-width space, say, is no prompt that anybody means to pay for."""
    with pytest.raises(RequestError, match="only characters that nobody can see"):
        compose(prompt)


@pytest.mark.parametrize("prompt", ["\u200bfox", "🦊\u200d", "狐", "!"])
def test_a_prompt_with_anything_to_see_is_sent(compose: Compose, prompt: str) -> None:
    """Characters that nobody sees may stand beside others."""
    assert compose(prompt).prompt == prompt.strip()


@pytest.mark.parametrize(
    ("braces", "remedy"),
    [
        ("{ style }", "write {style}"),
        ("{style=}", "write {style}"),
        ("{style\u200b}", "write {style}"),
        ("{ style.upper() }", "write {style.upper()}"),
        ('{style or "oil"}', 'write text = style or "oil" before, and {text} here'),
        ("{-number}", "write text = -number before, and {text} here"),
    ],
)
def test_code_that_is_not_replaced_is_told(compose: Compose, braces: str, remedy: str) -> None:
    """It stays as it is, since JSON and TeX do; but with names that there are nobody means it as text."""
    request = compose(f"a {braces} fox", values={"style": "ink", "number": 3})
    assert request.prompt == f"a {braces} fox"
    (told,) = request.warnings
    assert "stayed as text" in told
    assert told.endswith(f"for its value {remedy}.")


@pytest.mark.parametrize(
    "text",
    [
        '{"style": "ink"}', "{{ style }}", "{{style}}", "{other or 1}", "{ other }", r"$x^{style+number}$",
        r"\frac{style+1}{number}", "{a fox}", "{1, 2}", "{}", "{ }", "{; style: 1}", "{" + "(" * 150 + "}",
    ],
)  # fmt: skip
def test_other_braces_are_passed_over(compose: Compose, text: str) -> None:
    """JSON, TeX, double braces, names that there are not, words and numbers."""
    assert compose(f"a {text} fox", values={"style": "ink", "number": 3}).warnings == ()


def test_braces_of_plain_text_are_passed_over(compose: Compose) -> None:
    """Where nothing is a template, nothing is code."""
    assert compose("a { photo } fox").warnings == ()
