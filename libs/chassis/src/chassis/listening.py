"""Listening sockets for IPv4 and IPv6, opened alike for HTTP and for the operations port on every system."""

import os
import socket
import sys

BACKLOG = 4096  # the kernel has a limit as well


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `port` of `host`: an address (of IPv6 with or without brackets) or a name.

    `::` accepts IPv4 as well, whatever the default of the system is. End the process with one sentence if the address
    is not available, as on a host without IPv6.
    """
    try:
        found = socket.getaddrinfo(
            host.removeprefix("[").removesuffix("]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # A name may have addresses of both families, as localhost does. IPv4 is chosen, since every client tries it.
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except socket.gaierror as fault:
        sys.exit(f"cannot listen on {host}: {fault.strerror}")
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno else fault
        hint = "; has this host IPv6?" if ":" in host else ""
        sys.exit(f"cannot listen on {host}, port {port}: {reason}{hint}")
