"""Run the children given as JSON on stdin under honcho, until one of them ends or SIGTERM comes; then all end.

A process of its own for each stage of the run, in a session of its own, so that neither Ctrl-C nor a closed terminal
reaches it: who started it decides. It dies, and takes the children along, when that process dies.
honcho tells what starts and stops on stdout, one line each: `stage` reads them.
"""

import json
import multiprocessing
import os
import sys
from contextlib import suppress

from honcho.manager import Manager
from honcho.printer import Printer

from embedded.parent import end_with


class Outlet:
    """Stdout for honcho's lines, which must not fail when nobody reads it any more: honcho would drop the children."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            os.write(sys.stdout.fileno(), text.encode())

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""


def main() -> None:
    """Run until the end of all children."""
    end_with(parent=int(sys.argv[1]))
    multiprocessing.set_start_method("fork")  # honcho's watchers are small; newer Pythons would import anew for each
    manager = Manager(Printer(Outlet(), prefix=False, colour=False))
    for child in json.load(sys.stdin):
        manager.add_process(child["name"], child["command"], env=child["environment"])
    manager.loop()


if __name__ == "__main__":
    main()
