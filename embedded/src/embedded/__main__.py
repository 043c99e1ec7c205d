"""The command line of `python -m embedded`: start everything, show that it works, stay until Ctrl-C."""

import argparse
import os
import sys
from contextlib import nullcontext, redirect_stdout

from embedded import run
from embedded.faults import RunFailed, StopRequested, means_full_disk
from embedded.home import find_home
from embedded.parts.disk import free_mib
from embedded.processes.parent import end_with
from embedded.processes.signals import stops_are_exceptions
from embedded.processes.terminal import complain, say


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m embedded",
        description="Run imghost as plain processes on this machine. Ctrl-C ends all of it.",
        epilog="PORT (8080), S3_PORT (5000) and AMQP_PORT (5673) change the ports; 0 takes any that is free. AMQP_URL "
        "names a RabbitMQ that runs already; S3_ENDPOINT_URL (AWS without it), S3_BUCKET, AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION name an S3 of yours. IMGHOST_HOME (.imghost) is the folder for "
        "everything that is written.",
    )
    parser.add_argument("--no-sample", action="store_true", help="upload no sample picture")
    parser.add_argument("--once", action="store_true", help="stop as soon as all is shown")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the caller ends (for make)")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else, on standard output")
    return parser


def parse(arguments: list[str]) -> run.Options:
    """Read the command line."""
    chosen = make_parser().parse_args(arguments)
    if chosen.end_with_parent:
        end_with(os.getppid())
    return run.Options(sample=not chosen.no_sample, once=chosen.once, json_to=sys.stdout if chosen.json else None)


def main() -> int:
    """Run. Return 0 after Ctrl-C or another stop, 1 after a fault, which is reported in one line."""
    options, home = parse(sys.argv[1:]), find_home()
    with stops_are_exceptions(), redirect_stdout(sys.stderr) if options.json_to else nullcontext():
        try:
            run.run(home, options)
        except StopRequested as stop:
            say(f"{stop}: everything is stopped")
        except RunFailed as fault:
            complain(str(fault), fault.details)
            return 1
        except OSError as fault:
            if not means_full_disk(fault):
                raise
            complain(f"the disk of {home.root} is full: {free_mib(home.root)} MiB free; everything is stopped")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
