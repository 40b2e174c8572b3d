"""A real IPython kernel for tests, seen the way a notebook sees it.

    with Kernel(folder) as kernel:            # or the fixture `kernel`
        ran = kernel.execute("1 + 1")         # waits for the cell's end
        assert ran.result == "2"
        running = kernel.start("%%seedream…") # returns at once
        kernel.until(lambda: "generating" in running.text)
        kernel.interrupt()
        running.wait()

Outputs that arrive after a cell has ended, and updates of a display, find the cell that they belong to,
as in a notebook.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.manager import KernelManager

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

Output = dict[str, Any]

SHOWN = {"display_data", "execute_result"}
NUDGE_SECONDS = 0.5


@dataclass(eq=False)
class Ran:
    """A cell that runs or has run; `outputs` are as a notebook file would hold them."""

    code: str
    outputs: list[Output] = field(default_factory=list)
    history: list[Output] = field(default_factory=list)
    """Every message as it came, updates and clearings included."""
    ended: threading.Event = field(default_factory=threading.Event, repr=False)
    clear_pending: bool = False

    def wait(self, seconds: float = 60) -> Self:
        """Wait until the kernel is done with the cell."""
        if not self.ended.wait(seconds):
            raise TimeoutError(f"still running after {seconds} s: {self.code!r}, so far {self.outputs}")
        return self

    def texts(self, stream: str) -> str:
        """Return what was printed to "stdout" or "stderr"."""
        return "".join(output["text"] for output in self.outputs if output.get("name") == stream)

    @property
    def printed(self) -> str:
        """What the cell printed."""
        return self.texts("stdout")

    @property
    def shown(self) -> list[Output]:
        """The mime bundles of displays and of the value, in order, as they are now."""
        return [output["data"] for output in self.outputs if output["output_type"] in SHOWN]

    @property
    def result(self) -> str | None:
        """The cell's value as plain text; None where there is none."""
        values = [output for output in self.outputs if output["output_type"] == "execute_result"]
        return values[-1]["data"]["text/plain"] if values else None

    @property
    def error(self) -> Output | None:
        """The error that failed the cell: ename, evalue, traceback (lines); None where there is none."""
        return next((output for output in self.outputs if output["output_type"] == "error"), None)

    @property
    def text(self) -> str:
        """Everything in the output that can be read as plain text."""
        return "\n".join(_plain(output) for output in self.outputs)


def _plain(output: Output) -> str:
    if output["output_type"] == "stream":
        return str(output["text"])
    if output["output_type"] == "error":
        return "\n".join(output["traceback"])
    return str(output["data"].get("text/plain", ""))


class Kernel:
    """A kernel process with its folder and environment; a context manager starts and ends it."""

    def __init__(self, folder: Path, env: Mapping[str, str | None] | None = None) -> None:
        """Run in `folder`, in this process's environment changed by `env` (None takes a variable away)."""
        self.folder = folder
        self.env = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", **(env or {})}
        self.cells: dict[str, Ran] = {}
        self._lock = threading.Lock()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Start the kernel and wait until it is ready."""
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        """End the kernel, whatever it does."""
        self.end()

    @property
    def pid(self) -> int:
        """The process id of the kernel."""
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def begin(self) -> None:
        """Start a new process and listen to it; start another if its ports were taken before it had them."""
        for _ in range(2):
            with contextlib.suppress(RuntimeError):
                return self._begin()
            self.end()
        return self._begin()

    def _begin(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        environment = {name: value for name, value in self.env.items() if value is not None}
        self.manager.start_kernel(cwd=str(self.folder), env=environment)
        self._open.callback(self.manager.cleanup_resources)
        self._open.callback(self.manager.shutdown_kernel, now=True)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self._open.callback(self.client.stop_channels)
        self.client.wait_for_ready(timeout=60)
        over = threading.Event()
        ears = threading.Thread(target=self._listen, args=(self.client, over), daemon=True)
        ears.start()
        self._open.callback(ears.join)
        self._open.callback(over.set)

    def end(self) -> None:
        """End the process at once and forget it."""
        self._open.close()

    def restart(self) -> None:
        """End the process, if it still runs, and start another in the same folder and environment."""
        self.end()
        self.begin()

    def kill(self) -> None:
        """Kill the process as a crash would; nothing in it gets a chance to run."""
        os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.until(lambda: not self.manager.is_alive(), seconds=10)

    def shut_down(self) -> None:
        """End the process as a notebook's "Shut down" does: it is asked, and gets a moment before it is made to."""
        self.manager.shutdown_kernel()

    def interrupt(self) -> None:
        """Interrupt the running cell, as the stop button does."""
        self.manager.interrupt_kernel()

    def start(self, code: str, *, stdin: bool = False) -> Ran:
        """Send a cell and return at once; `stdin` says that somebody is there to answer its questions."""
        ran = Ran(code)
        # A kernel that has just told of an error still refuses ("aborted") what comes within a moment, if that error
        # was to stop what stands in line: here nothing does, so the next cell of a test must not fall into that moment.
        # The lock keeps the listener from hearing of a cell that is not known yet.
        with self._lock:
            sent = self.client.execute(code, store_history=True, allow_stdin=stdin, stop_on_error=False)
            self.cells[sent] = ran
        return ran

    def execute(self, code: str, seconds: float = 60) -> Ran:
        """Run a cell to its end."""
        return self.start(code).wait(seconds)

    def next_input(self, ran: Ran) -> str | None:
        """Return the cell that this one asked to put below itself, if it did."""
        number = next(number for number, cell in self.cells.items() if cell is ran)
        while (reply := self.client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != number:
            pass
        texts = [each["text"] for each in reply["content"]["payload"] if each["source"] == "set_next_input"]
        return texts[-1] if texts else None

    def until(self, fact: Callable[[], object], seconds: float = 30) -> None:
        """Wait until `fact()` is true."""
        until(fact, seconds, told=lambda: f"cells: {list(self.cells.values())}")

    def _nudge(self) -> None:
        """Connect to the kernel once more: ipykernel 7.0 to 7.3 may not notice a cell until somebody does.

        See https://github.com/ipython/ipykernel/issues/1554.
        """
        # Closed only at the end, for connecting takes a moment.
        self._open.callback(self.manager.connect_shell().close, linger=0)

    def _listen(self, client: BlockingKernelClient, over: threading.Event) -> None:
        nudged = time.monotonic()
        while not over.is_set():
            if time.monotonic() - nudged > NUDGE_SECONDS:
                nudged = time.monotonic()
                if any(not ran.history for ran in list(self.cells.values())):
                    self._nudge()
            try:
                message = client.iopub_channel.get_msg(timeout=0.05)
            except queue.Empty:
                continue
            with self._lock:
                self._hear(message["parent_header"].get("msg_id"), message["msg_type"], message["content"])

    def _hear(self, cell: str | None, kind: str, content: dict[str, Any]) -> None:
        if kind == "update_display_data":
            self._update(content)
        ran = self.cells.get(cell or "")
        if ran is None:
            return
        ran.history.append({"output_type": kind, **content})
        if kind == "status" and content["execution_state"] == "idle":
            ran.ended.set()
        elif kind == "clear_output":
            _clear(ran, wait=content["wait"])
        elif kind in {*SHOWN, "stream", "error"}:
            _add(ran, {"output_type": kind, **content})

    def _update(self, content: dict[str, Any]) -> None:
        display_id = content["transient"]["display_id"]
        for output in (output for ran in self.cells.values() for output in ran.outputs):
            if output.get("transient", {}).get("display_id") == display_id:
                output.update(data=content["data"], metadata=content["metadata"])


def _clear(ran: Ran, *, wait: bool) -> None:
    ran.clear_pending = wait
    if not wait:
        ran.outputs.clear()


def _add(ran: Ran, output: Output) -> None:
    if ran.clear_pending:
        _clear(ran, wait=False)
    last = ran.outputs[-1] if ran.outputs else {}
    if output["output_type"] == "stream" and last.get("name") == output["name"]:
        last["text"] += output["text"]
    else:
        ran.outputs.append(output)
