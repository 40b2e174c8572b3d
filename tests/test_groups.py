"""Tests that share what takes long to make, such as a server, are given to one process; the long ones begin first."""

from __future__ import annotations

import os
import random

import pytest

from tests.conftest import longest_first, shortness

HERE = "groups"


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all tests")
@pytest.mark.xdist_group(HERE)
def test_a_group_is_known_to_who_gives_out_the_tests(request: pytest.FixtureRequest) -> None:
    """Else each process makes what the group shares, and the tests take half as long again, without a word."""
    assert request.node.nodeid.endswith(f"@{HERE}")


def test_the_long_ones_begin_first(request: pytest.FixtureRequest) -> None:
    """Groups are given out as they are collected, and none after one that is shorter."""
    assert request.config.option.loadscopereorder is False
    assert longest_first(request.session.items) == request.session.items


def test_a_group_is_as_long_as_its_longest_test(request: pytest.FixtureRequest) -> None:
    """However tests are collected, those of a group stay together, and in their order."""
    items = [item for item in request.session.items if not item.get_closest_marker("xdist_group")]
    mixed = random.Random(7).sample(items, len(items))
    assert [*map(shortness, longest_first(mixed))] == sorted(map(shortness, items))
