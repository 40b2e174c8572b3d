"""Sizes: how they may be written, what is refused, and the nearest that fits."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seedream_nb.errors import Problem
from seedream_nb.service import SEEDREAM_4_0
from seedream_nb.sizes import nearest_shape, shape_of, spell_size

DEFAULT_SIZE, RATIO_SIZES = SEEDREAM_4_0.default_size, SEEDREAM_4_0.ratios
MIN_PIXELS, MAX_PIXELS, MAX_RATIO = SEEDREAM_4_0.min_pixels, SEEDREAM_4_0.max_pixels, SEEDREAM_4_0.max_ratio

SPELT = [
    (None, None, DEFAULT_SIZE),
    ("1K", None, "1K"),
    (" 2k ", None, "2K"),
    ("4K", None, "4K"),
    ("2048x2048", None, "2048x2048"),
    ("1280X1280", None, "1280x1280"),
    ("1280*1280", None, "1280x1280"),
    ("1280×1280", None, "1280x1280"),
    ("1280 x 1280", None, "1280x1280"),
    ("1024x1024", None, "1024x1024"),
    ("4096x4096", None, "4096x4096"),
    ("16384x1024", None, "16384x1024"),
    ("256x4096", None, "256x4096"),
    ("16:9", None, "2560x1440"),
    ("32:18", None, "2560x1440"),
    ("16：9", None, "2560x1440"),
    (None, "16:9", "2560x1440"),
    (None, "1.7778:1", "2560x1440"),
    ("2K", "21:9", "3024x1296"),
    ("1K", "1:1", "1024x1024"),
    ("4K", "1:1", "4096x4096"),
    ("4K", "16:1", "16384x1024"),
    ("1K", "1:16", "256x4096"),
    ("2K", "5:4", "2288x1832"),
]


@pytest.mark.parametrize(("size", "aspect", "spelt"), SPELT)
def test_a_size_is_spelt_as_the_service_does(size: str | None, aspect: str | None, spelt: str) -> None:
    """Tiers, pixels, ratios and aspects come down to a tier or to width x height."""
    assert spell_size(size, aspect) == spelt


@pytest.mark.parametrize(("ratio", "pixels"), RATIO_SIZES.items())
def test_a_ratio_of_the_table_gives_its_pixels(ratio: str, pixels: str) -> None:
    """As a size, and as an aspect of 2K, alone or not."""
    assert spell_size(ratio, None) == spell_size(None, ratio) == spell_size("2K", ratio) == pixels


REFUSED = [
    (
        "1023x1024",
        None,
        ["1023x1024", "1 047 552 pixels", "1024x1024 to 4096x4096", "nearest size that fits is 1024x1024"],
    ),
    ("4096x4097", None, ["16 781 312", "nearest size that fits is 4096x4096"]),
    ("5000x5000", None, ["25 000 000", "4096x4096."]),
    ("0x0", None, ["0x0", "1024x1024."]),
    ("16385x1024", None, ["1/16 to 16", "16384x1024."]),
    ("1000x16001", None, ["1/16 to 16", "1001x16001."]),
    ("100x10000", None, ["1 000 000 pixels", "1/16 to 16", "625x10000."]),
    ("3K", None, ["3K", "1K, 2K or 4K", "Did you mean 2K?"]),
    ("8k", None, ["Did you mean 4K?"]),
    ("5:4", None, ["5:4", "nearest is 4:3", "--aspect 5:4"]),
    ("0:1", None, ["0:1", "not a ratio"]),
    ("", None, ["not a size"]),
    ("big", None, ["big", "16:9"]),
    ("-1x1024", None, ["-1x1024"]),
    ("9" * 5000 + "x1", None, ["not a size"]),
    ("²048x2048", None, ["not a size"]),
    ("2K", "17:1", ["17:1", "1:16 to 16:1", "nearest is 16:1"]),
    ("2K", "1:100", ["nearest is 1:16"]),
    ("2K", "16x9", ["16x9", "Did you mean 16:9?"]),
    (None, "16/9", ["Did you mean 16:9?"]),
    (None, "1:0", ["1:0", "not a ratio"]),
    (None, "wide", ["wide"]),
    ("2048x2048", "16:9", ["1K, 2K or 4K", "2048x2048", "--size 2K"]),
    ("16:9", "16:9", ["1K, 2K or 4K"]),
]


@pytest.mark.parametrize(("size", "aspect", "told"), REFUSED)
def test_a_wrong_size_is_told_with_its_limit_and_the_nearest(
    size: str | None, aspect: str | None, told: list[str]
) -> None:
    """The value found, the limit, and what would do."""
    with pytest.raises(Problem) as caught:
        spell_size(size, aspect)
    assert [each for each in told if each not in str(caught.value)] == []


@pytest.mark.parametrize("value", [2048, (2048, 1024), 2.0, b"2K", True])
def test_only_texts_are_sizes(value: object) -> None:
    """A number or a tuple is refused with its type, not guessed at."""
    with pytest.raises(Problem, match=type(value).__name__):
        spell_size(value, None)  # type: ignore[arg-type]  # that is the point


ratios = st.tuples(st.integers(1, 160), st.integers(1, 160)).filter(lambda pair: max(pair) <= 16 * min(pair))


@given(ratios, st.sampled_from(["1K", "2K", "4K"]))
def test_an_aspect_gives_a_size_that_is_true_to_it(ratio: tuple[int, int], tier: str) -> None:
    """Sides are multiples of 8, the ratio is true to 1 %, and the size is within the tier and the limits."""
    width, height = ratio
    shape = shape_of(spell_size(tier, f"{width}:{height}"))
    assert shape is not None
    across, down = shape
    assert across % 8 == down % 8 == 0
    assert across / down == pytest.approx(width / height, rel=0.01)
    assert max(across, down) <= MAX_RATIO * min(across, down)
    most = {"1K": 1.1 * MIN_PIXELS, "2K": 2048 * 2048, "4K": MAX_PIXELS}[tier]
    assert MIN_PIXELS <= across * down <= most


@given(ratios)
def test_an_aspect_of_4k_is_the_largest(ratio: tuple[int, int]) -> None:
    """No other pair of multiples of 8 of that ratio has more pixels within 4096x4096."""
    width, height = ratio
    shape = shape_of(spell_size("4K", f"{width}:{height}"))
    assert shape is not None
    for down in range(8, 16385, 8):
        across = down * width // height // 8 * 8 + 8
        allowed = max(across, down) <= 16 * min(across, down) and across * down <= MAX_PIXELS
        if allowed and abs(across / down / (width / height) - 1) < 0.0099:
            assert across * down <= shape[0] * shape[1]


@given(st.integers(0, 60_000), st.integers(0, 60_000))
def test_the_nearest_size_fits(width: int, height: int) -> None:
    """Whatever was asked for, what is proposed instead is accepted."""
    near = "{}x{}".format(*nearest_shape(width, height))
    assert spell_size(near, None) == near


@given(st.integers(256, 16_384), st.integers(256, 16_384))
def test_the_nearest_size_keeps_the_ratio(width: int, height: int) -> None:
    """A picture is not stretched where its ratio is allowed."""
    assume(max(width, height) <= 15 * min(width, height))
    across, down = nearest_shape(width, height)
    assert across / down == pytest.approx(width / height, rel=0.02)


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_size_is_accepted_exactly_within_the_limits(width: int, height: int) -> None:
    """Pixels in all and ratio decide, nothing else."""
    fits = MIN_PIXELS <= width * height <= MAX_PIXELS and max(width, height) <= 16 * min(width, height)
    try:
        accepted = spell_size(f"{width}x{height}", None) == f"{width}x{height}"
    except Problem:
        accepted = False
    assert accepted == fits


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Any text is a size or a problem."""
    for size, aspect in ((text, None), (None, text), ("2K", text)):
        try:
            told = spell_size(size, aspect)
        except Problem as problem:
            told = str(problem)
        assert 0 < len(told) < 400


def test_a_tier_has_no_shape() -> None:
    """The service chooses width and height of a tier."""
    assert shape_of("2K") is None
    assert shape_of("2560x1440") == (2560, 1440)
