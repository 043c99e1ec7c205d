"""The program of a service: runs its commands, after it was decided where the metrics of the process are kept."""

import sys
from pkgutil import resolve_name

from chassis import shared_metrics


def run(commands: str) -> None:
    """Run the commands named as `module:function`, which are imported only then.

    `serve` is several processes, whose metrics are shown at one port. Those of any other command are its own.
    """
    if sys.argv[1:2] == ["serve"]:
        shared_metrics.share()
    else:
        shared_metrics.keep_apart()
    resolve_name(commands)()
