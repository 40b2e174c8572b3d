"""What is here is for the environment of `make test-colab` only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:  # noqa: ARG001 - pytest's names
    """Leave it out elsewhere."""
    return None if config.pluginmanager.has_plugin("tests.colab.plugin") else True
