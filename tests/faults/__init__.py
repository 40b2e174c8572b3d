"""A service that fails on purpose, on real sockets, and remembers all that reached it.

    def test_something(fault_server: FaultServer) -> None:
        fault_server.on(POST, Reply(status=429, headers={"Retry-After": "1"}), Links(count=4, width=2048, height=2048))
        fault_server.on("/gone.jpg", Reply(status=404))
        link = fault_server.picture(64, 64, Reply(status=500), name="second-time-lucky.jpg")
        ...                                                      # the code under test, sent to fault_server.url
        assert [seen.status for seen in fault_server.posts] == [429, 200]
        assert "authorization" not in fault_server.gets[0].headers

Each path has a script: one step a request, the last one again and again. The steps are `Reply` (whole, late, in part,
in drips, with a range), `Links` (the service's reply, with pictures that can be fetched), `Cut` and `Stall` (before,
within or after the request's body), any function that takes a `Seen` and returns a step, and `OnceRead` with such a
function that is asked when the body has been read. The service's own path
answers with `Links()` unless it has a script; every other path answers 404. `server.cut_connections(2)` cuts the next
two before a byte is read. For other processes: `python -m tests.faults --help`.
"""

from __future__ import annotations

from tests.faults.pictures import jpeg
from tests.faults.script import POST, Cut, Links, OnceRead, Reply, Seen, Stall
from tests.faults.server import FaultServer

__all__ = ["POST", "Cut", "FaultServer", "Links", "OnceRead", "Reply", "Seen", "Stall", "jpeg"]
