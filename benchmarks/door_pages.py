"""Fifty readers of a public collection with long descriptions: what that costs the gateway and catalog.

To run it alone: PYTHONPATH=tests:embedded/src .venv/bin/python -m benchmarks.door_pages
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import page_readers
from page_readers import Figures
from web_stack import WebStack

READERS = 50
FOR_S = 10


def measure(readers: int = READERS, for_s: float = FOR_S, description: str = page_readers.LONG) -> Figures:
    """Start the web services on SQLite, have `readers` read for `for_s` seconds, and return what that cost."""
    with tempfile.TemporaryDirectory() as folder:
        stack = WebStack(Path(folder))
        stack.prepare()
        page_readers.fill(Path(folder, "catalog.db"), "c", description)
        try:
            stack.start_all()
            pids = {service: stack.processes[service].pid for service in ("gateway", "catalog")}
            return page_readers.read(stack.url(), pids, "c", readers, for_s)
        finally:
            for service in list(stack.processes):
                stack.stop(service)


if __name__ == "__main__":
    for name, value in asdict(measure()).items():
        sys.stdout.write(f"{name:20} {value}\n")
