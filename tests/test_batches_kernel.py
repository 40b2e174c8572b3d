"""Batches in a real kernel: a table below the cell, the batch as its value, in a variable, and stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel import Ran

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all tests, in the sandbox, the extension loaded."""
    folder = tmp_path_factory.mktemp("notebook")
    with Kernel(folder, env={"SEEDREAM_BACKEND": "sandbox", "NOVITA_API_KEY": None}) as kernel:
        kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd")
        yield kernel


@pytest.fixture(scope="module")
def foxes(shared: Kernel) -> Ran:
    """Run one cell that makes three variations."""
    return ok(shared.execute("%%seedream --repeat 3 -s 1K -o foxes\na fox in the snow"))


def ok(ran: Ran) -> Ran:
    """Make sure that a cell did not fail."""
    assert ran.error is None, ran.error
    return ran


def test_the_value_is_the_batch(shared: Kernel, foxes: Ran) -> None:
    """The cell's one saved output is the table; the variable holds it."""
    assert len(foxes.outputs) == 1
    assert foxes.result is not None
    assert foxes.result.startswith("3 of 3 here")
    html = foxes.shown[0]["text/html"]
    assert html.count("<img") == 3
    assert ok(shared.execute("type(foxes).__name__, len(foxes), foxes.status")).result == "('Batch', 3, 'done')"


def test_it_shows_itself_as_it_grows(foxes: Ran) -> None:
    """A table below the cell, from before the first picture on, in messages that are small."""
    tables = [each for each in foxes.history if each["output_type"] in {"display_data", "update_display_data"}]
    assert "3 requests" in tables[0]["data"]["text/html"]
    assert all(len(json.dumps(each["data"])) < 200_000 for each in tables)


def test_running_the_cell_again_costs_nothing(shared: Kernel, foxes: Ran) -> None:
    """It shows the same pictures, and says so."""
    again = ok(shared.execute(foxes.code))
    assert again.result is not None
    assert "3 were here (--no-once makes 3 new ones)." in again.result


def test_a_dry_run_sends_nothing(shared: Kernel) -> None:
    """It shows the estimate; its value is None."""
    ran = ok(shared.execute("%%seedream --repeat 3 --dry-run\na cat"))
    assert "Not sent. Estimate: 3 requests, 3 pictures, nothing is charged" in ran.text
    assert ran.result is None


def test_in_the_background_it_keeps_itself_up_to_date(shared: Kernel) -> None:
    """The cell is free at once, and its table fills."""
    ran = ok(shared.execute("%%seedream --repeat 2 -s 1K --background -o cats\na cat"))
    shared.until(lambda: "2 of 2 here" in ran.text)
    assert ok(shared.execute("cats.status")).result == "'done'"


def test_python_shows_it_too(shared: Kernel) -> None:
    """A call shows the table on its way, and returns the batch."""
    ran = ok(shared.execute("sd.batch('a dog', repeat=2, size='1K')"))
    assert ran.result is not None
    assert ran.result.startswith("2 of 2 here")


def test_options_of_a_batch_mean_nothing_without_one(shared: Kernel) -> None:
    """They are refused, with what they are for."""
    ran = shared.execute("%%seedream --yes\na fox")
    assert ran.error is not None
    assert "--yes is for several requests at once, as with --repeat, --sweep or --each." in ran.error["evalue"]


@pytest.mark.slow
def test_an_interrupt_frees_the_cell(shared: Kernel) -> None:
    """What was not sent is withdrawn, what was sent arrives in the table; running it again sends the rest."""
    ok(shared.execute("sd.configure(concurrency=1)"))
    cell = "%%seedream --repeat 12 -s 4K -o owls\nan owl"
    running = shared.start(cell)
    shared.until(lambda: "in flight" in running.text)
    shared.interrupt()
    running.wait(10)
    assert running.error is not None
    assert "StoppedError" in "".join(running.error["traceback"])
    assert "were withdrawn before they were sent" in running.error["evalue"]
    shared.until(lambda: ok(shared.execute("owls.over")).result == "True")
    ok(shared.execute("sd.configure(concurrency=4)"))
    assert ok(shared.execute(cell.replace("4K", "4K"))).text.startswith("12 of 12 here")


@pytest.mark.usefixtures("foxes")
def test_a_generation_is_run_again_several_times(shared: Kernel) -> None:
    """`rerun` with `--repeat` makes new ones, as it does without."""
    first = ok(shared.execute("foxes[0].id")).result
    ran = ok(shared.execute(f"%seedream rerun @{first} --repeat 2"))
    assert ran.result is not None
    assert ran.result.startswith("2 of 2 here")
    assert f"@{first}" not in ran.result.split()


def test_a_sweep_is_a_table_with_headings(shared: Kernel) -> None:
    """Rows and columns are labelled, and the batch is found by labels."""
    ok(shared.execute('styles = {"ink": "ink wash on rice paper", "oil": "oil, thick"}'))
    ran = ok(shared.execute('%%seedream --sweep style=styles --sweep size=["1K","16:9"] -o grid\na fox, {style}'))
    html = ran.shown[-1]["text/html"]
    assert [html.count(f">{name}</bdi></th>") for name in ("ink", "oil", "1K", "16:9")] == [1, 1, 1, 1]
    assert html.count("<img") == 4
    assert ok(shared.execute('grid["oil", "16:9"].prompt, grid["oil", "16:9"][0].width')).result == (
        "('a fox, oil, thick', 2560)"
    )


def test_each_row_of_a_table_is_asked(shared: Kernel) -> None:
    """And comes back with its picture."""
    ok(shared.execute('rows = [{"title": "a fox", "format": "1K"}, {"title": "a cat", "format": "1K"}]'))
    ran = ok(shared.execute("%%seedream --each rows -s {row.format} -o made\n{row.title} in the snow"))
    assert ran.result is not None
    assert ran.result.startswith("2 of 2 here")
    assert ok(shared.execute('[row["title"] for row in made.to_rows()]')).result == "['a fox', 'a cat']"


def test_a_problem_in_a_row_is_told_before_anything_is_sent(shared: Kernel) -> None:
    """With its number."""
    ran = shared.execute("%%seedream --each rows\n{row.titel}")
    assert ran.error is not None
    assert "the table has no column titel. Did you mean title?" in ran.error["evalue"]
