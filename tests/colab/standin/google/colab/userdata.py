"""Stands in for google.colab.userdata: answers as `STANDIN_SECRET` says, and writes down each question.

The errors have the names and the order of bases of the real module.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

ASKED = "asked.txt"
"""In the notebook's folder: a line for each question, with the thread that asked."""


class SecretNotFoundError(Exception):
    """There is no such secret."""


class NotebookAccessError(Exception):
    """The notebook may not have it."""


class TimeoutException(Exception):
    """The page did not answer: there is none."""


def get(key: str) -> str:
    """Return the secret, or fail as the real one does."""
    with Path(ASKED).open("a", encoding="utf-8") as file:
        file.write(f"{key} {threading.current_thread() is threading.main_thread()}\n")
    answer = os.environ.get("STANDIN_SECRET", "missing")
    if answer == "missing":
        raise SecretNotFoundError(key)
    if answer == "refused":
        raise NotebookAccessError(key)
    if answer == "no page":
        raise TimeoutException(key)
    return answer
