"""The outputs of a notebook that are kept: so many, so many bytes, found by cell and by display."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.notebook import displayed as kept
from seedream_nb.notebook.displayed import MAX_BYTES, MAX_OUTPUTS, Output, Outputs

if TYPE_CHECKING:
    from types import FrameType


def shown(cell: int | None = 1, data: str | None = "x") -> Output:
    """Return a picture that was sent to the page."""
    return Output(sort="sent", cell=cell, of=lambda: None, media_type="image/png", data=data)


def lines_of_one_more(outputs: Outputs) -> int:
    """Return how many lines of ours run for one more display, with an update of an older one."""
    lines = 0

    def count(frame: FrameType, event: str, _: object) -> object:
        nonlocal lines
        if frame.f_code.co_filename != kept.__file__:
            return None
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]  # it returns itself, or None
    try:
        outputs.add(output := shown())
        outputs.name(output, "here")
        outputs.take_back_display("here")
    finally:
        sys.settrace(before)
    return lines


def test_one_more_costs_the_same_however_many_are_kept() -> None:
    """And however many have come and gone."""
    outputs = Outputs()
    outputs.name(first := shown(), "here")
    outputs.add(first)
    few = lines_of_one_more(outputs)
    for _ in range(3 * MAX_OUTPUTS):
        outputs.add(shown())
    assert few <= lines_of_one_more(outputs) <= few + 15


def test_the_oldest_go_first() -> None:
    """Beyond so many, they are gone; beyond so many bytes, their pictures are."""
    outputs, many = Outputs(), [shown() for _ in range(MAX_OUTPUTS + 3)]
    for each in many:
        outputs.add(each)
    assert [each.number for each in outputs.all()] == [each.number for each in many[3:]]
    large = [shown(data="x" * (MAX_BYTES // 4)) for _ in range(6)]
    for each in large:
        outputs.add(each)
    assert [each.data is not None for each in outputs.all()[-6:]] == [False, False, True, True, True, True]
    outputs.add(shown(data="x" * (MAX_BYTES + 1)))
    assert {each.data for each in outputs.all()} == {None}


def test_cells_counted_anew_begin_anew() -> None:
    """As after `%reset`."""
    outputs = Outputs()
    outputs.add(shown(cell=7))
    outputs.add(late := shown(cell=1))
    assert outputs.all() == (late,)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 4), st.sampled_from(["a", "b", None])),
        st.tuples(st.sampled_from(["cell", "display"]), st.integers(1, 4), st.sampled_from(["a", "b"])),
    ),
    max_size=40,
)


Entry = tuple[int, int | None, str | None]


def _entry(output: Output) -> Entry:
    return output.number, output.cell, output.display


@given(ACTIONS)
def test_what_is_known_of_an_output_is_what_happened_to_it(actions: list[tuple[str, int, str | None]]) -> None:
    """Told beside a plain list of outputs, which is searched."""
    outputs, plain, cell = Outputs(), list[Entry](), 1
    for action, step, display in actions:
        if action == "add":
            cell += step // 4  # mostly the same cell
            outputs.add(output := shown(cell=cell))
            old = [each for each in plain if display is not None and each[2] == display]
            if display is not None:
                outputs.name(output, display)
            plain = [each for each in plain if each not in old]
            plain.append((output.number, old[0][1] if old else cell, display))
        elif action == "cell":
            outputs.take_back_cell(step)
            plain = [(number, None if where == step else where, name) for number, where, name in plain]
        elif display is not None:
            outputs.take_back_display(display)
            plain = [(number, None if name == display else where, name) for number, where, name in plain]
        known = outputs.named(display) if display is not None else None
        found = [each for each in plain if display is not None and each[2] == display]
        assert found == ([] if known is None else [_entry(known)])
    assert [_entry(each) for each in outputs.all()] == plain
