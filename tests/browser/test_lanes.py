"""Which process tests which modules of this folder: those that need the same servers and browsers, in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.conftest import LANES, lanes

if TYPE_CHECKING:
    import pytest

HERE = {path.stem for path in Path(__file__).parent.glob("test_*.py")}


def test_a_module_that_a_lane_names_is_there() -> None:
    """Else its new name goes where the fewest tests are, and starts servers that another lane has."""
    assert {name for names in LANES for name in names} <= HERE


def test_a_module_that_no_lane_names_goes_where_the_fewest_tests_are() -> None:
    """So it is with every module in turn."""
    first, second, _ = (names[0] for names in LANES)
    assert lanes({first: 3, second: 4, "test_a": 5, "test_b": 1})["test_a"] == 2
    assert lanes({first: 3, second: 4, "test_a": 5, "test_b": 1})["test_b"] == 0


def test_one_process_has_notebook_7(request: pytest.FixtureRequest) -> None:
    """Its server starts once."""
    using = [item for item in request.session.items if "shared_notebook7" in getattr(item, "fixturenames", ())]
    assert {marker.args for item in using if (marker := item.get_closest_marker("xdist_group"))} <= {("browser-0",)}
