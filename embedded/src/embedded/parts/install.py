"""Install RabbitMQ from the distribution's packages, if it is missing and the caller has root's rights.

The package would start a broker for the whole machine; this is prevented, now and at the next boot.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.faults import RunFailed, StopRequested
from embedded.parts.rabbitmq import find_script
from embedded.processes.terminal import say

ADVICE = "RabbitMQ is missing: install it (Debian, Ubuntu: apt install rabbitmq-server), or name one with AMQP_URL"
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Written while RabbitMQ is installed without being started; removed right after.\nexit 101\n"
FORBIDDEN_BY_POLICY = 101


@dataclass(frozen=True)
class Root:
    """How to run commands as root: `prefix` is empty, or sudo."""

    prefix: tuple[str, ...]

    def run(self, *command: str, log: Path) -> int:
        """Run a command as root with its output in `log` and return its exit code. `StopRequested` ends it first."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self.prefix, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                return process.wait()
            except StopRequested:
                process.terminate()
                process.wait()
                raise


def become_root() -> Root | None:
    """Return how to run commands as root without a password, or None."""
    if os.geteuid() == 0:
        return Root(())
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return Root((sudo, "-n"))
    return None


@contextmanager
def services_kept_down(root: Root, log: Path, policy: Path = POLICY) -> Iterator[None]:
    """Let no package start a service within this context (Debian: `policy-rc.d` with exit code 101).

    A policy that exists already is left as it is. Raise `RunFailed` if it would let the broker start.
    """
    if policy.exists():
        if root.run(str(policy), "rabbitmq-server", "start", log=log) != FORBIDDEN_BY_POLICY:
            raise RunFailed(f"{ADVICE} ({policy} exists, so that this cannot be done here without starting a broker)")
        yield
        return
    try:
        script = f'umask 022; printf %s "$1" >{policy} && chmod 755 {policy}'
        if root.run("sh", "-c", script, "sh", POLICY_TEXT, log=log) != 0:
            raise RunFailed(f"{ADVICE} ({policy} could not be written)")
        yield
    finally:
        root.run("rm", "-f", str(policy), log=log)


def install_rabbitmq(log: Path) -> None:
    """Install the distribution's rabbitmq-server. Raise `RunFailed`, which says what to do, if that is not possible."""
    root = become_root()
    if shutil.which("apt-get") is None or root is None:
        raise RunFailed(f"{ADVICE}; nothing was started")
    say("RabbitMQ is missing: installing rabbitmq-server from the distribution's packages (its own service stays off)")
    apt: Sequence[str] = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
    with services_kept_down(root, log):
        root.run(*apt, "update", log=log)  # if this fails, the lists that are there may still do
        if root.run(*apt, "install", "--no-install-recommends", "rabbitmq-server", log=log) != 0:
            raise RunFailed(f"installing rabbitmq-server failed, see {log}; {ADVICE}")
        if shutil.which("systemctl"):
            root.run("systemctl", "disable", "rabbitmq-server", log=log)


def main() -> None:
    """Install RabbitMQ if it is missing: `python -m embedded.parts.install`."""
    if find_script() is not None:
        return
    log = Path(tempfile.gettempdir()) / "imghost-rabbitmq-apt.log"
    try:
        install_rabbitmq(log)
    except RunFailed as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main()
