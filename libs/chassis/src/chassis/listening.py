"""Listening sockets: IPv4 and IPv6 alike, made here so that no default of the machine decides anything."""

import os
import socket
import sys

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen on PORT of HOST: an address, of IPv6 with or without brackets, or a name.

    `::` takes IPv4 as well, whatever the system's default is. Where the address cannot be had, as on a host without
    IPv6, one sentence says so and the process ends.
    """
    try:
        found = socket.getaddrinfo(
            host.removeprefix("[").removesuffix("]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # A name may stand for both families, as localhost does: then IPv4, which whoever connects tries in any case.
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except socket.gaierror as fault:
        sys.exit(f"cannot listen on {host}: {fault.strerror}")
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno else fault
        hint = "; has this host IPv6?" if ":" in host else ""
        sys.exit(f"cannot listen on {host}, port {port}: {reason}{hint}")
