"""The services that make pictures, and their models, as values: paths, limits and prices are only here.

All of it is from the services' own reference pages; nothing else is ever sent. The modules beside this one know how a
request is written and a reply is read, what a refusal means, and what is sent again.
"""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from seedream_nb.errors import did_you_mean
from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

AUTO = "auto"
"""The setting `backend` for the default service if there is a key for it, else the sandbox."""


@frozen
class ReferenceLimits:
    """A model's limits for reference images."""

    max_count: int
    """In one request."""
    formats: Mapping[str, str]
    """The media types that are sent as they are, by Pillow's names of their formats; PNG is always among them.

    What has another format is sent as PNG, or as JPEG where that is taken.
    """
    max_bytes: int
    """Of one file, interpreted strictly: it must hold however the service counts."""
    max_pixels: int
    min_side: int
    max_ratio: int
    """The longer side is at most this many times the shorter."""

    def breaches(self, width: int, height: int) -> Iterator[str]:
        """Yield what is wrong with a shape that no fitting can cure without changing what the picture shows."""
        least, most = self.min_side, self.max_ratio
        if min(width, height) < least:
            yield f"each side must be more than {least - 1}. Use a larger picture or scale it up."
        if max(width, height) > most * min(width, height):
            across, down = min(width, most * height), min(height, most * width)
            crop = f", for example to {across}x{down}" if min(across, down) >= least else ""
            yield f"the ratio must be between 1:{most} and {most}:1. Crop it{crop}."


@frozen(eq=False)
class Model:
    """One model: its path, its names for fields, and its limits. There is only one object for each name."""

    name: str
    title: str
    path: str
    """Below the service's base URL."""
    price: float
    """List price in USD a picture."""
    spelling: Mapping[str, str]
    """The fields of a request that have another name there; `a.b` is the field b of an object a."""
    tiers: tuple[str, ...]
    """Named resolutions, for which the service chooses width and height itself."""
    ratios: Mapping[str, str]
    """The recommended width and height in pixels for a ratio, in its usual tier."""
    usual_tier: str
    default_size: str
    min_pixels: int
    max_pixels: int
    """In total, width x height."""
    max_ratio: int
    """The longer side is at most this many times the shorter."""
    max_images: int
    """In a series; also the most references and pictures together."""
    references: ReferenceLimits
    advised_words: int
    advised_han: int
    """Longer prompts make it miss details; they are sent, with a warning."""
    is_known: bool = True
    """Whether this version knows it; if not, what it made is read, and nothing is sent to it."""

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[str, ...]]:
        """Pickle by name."""
        return (model_named, (self.name,)) if self.is_known else (unknown_model, (self.name, self.tiers[0]))

    def spelled(self, name: str) -> str:
        """Return the model's name for a field of a request."""
        return self.spelling.get(name, name)

    @property
    def example_ratio(self) -> str:
        """A ratio of its table, to be named as an example."""
        return "16:9" if "16:9" in self.ratios else [*self.ratios][-1]

    def tier(self, written: object) -> str | None:
        """Return the tier that a written size means, or None."""
        name = written.strip().upper() if isinstance(written, str) else ""
        return name if name in self.tiers else None


@frozen
class Service:
    """A service: its address, models and pages, its key, and the field names of its replies."""

    name: str
    """As in the setting `backend` and in the journal."""
    base_url: str
    models: tuple[Model, ...]
    """The first one is the default."""
    key_variable: str
    keys_page: str
    account_page: str
    billing_page: str
    is_free: bool = False
    """Whether it costs nothing and needs no key, because it is an imitation in this process."""
    pictures_field: str = "images"
    """The field of a reply with its list of pictures."""
    link_fields: tuple[str, ...] = ("image_url", "url")
    """The field with the link, if an item of that list is an object."""

    @property
    def model(self) -> Model:
        """The default model."""
        return self.models[0]

    def model_named(self, name: str) -> Model:
        """Return its model of this name; raises LookupError, which names the nearest."""
        return _model_among(self.models, name)


_REFERENCES_OF_4_0 = ReferenceLimits(
    max_count=10, formats=MappingProxyType({"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"}),
    max_bytes=10_000_000, max_pixels=6000 * 6000, min_side=15, max_ratio=3,
)  # fmt: skip
_REFERENCES_OF_4_5 = replace(
    _REFERENCES_OF_4_0,
    max_count=14,
    formats=MappingProxyType({
        **_REFERENCES_OF_4_0.formats, "WEBP": "image/webp", "BMP": "image/bmp", "TIFF": "image/tiff",
        "GIF": "image/gif",
    }),
)  # fmt: skip

SEEDREAM_4_0 = Model(
    name="seedream-4.0",
    title="Seedream 4.0",
    path="/v3/seedream-4.0",
    price=0.03,
    spelling=MappingProxyType({"sequential": "sequential_image_generation"}),
    tiers=("1K", "2K", "4K"),
    ratios=MappingProxyType({
        "1:1": "2048x2048", "4:3": "2304x1728", "3:4": "1728x2304", "16:9": "2560x1440", "9:16": "1440x2560",
        "3:2": "2496x1664", "2:3": "1664x2496", "21:9": "3024x1296",
    }),
    usual_tier="2K",
    default_size="2048x2048",
    min_pixels=1024 * 1024,
    max_pixels=4096 * 4096,
    max_ratio=16,
    max_images=15,
    references=_REFERENCES_OF_4_0,
    advised_words=600,
    advised_han=300,
)  # fmt: skip

_LARGEST_IN_2K = {
    "1:1": "2048x2048", "4:3": "2360x1768", "3:4": "1776x2360", "16:9": "2728x1536", "9:16": "1536x2728",
    "3:2": "2504x1672", "2:3": "1672x2504", "21:9": "3120x1336",
}  # fmt: skip
"""The pages of the newer models have no table: these are the largest within 2048x2048 pixels in all."""

SEEDREAM_4_5 = replace(
    SEEDREAM_4_0,
    name="seedream-4.5",
    title="Seedream 4.5",
    path="/v3/seedream-4.5",
    price=0.04,
    spelling=MappingProxyType({
        **SEEDREAM_4_0.spelling, "images": "image", "max_images": "sequential_image_generation_options.max_images",
    }),
    tiers=("2K", "4K"),
    ratios=MappingProxyType(_LARGEST_IN_2K),
    min_pixels=3_686_400,
    references=_REFERENCES_OF_4_5,
)  # fmt: skip

SEEDREAM_5_0_LITE = replace(
    SEEDREAM_4_5,
    name="seedream-5.0-lite",
    title="Seedream 5.0 lite",
    path="/v3/seedream-5.0-lite",
    price=0.035,
    tiers=("2K", "3K"),
    max_pixels=10_404_496,
)

NOVITA = Service(
    name="novita",
    base_url="https://api.novita.ai",
    models=(SEEDREAM_4_0, SEEDREAM_4_5, SEEDREAM_5_0_LITE),
    key_variable="NOVITA_API_KEY",
    keys_page="https://novita.ai/settings/key-management",
    account_page="https://novita.ai/settings",
    billing_page="https://novita.ai/billing",
)
SANDBOX = replace(NOVITA, name="sandbox", base_url="http://sandbox", is_free=True)
"""No connection is ever made to its address: it runs in this process."""

SERVICES: dict[str, Service] = {service.name: service for service in (NOVITA, SANDBOX)}
DEFAULT = NOVITA


def backends() -> tuple[str, ...]:
    """Return the allowed values of the setting `backend`."""
    return (*SERVICES, AUTO)


def with_key(name: str) -> Service:
    """Return the service of this name if it needs a key, else the default one."""
    named = SERVICES.get(name, DEFAULT)
    return DEFAULT if named.is_free else named


def is_free(name: str) -> bool:
    """Return whether the service of this name costs nothing; False for one that this version doesn't know."""
    return name in SERVICES and SERVICES[name].is_free


def all_models() -> Iterator[Model]:
    """Give the models of all services, each once."""
    return iter(dict.fromkeys(model for service in SERVICES.values() for model in service.models))


def model_named(name: object) -> Model:
    """Return the model of this name, or the first release's for None; raises LookupError if it is unknown."""
    return SEEDREAM_4_0 if name is None else _model_among([*all_models()], str(name))


@functools.cache
def unknown_model(name: str, tier: str) -> Model:
    """Return a model that a later version knows, for what it has made already: any size, any number of pictures.

    Args:
        name: as in the journal.
        tier: the size that was asked for; any that is none in pixels.

    Raises:
        LookupError: no model can have such a name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9.-]{0,59}", name):
        raise LookupError("no model is called so")
    anything = replace(SEEDREAM_4_0.references, max_count=_NO_LIMIT, min_side=1, max_ratio=_NO_LIMIT)
    return replace(
        SEEDREAM_4_0, name=name, title=name, path="", tiers=(tier,), usual_tier=tier, min_pixels=1,
        max_pixels=_NO_LIMIT**2, max_ratio=_NO_LIMIT, max_images=_NO_LIMIT, references=anything, is_known=False,
    )  # fmt: skip


_NO_LIMIT = 10**6


def models_beside(model: Model) -> tuple[Model, ...]:
    """Return the models of the service that has this one."""
    return next((service.models for service in SERVICES.values() if model in service.models), (model,))


def _model_among(models: Sequence[Model], name: str) -> Model:
    """Return the model of exactly this name: none ever stands in for another."""
    for model in models:
        if model.name == name:
            return model
    names = [model.name for model in models]
    raise LookupError(f"must be one of {', '.join(names)}.{_nearest_model(name[-_LONGEST_NAME:].lower(), names)}")


def _nearest_model(written: str, names: Sequence[str]) -> str:
    """Return ` Did you mean …?`; a version counts most: `doubao-seedream-4-5-251128` is the vendor's `seedream-4.5`."""
    version = re.search(r"(?<![0-9])([1-9])(?:[._-]([0-9]))?(?![0-9])", written)
    same = [name for name in names if version and f"-{version[1]}.{version[2] or 0}" in name]
    return did_you_mean(written.rpartition("/")[2], same or names) or (f" Did you mean {same[0]}?" if same else "")


_LONGEST_NAME = 60
