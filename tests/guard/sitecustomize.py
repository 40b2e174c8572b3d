"""Python runs this at the start of every child process of a test: it is watched from its first line on."""

from __future__ import annotations

import os
import runpy

runpy.run_path(os.path.join(os.path.dirname(__file__), "loopback.py"))["watch"]()  # noqa: PTH118, PTH120 - pathlib would be loaded in every child
