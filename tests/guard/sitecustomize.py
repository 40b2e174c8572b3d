"""Python runs this at the start of every child process of a test: it is watched from its first line on."""

from __future__ import annotations

import os
import runpy
import sys

runpy.run_path(os.path.join(os.path.dirname(__file__), "loopback.py"))["watch"]()  # noqa: PTH118, PTH120 - pathlib would be loaded in every child

# jsonschema, and so each Jupyter server and whatever reads a notebook, would work for two seconds on a grammar of
# international addresses. None is checked by it here, and it takes the library for one that is not installed.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
