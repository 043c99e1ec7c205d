"""Origins of web pages (RFC 6454), as in `https://host:port`, and which of them are foreign to a request.

A browser adds the username and password that a person has once given it to every request to that host, also to those
that the pages of strangers make. So a change that comes with them counts only if the page is one of this host, or of an
origin that the operator has named.
"""

from urllib.parse import urlsplit

from chassis.urls import check_server

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAME = {"same-origin", "none"}  # `none`: a person has typed the address, no page has made the request


def check(origin: str) -> str:
    """Return `origin` as browsers write it if it is scheme://host[:port] of HTTP; else raise `ValueError`."""
    parts = urlsplit(check_server(origin))
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    is_implied = parts.port in {None, _DEFAULT_PORTS[parts.scheme]}
    return f"{parts.scheme}://{host}" if is_implied else f"{parts.scheme}://{host}:{parts.port}"


def is_foreign(origin: str, host: str, fetch_site: str) -> bool:
    """Return whether a request was made by a page that is not of this host.

    The arguments are the request's headers Origin, Host and Sec-Fetch-Site, empty if they are missing. The last decides
    where the browser sends it, since it is right behind a proxy that replaces Host, too. A request with neither Origin
    nor Sec-Fetch-Site is not made by a page. The same decision as CrossOriginProtection of Go's net/http.
    """
    if fetch_site:
        return fetch_site not in _SAME
    if not origin:
        return False
    try:
        page = urlsplit(origin)
        served = urlsplit(f"//{host}")
        implied = _DEFAULT_PORTS.get(page.scheme)
        # Host says nothing of the scheme: without a port it is the one that the page's scheme implies.
        ports = page.port or implied, served.port or implied
    except ValueError:
        return True
    return not page.hostname or page.hostname != served.hostname or ports[0] != ports[1]
