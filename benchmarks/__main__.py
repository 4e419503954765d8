"""
Run all benchmarks on SQLite and PostgreSQL, print the tables, and draw the plot.

    python -m benchmarks                     a quarter of an hour
    python -m benchmarks --quick             a minute; the figures are not reliable
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import report

FULL = ["--rounds", "300", "--growth", "1000", "10000", "100000", "1000000"]
QUICK = ["--rounds", "20", "--operations", "5", "--sessions", "100", "--growth", "100", "1000"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--database", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plot", type=Path, default=Path("docs/images/performance.svg"))
    options = parser.parse_args(arguments)
    runs = [_run("benchmarks.run", database, QUICK if options.quick else FULL) for database in options.database]
    for run in runs:
        print(f"## {run['database']}\n\n{report.tables(run)}\n")
    for database in options.database:
        print(json.dumps(_run("benchmarks.server", database, ["--seconds", "1" if options.quick else "3"]), indent=1))
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    report.plot(runs, options.plot)
    print(f"The plot is in {options.plot}.")


def _run(module: str, database: str, arguments: list[str]) -> Any:
    """Run a module in a separate process, because Django is set up once per process, for one database."""
    command = [sys.executable, "-m", module, "--database", database, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    main()
