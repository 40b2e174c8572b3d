"""How long a link holds is told where the link says it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from seedream_nb.errors import DownloadError
from seedream_nb.notebook.verbs.doctor import _history
from seedream_nb.notebook.verbs.history import recover
from seedream_nb.service.lifetime import describe_lifetime
from tests.faults import POST, FaultServer, Reply

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tests.conftest import NewSession

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC).timestamp()
TOS = "https://tos.example/1.jpg?X-Tos-Date={}&X-Tos-Expires={}&X-Tos-Signature=abc"


@pytest.mark.parametrize(
    ("links", "told"),
    [
        ([TOS.format("20261129T090000Z", 86400)], "its link holds for 21 h from now, as it says"),
        ([TOS.format("20261129T090000Z", 3600)], "its link ended 2 h ago, as it says"),
        ([TOS.replace("Tos", "Amz").format("20261129T115900Z", 600)], "its link holds for 9 min from now, as it says"),
        (
            [TOS.format("20261129T090000Z", 86400), TOS.format("20261129T080000Z", 86400)],
            "the links hold for 20 h from now, as they say",
        ),
        (["https://e.com/1.jpg?Expires=1795953600"], "its link holds for 40 min from now, as it says"),
        (["https://e.com/1.jpg"], ""),
        ([TOS.format("soon", "1e400")], ""),
        (["https://[e.com/1.jpg?X-Tos-Date=1"], ""),
        (["https://e.com/?" + "a=1&" * 200], ""),
        ([], ""),
    ],
)
def test_how_long_links_hold(links: list[str], told: str) -> None:
    """By the parameters of object storages; nothing is said where they don't say it."""
    if "Expires=1795953600" in "".join(links):
        assert describe_lifetime(links, 1795953600 - 40 * 60) == told
    else:
        assert describe_lifetime(links, NOW) == told


def test_recover_tells_how_long_a_link_holds(
    new_session: NewSession, fault_server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each picture that is still missing."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    link = f"{fault_server.url}/gone.jpg?X-Tos-Date={date}&X-Tos-Expires=86400"
    fault_server.on(POST, Reply(body=f'{{"images": ["{link}"]}}'.encode()))
    fault_server.on("/gone.jpg", Reply(status=404))
    session = new_session()
    with pytest.raises(DownloadError):
        session.start("a fox").result()
    recover("", session, cast("InteractiveShell", None))
    assert "its link holds for 24 h from now, as it says" in capsys.readouterr().out


def test_doctor_tells_how_long_the_links_of_what_is_unfinished_hold(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """Beside the marks, so that one knows whether to hurry."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    link = f"{fault_server.url}/gone.jpg?X-Tos-Date={date}&X-Tos-Expires=86400"
    fault_server.on(POST, Reply(body=f'{{"images": ["{link}"]}}'.encode()))
    fault_server.on("/gone.jpg", Reply(status=503))
    session = new_session()
    with pytest.raises(DownloadError):
        session.start("a fox").result()
    told = [finding.message for finding in _history(session, None)]
    assert told == ["1 of 1 generations is unfinished: @1; its link holds for 24 h from now, as it says"]
