"""`%seedream rerun` and `%seedream code` in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kernel import Ran

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel in the sandbox, with one generation: of a prompt with braces, and a variable of that name."""
    folder = tmp_path_factory.mktemp("notebook")
    with Kernel(folder, env={"SEEDREAM_BACKEND": "sandbox", "NOVITA_API_KEY": None}) as kernel:
        kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd\nstyle = 'ink wash'")
        kernel.execute("%%seedream -s 1K -n 2\nTwo foxes, {style}, {{style}}")
        yield kernel


def ok(ran: Ran) -> Ran:
    """Make sure that a cell did not fail."""
    assert ran.error is None, ran.error
    return ran


def value(kernel: Kernel, expression: str) -> str | None:
    """Return an expression's value as the notebook shows it."""
    return ok(kernel.execute(expression)).result


def test_rerun_asks_the_same_again(shared: Kernel) -> None:
    """The same request goes out as it was sent, as a new generation, whose pictures the cell shows."""
    ran = ok(shared.execute("%seedream rerun @1 --out again"))
    assert value(shared, "again.id != 1 and again.request == sd.history[1].request") == "True"
    assert ran.result is not None
    assert ran.result.endswith("foxes-ink-wash-style.jpg")
    assert len(ran.outputs) == 1


def test_rerun_changes_what_is_given(shared: Kernel) -> None:
    """Options take the place of what was asked; the rest stays."""
    ok(shared.execute("%seedream rerun @1 --aspect 4:3 --no-watermark --sequential disabled --out changed"))
    assert value(shared, "changed.request.size, changed.request.watermark, len(changed)") == "('1184x888', False, 1)"
    assert value(shared, "changed.prompt") == "'Two foxes, ink wash, {style}'"


def test_rerun_takes_references_as_a_cell_does(shared: Kernel) -> None:
    """What is typed after `-i` is an expression, a mark or a path."""
    ok(shared.execute("picture = sd.history[1][0]"))
    ok(shared.execute("%seedream rerun @1 -i picture -n 1 --out with_picture"))
    assert value(shared, "with_picture.request.images[0].sha256 == picture.sha256") == "True"


def test_rerun_clears_nothing_of_others(shared: Kernel) -> None:
    """What its cell has printed before stays."""
    ran = ok(shared.execute("print('before')\nx = 1\n%seedream rerun @1 --max-images 1"))
    assert ran.printed == "before\n"
    assert "Generating" not in ran.text
    assert ran.result is not None


def test_rerun_without_sending(shared: Kernel) -> None:
    """`--dry-run` shows what would be sent, and no generation is added."""
    before = value(shared, "len(sd.history)")
    ran = ok(shared.execute("%seedream rerun @1 --dry-run"))
    assert "Not sent" in ran.text
    assert value(shared, "len(sd.history)") == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rerun @1 --sise 4K", "Did you mean --size?"),
        ("rerun @1 4K", "doesn't belong to any option"),
        ("rerun @99", "@99"),
    ],
)
def test_a_wrong_rerun_sends_nothing(shared: Kernel, line: str, told: str) -> None:
    """A mistake is told in a few lines, and nothing is added to the history."""
    before = value(shared, "len(sd.history)")
    ran = shared.execute(f"%seedream {line}")
    assert ran.error is not None
    assert told in ran.text
    assert value(shared, "len(sd.history)") == before


def test_code_puts_the_cell_below(shared: Kernel) -> None:
    """The next cell holds the prompt as it was sent, with what looks like a variable kept from being one."""
    ran = ok(shared.execute("%seedream code @1"))
    assert shared.next_input(ran) == "%%seedream --size 1K -n 2\nTwo foxes, ink wash, {{style}}"


def test_the_cell_of_code_can_be_run(shared: Kernel) -> None:
    """Running it asks for exactly the same."""
    cell = shared.next_input(ok(shared.execute("%seedream code @1")))
    assert cell is not None
    ok(shared.execute(cell))
    assert value(shared, "sd.history[-1].request == sd.history[1].request") == "True"


@pytest.mark.parametrize(("restarted", "requests"), [(False, "1 request"), (True, "no requests")])
def test_usage_counts_what_once_saved(tmp_path: Path, *, restarted: bool, requests: str) -> None:
    """`usage` tells requests, pictures, and what `--once` answered from the history; of this session and of all."""
    with Kernel(tmp_path, env={"SEEDREAM_BACKEND": "sandbox", "NOVITA_API_KEY": None}) as kernel:
        ok(kernel.execute("%load_ext seedream_nb"))
        ok(kernel.execute("%%seedream -s 1K\na fox"))
        if restarted:
            kernel.restart()
            ok(kernel.execute("%load_ext seedream_nb"))
        ok(kernel.execute("%%seedream -s 1K --once\na fox"))
        told = ok(kernel.execute("%seedream usage")).printed
    assert told.startswith(f"This session     {requests}, ")
    assert "\nIn total         1 request, 1 picture, 0.00 USD\n" in told
    assert told.count("1 answered from the history by --once, which saved 0.00 USD") == 2


@pytest.mark.parametrize(("line", "new"), [("rerun @last", True), ("rerun @last --once", False)])
def test_rerun_asks_anew_whatever_holds_for_cells(shared: Kernel, line: str, *, new: bool) -> None:
    """`config once=true` is for cells: who asks again means it, unless `--once` stands on the line."""
    ok(shared.execute("%seedream config once=true"))
    before = value(shared, "len(sd.history)")
    ok(shared.execute(f"%seedream {line}"))
    ok(shared.execute("%seedream config once="))
    assert (value(shared, "len(sd.history)") != before) is new
