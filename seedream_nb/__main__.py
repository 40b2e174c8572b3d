"""What can be done from a shell: `python -m seedream_nb doctor`, with `--paid` or without."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError
from seedream_nb.notebook.verbs import VERBS
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C has ended."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 when nothing is wrong."""
    given = _parser().parse_args(words)
    from seedream_nb.notebook.verbs.doctor import look_around, look_at_the_service

    try:
        session = PROCESS.the_session()
        if not given.paid:
            return int(look_around(session, None) > 0)
        print(look_at_the_service(session, None))
    except SeedreamError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    except KeyboardInterrupt:
        print("Stopped. Nothing was sent, nothing was billed.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m seedream_nb", description="Pictures in a notebook are made there: %load_ext seedream_nb"
    )
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    verb = VERBS["doctor"]
    doctor = verbs.add_parser("doctor", help=verb.help, description=verb.more)
    for flag, told in verb.flags:
        doctor.add_argument(flag, action="store_true", help=told)
    return parser


if __name__ == "__main__":
    sys.exit(main())
