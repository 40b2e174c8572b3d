"""Requests that outlive their cell, in a real kernel of each kind and under nbclient: what is shown, what is kept."""

from __future__ import annotations

import os
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from tests import kernels
from tests.faults.script import POST, Links, Stall
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.faults.server import FaultServer

INSTALLED = metadata.version("ipykernel")
GOES_ON = "If this line stays, the kernel ended first: %seedream recover"
KEY = {"NOVITA_API_KEY": "sk_test"}
LOAD = "%load_ext seedream_nb\nimport seedream_nb as sd, time\nsd.configure(base_url={url!r})"

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


def environment_of(version: str) -> dict[str, str]:
    """Return the environment of a kernel of this ipykernel; where it lacks, fail in CI and skip elsewhere."""
    if version == INSTALLED:
        return KEY
    if not kernels.is_there(version):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(kernels.ABSENT.format(version=version))
    return {**KEY, **kernels.environment(version)}


@pytest.fixture(params=[INSTALLED, *kernels.OLDER])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the environment of a kernel of each ipykernel."""
    return environment_of(request.param)


@pytest.fixture(params=[INSTALLED, *(version for version in kernels.OLDER if version not in kernels.SLEEPY)])
def awake(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the same for nbclient, which does not wake a kernel that fell asleep."""
    return environment_of(request.param)


@pytest.fixture
def host(environment: dict[str, str], fault_server: FaultServer, tmp_path: Path) -> Iterator[Kernel]:
    """Start a kernel whose requests go to the fault server."""
    with Kernel(tmp_path, env=environment) as kernel:
        assert kernel.execute(LOAD.format(url=fault_server.url)).error is None
        yield kernel


def ran_by_nbclient(folder: Path, server: FaultServer, environment: dict[str, str], *cells: str) -> list[str]:
    """Run a notebook as nbclient, nbconvert and papermill do; return the plain text of each cell's saved output."""
    import nbformat
    from nbclient import NotebookClient

    sources = [LOAD.format(url=server.url), *cells]
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(
        document, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
    )  # fmt: skip
    client.execute(env={**os.environ, **environment})
    return [text_of(cell.outputs) for cell in document.cells[1:]]


def text_of(outputs: Sequence[dict[str, Any]]) -> str:
    """Return the plain text of a cell's outputs; what it prints may come in pieces."""
    parts = [told_by(output) + "\n" * ("data" in output) for output in outputs]
    return "".join(parts).removesuffix("\n" if outputs and "data" in outputs[-1] else "")


def told_by(output: dict[str, Any]) -> str:
    """Return the plain text of an output."""
    return str(output["data"]["text/plain"] if "data" in output else output["text"])


# -- in a kernel -----------------------------------------------------------------------------------


def test_a_background_cell_keeps_its_output_up_to_date(host: Kernel, fault_server: FaultServer) -> None:
    """Its picture comes to its own output, while another cell runs whose output stays its own."""
    fault_server.on(POST, Links(delay=1.5))
    cell = host.execute("%%seedream --background --out job\na fox")
    assert GOES_ON in cell.text
    other = host.execute("for _ in range(25):\n    time.sleep(0.1)\nprint('other')")
    host.until(lambda: "@1 done" in cell.text)
    assert "<img" in cell.shown[-1]["text/html"]
    assert GOES_ON not in cell.text
    assert len(cell.outputs) == 1
    assert other.text == "other\n"
    assert host.execute("job.status, len(sd.history)").result == "('done', 1)"


def test_an_interrupted_cell_keeps_its_output_up_to_date(host: Kernel, fault_server: FaultServer) -> None:
    """The cell is free, its picture takes the place of all of its output later, and an idle kernel shows it too."""
    fault_server.on(POST, Links(delay=1.5))
    cell = host.start("%%seedream --out fox\na fox")
    host.until(lambda: fault_server.posts and "Generating" in cell.text)
    host.interrupt()
    assert (cell.wait(10).error or {})["ename"] == "StoppedError"
    assert GOES_ON in cell.text
    host.until(lambda: cell.error is None)
    [output] = cell.outputs
    assert output["data"]["text/plain"].startswith("@1 done")
    assert "This came after the cell was stopped." in output["data"]["text/plain"]
    assert "<img" in output["data"]["text/html"]
    assert GOES_ON not in cell.text
    assert host.execute("len(fox)").result == "1"


def test_what_can_be_had_at_once_is_kept_when_the_kernel_is_shut_down(host: Kernel, fault_server: FaultServer) -> None:
    """A picture that comes within two seconds of a "Shut down" is in the history of the next kernel."""
    fault_server.on(POST, Links(delay=0.8))
    host.execute("%%seedream -b\na fox")
    host.until(lambda: fault_server.posts)
    host.shut_down()
    host.restart()
    assert host.execute("import seedream_nb as sd\nsd.history[-1].status, len(sd.history[-1])").result == "('done', 1)"


def test_what_goes_on_when_the_kernel_is_shut_down_is_named(host: Kernel, fault_server: FaultServer) -> None:
    """What was sent and can't be waited for is told by the next kernel's first verb, and by `recover`."""
    fault_server.on(POST, Links(delay=30))
    host.execute("%%seedream -b\na fox")
    host.until(lambda: fault_server.posts)
    host.shut_down()
    host.restart()
    host.execute("%load_ext seedream_nb")
    assert "Unfinished since a kernel ended: @1 (unknown)" in host.execute("%seedream usage").printed
    assert "@1 may have been billed" in host.execute("%seedream recover").printed
    assert len(fault_server.posts) == 1


def test_what_is_not_sent_when_the_kernel_is_shut_down_is_withdrawn(host: Kernel, fault_server: FaultServer) -> None:
    """A request that is still uploaded then is withdrawn, and nobody has to wonder whether it was billed."""
    # More than the system's buffers between two sockets take, so that the upload stands still.
    noise = "Image.frombytes('RGB', (1700, 1700), os.urandom(8670000)).save(f'big-{n}.png', compress_level=0)"
    assert host.execute(f"import os\nfrom PIL import Image\nfor n in range(4): {noise}").error is None
    fault_server.on(POST, Stall(when="headers", read=False))
    cell = host.execute("%%seedream -b -i big-*.png\na fox")
    host.until(lambda: "Uploading" in cell.text)
    host.shut_down()
    host.restart()
    assert host.execute("import seedream_nb as sd\n[each.status for each in sd.history]").result == "['stopped']"


# -- under nbclient --------------------------------------------------------------------------------


def test_nbclient_saves_what_comes_while_later_cells_run(
    awake: dict[str, str], fault_server: FaultServer, tmp_path: Path
) -> None:
    """A later cell's time is enough: the result stands below the cell that asked for it."""
    fault_server.on(POST, Links(delay=0.5))
    asked, _ = ran_by_nbclient(tmp_path, fault_server, awake, "%%seedream -b\na fox", "time.sleep(2)")
    assert asked.startswith("@1 done")


def test_nbclient_saves_what_the_last_cell_waits_for(
    awake: dict[str, str], fault_server: FaultServer, tmp_path: Path
) -> None:
    """With `job.result()` in the last cell the result stands below the cell that asked for it."""
    fault_server.on(POST, Links(delay=1.0))
    cells = ("%%seedream -b --out job\na fox", "status = job.result().status\nprint(status)")
    asked, waited = ran_by_nbclient(tmp_path, fault_server, awake, *cells)
    assert waited == "done\n"
    assert asked.startswith("@1 done")


def test_nbclient_saves_that_it_did_not_wait(awake: dict[str, str], fault_server: FaultServer, tmp_path: Path) -> None:
    """What still runs after the last cell says in the saved notebook what became of it; the history names it."""
    fault_server.on(POST, Links(delay=30))
    asked, _ = ran_by_nbclient(tmp_path, fault_server, awake, "%%seedream -b\na fox", "time.sleep(0.5)")
    assert GOES_ON in asked
    with Kernel(tmp_path, env=KEY) as kernel:
        assert "@1 may have been billed" in kernel.execute("%load_ext seedream_nb\n%seedream recover").printed
