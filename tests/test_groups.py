"""Tests that share what takes long to make, such as a server, are given to one process."""

from __future__ import annotations

import os

import pytest

HERE = "groups"


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all tests")
@pytest.mark.xdist_group(HERE)
def test_a_group_is_known_to_who_gives_out_the_tests(request: pytest.FixtureRequest) -> None:
    """Else each process makes what the group shares, and the tests take half as long again, without a word."""
    assert request.node.nodeid.endswith(f"@{HERE}")
