"""Which addresses count as one source: whoever has one of them probably has the others, too."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what failures and connections of `address` are counted for: of IPv6 its /64, of IPv4 the address.

    One customer usually has a whole /64. A dual-stack socket shows IPv4 clients as `::ffff:192.0.2.1`, all in one /64:
    of those the IPv4 address counts. What is no address counts as it is.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network(f"{parsed}/64", strict=False))
