"""What the reference page of each model says: its path, the names of its fields, its sizes and its references."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One page."""

    path: str
    tiers: dict[str, int]
    """The side of the square whose pixels a tier has, about."""
    fewest_pixels: int
    most_pixels: int
    references: str
    """The field with the reference images."""
    most_references: int
    formats: tuple[str, ...]
    """Of references, as they stand in a data URI."""
    has_options: bool
    """Whether `max_images` stands in an object of its own, and the prompt can be optimized."""
    ratios: dict[tuple[int, int], tuple[int, int]] = dataclasses.field(default_factory=dict)
    """Its table of pixels for a ratio in 2K."""


SEEDREAM_4_0 = Model(
    path="/v3/seedream-4.0",
    tiers={"1K": 1024, "2K": 2048, "4K": 4096},
    fewest_pixels=1024 * 1024,
    most_pixels=4096 * 4096,
    references="images",
    most_references=10,
    formats=("jpeg", "png"),
    has_options=False,
    ratios={
        (1, 1): (2048, 2048), (4, 3): (2304, 1728), (3, 4): (1728, 2304), (16, 9): (2560, 1440),
        (9, 16): (1440, 2560), (3, 2): (2496, 1664), (2, 3): (1664, 2496), (21, 9): (3024, 1296),
    },
)  # fmt: skip
SEEDREAM_4_5 = Model(
    path="/v3/seedream-4.5",
    tiers={"2K": 2048, "4K": 4096},
    fewest_pixels=3_686_400,
    most_pixels=16_777_216,
    references="image",
    most_references=14,
    formats=("jpeg", "png", "webp", "bmp", "tiff", "gif"),
    has_options=True,
)
SEEDREAM_5_0_LITE = Model(
    path="/v3/seedream-5.0-lite",
    tiers={"2K": 2048, "3K": 3072},
    fewest_pixels=3_686_400,
    most_pixels=10_404_496,
    references="image",
    most_references=14,
    formats=("jpeg", "png", "webp", "bmp", "tiff", "gif"),
    has_options=True,
)
MODELS = (SEEDREAM_4_0, SEEDREAM_4_5, SEEDREAM_5_0_LITE)
