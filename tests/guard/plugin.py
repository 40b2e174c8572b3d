"""Fails the test during which something tried to leave this machine (a pytest plugin)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.guard import loopback

if TYPE_CHECKING:
    from collections.abc import Generator

FOLDER = Path(__file__).parent
TOLD = pytest.StashKey[int]()


def pytest_configure() -> None:
    """Watch this process and, through the environment, its children."""
    descriptor, path = tempfile.mkstemp(prefix="beyond-loopback-")
    os.close(descriptor)
    os.environ[loopback.REPORT] = path
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER), *(part for part in known if part)])
    loopback.watch()


def pytest_unconfigure() -> None:
    """Leave no file behind."""
    Path(os.environ.pop(loopback.REPORT)).unlink(missing_ok=True)


def attempts(config: pytest.Config) -> list[str]:
    """Return what was stopped since this was asked last."""
    report = Path(os.environ[loopback.REPORT]).read_text("utf-8")
    told = config.stash.get(TOLD, 0)
    config.stash[TOLD] = len(report)
    return report[told:].splitlines()


def complain(item: pytest.Item) -> None:
    """Fail if anything was stopped."""
    found = attempts(item.config)
    if found:
        pytest.fail("This tried to leave the machine:\n  " + "\n  ".join(found), pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail the test, also where the error was swallowed or another one came of it."""
    try:
        yield
    finally:
        complain(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail for what happened in fixtures, or came late."""
    yield
    complain(item)
