"""Choose ports: people set three of them in the environment, the internal ones are any that are free."""

import random
import socket
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.faults import RunFailed

LOOPBACK = "127.0.0.1"
LOWEST_CHOICE, HIGHEST_PORT = 20_000, 65_535
RANGE_OF_OUTGOING_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")
DEFAULTS = {"PORT": 8080, "S3_PORT": 5000, "AMQP_PORT": 5673}
"""5673, not 5672: that may be the port of a RabbitMQ that runs already."""


@dataclass(frozen=True)
class Ports:
    """The ports that a person can choose."""

    gateway: int
    s3: int
    amqp: int


def read_ports(environ: Mapping[str, str], *, private_broker: bool, private_s3: bool = True) -> Ports:
    """Read PORT, S3_PORT and AMQP_PORT. Raise `RunFailed` if one is no port, two are the same, or one is in use.

    0 stands for any free port. S3_PORT and AMQP_PORT are ignored where this run starts no server for them.
    """
    unused = {name for name, private in (("AMQP_PORT", private_broker), ("S3_PORT", private_s3)) if not private}
    names = [name for name in DEFAULTS if name not in unused]
    numbers: dict[str, int] = {}
    for name in names:
        numbers[name] = _parse(name, environ.get(name) or str(DEFAULTS[name]))
        for other in names[: names.index(name)]:
            if numbers[other] == numbers[name] != 0:
                raise RunFailed(f"{other} and {name} are both {numbers[name]}; nothing was started")
    for name, number in numbers.items():
        if number and (fault := _fault_of(number)):
            raise RunFailed(f"port {number} {fault}; choose another with {name}=...; nothing was started")
    free = [name for name, number in numbers.items() if number == 0]
    numbers |= zip(free, free_ports(len(free), besides=numbers.values()), strict=True)
    return Ports(numbers["PORT"], numbers.get("S3_PORT", 0), numbers.get("AMQP_PORT", 0))


def _parse(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT):
        raise RunFailed(
            f"{name}={text} is no port; use a number from 1 to {HIGHEST_PORT}, or 0 for any that is free; "
            "nothing was started"
        )
    return int(text)


def _fault_of(port: int) -> str | None:
    with socket.socket() as probe:
        # As all servers here do: old connections in TIME_WAIT do not matter, only another listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except PermissionError:
            return "is reserved for root"
        except OSError:
            return "is in use"
    return None


def is_listening(port: int) -> bool:
    """Return whether a server accepts connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_ports(count: int, besides: Container[int] = ()) -> list[int]:
    """Return `count` different ports on which nobody listens now, none of `besides`.

    They lie outside the range that the kernel takes ports for outgoing connections from: a connection, even one of our
    own probes, could take such a port between this choice and the start of the server.
    """
    first, last = _range_of_outgoing_connections()
    candidates = [port for port in range(LOWEST_CHOICE, HIGHEST_PORT) if not first <= port <= last]
    random.shuffle(candidates)
    found: list[int] = []
    while len(found) < count:
        # If the kernel may use all ports for outgoing connections, any free one has to do.
        port = candidates.pop() if candidates else _any_port()
        if port not in found and port not in besides and _fault_of(port) is None:
            found.append(port)
    return found


def _range_of_outgoing_connections() -> tuple[int, int]:
    try:
        first, last = RANGE_OF_OUTGOING_CONNECTIONS.read_text(encoding="ascii").split()
    except OSError:  # not Linux: assume IANA's range of ephemeral ports
        return 49152, HIGHEST_PORT
    return int(first), int(last)


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
