"""The README as PyPI shows it: links and pictures of the repository have to be whole addresses (a hatchling hook)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURES = ("jpg", "png", "svg")


class Readme(MetadataHookInterface):  # type: ignore[misc, unused-ignore] # an environment need not have hatchling
    """Gives the README to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme`, which pyproject.toml leaves to this."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        whole = on_pypi(text, metadata["urls"]["Homepage"].removeprefix("https://github.com/"))
        metadata["readme"] = {"content-type": "text/markdown", "text": whole}


def on_pypi(text: str, repository: str) -> str:
    """Return a text whose links lead to the `owner/name` on GitHub."""

    def whole(link: re.Match[str]) -> str:
        is_picture = link[1].endswith(PICTURES)
        place = "raw.githubusercontent.com/{}/main" if is_picture else "github.com/{}/blob/main"
        return f"](https://{place.format(repository)}/{link[1]})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", whole, text)
