"""Run every benchmark and print one table: `python -m benchmarks [word …]`, the words choosing by name."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING

import benchmarks
from benchmarks.measure import table

if TYPE_CHECKING:
    from benchmarks.measure import Row


def main(words: list[str]) -> int:
    """Measure; return 1 if a bound was passed."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    names = [name for name in found if name.startswith("bench_") and all(word in name for word in words)]
    rows: list[Row] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").run()
    print(table(rows))
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
