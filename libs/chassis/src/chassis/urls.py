"""URLs among the settings: each is checked when the settings are read, and what is wrong is one sentence.

No sentence shows the URL or a part of it, since that may be a password. A URL that a library would take apart wrongly,
such as one whose password has an `@` in it, is refused here, because libraries show the parts that they cannot use.
"""

import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, SecretStr

if TYPE_CHECKING:
    import sqlalchemy as sa

_MOST_PORTS = 65535
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%a-z]*")
_DNS_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_ENCODE = "in a user name or password, characters other than letters and digits are written as %40 (that is @)"
# Options that chassis.database.engines sets itself.
_RESERVED_OPTIONS = {
    "options": "options are set by the service itself",
    "prepare_threshold": "prepare_threshold is set by the service itself, see DATABASE_POOLER",
}


def _split(url: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """Return the parts of `url`. Raise `ValueError` if it has none of `schemes` or no host, or would be misread."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("holds spaces or characters that no URL has")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"is no URL like {example}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(f"is misread: {_ENCODE}")
    _check_authority(parts)
    return parts


def _check_authority(parts: SplitResult) -> None:
    _check_host(parts.hostname)
    try:
        port = parts.port
    except ValueError:  # its text shows what stands in place of the port, which may be a part of a password
        raise ValueError(f"has no port from 1 to {_MOST_PORTS} where it should; {_ENCODE}") from None
    if port == 0:
        raise ValueError(f"has no port from 1 to {_MOST_PORTS} where it should")


def _check_host(host: str | None) -> None:
    if not host:
        raise ValueError("names no host")
    if not _HOST.fullmatch(host):
        raise ValueError(f"names a host that cannot be; {_ENCODE}")


def check_http(url: str) -> str:
    """Return `url` if it is the address of an HTTP server, with or without a path; else raise `ValueError`."""
    parts = _split(url, ("http", "https"), "https://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("takes no user name and password")
    if parts.query or "?" in url:
        raise ValueError("takes no query")
    return url


def check_server(url: str) -> str:
    """Return `url`, without a final slash, if it is the address of an HTTP server without a path.

    Else raise `ValueError`.
    """
    if urlsplit(check_http(url)).path not in {"", "/"}:
        raise ValueError("takes no path")
    return url.removesuffix("/")


def check_endpoint(url: str) -> str:
    """Return `url` if boto3 accepts it as an endpoint, whose host must be a DNS name; else raise `ValueError`."""
    host = urlsplit(check_http(url)).hostname or ""
    if not _DNS_HOST.fullmatch(host):
        raise ValueError("names a host with other characters than letters, digits, dots and hyphens")
    return url


def check_broker(secret: SecretStr) -> SecretStr:
    """Return `secret` if it is an AMQP URL that pika understands, or several with commas between them.

    Else raise `ValueError`.
    """
    import pika  # noqa: PLC0415 - installed only in services with a broker

    for url in broker_nodes(secret.get_secret_value()):
        _split(url, ("amqp", "amqps"), "amqp://user:password@host:5672/%2F")
        try:
            pika.URLParameters(url)
        except Exception:  # noqa: BLE001 - pika raises many kinds of errors here, with pieces of the URL in the text
            raise ValueError("has an option that the client library does not understand") from None
    return secret


def broker_nodes(urls: str) -> list[str]:
    """Return the URL of each node of a broker in `urls`, where they have commas between them."""
    # A comma by itself may be a part of a password.
    return re.split(r",(?=amqps?://)", urls)


def check_database(secret: SecretStr) -> SecretStr:
    """Return `secret` if it is SQLAlchemy's URL of a PostgreSQL server or an SQLite file; else raise `ValueError`."""
    import sqlalchemy as sa  # noqa: PLC0415 - installed only in services with a database

    text = secret.get_secret_value()
    if not text.isprintable():
        raise ValueError("holds characters that no URL has")
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(f"is no URL like postgresql+psycopg://user:password@host:5432/name; {_ENCODE}") from None
    if url.drivername in {"sqlite", "sqlite+pysqlite"}:
        if not url.database or url.database == ":memory:":
            raise ValueError("names no file: sqlite:////a/path")
        if url.host or url.query:
            raise ValueError("takes a path only: sqlite:////a/path")
    elif url.drivername == "postgresql+psycopg":
        _check_postgresql(url)
    else:
        raise ValueError("does not begin with postgresql+psycopg:// or sqlite:///")
    return secret


def _check_postgresql(url: "sa.URL") -> None:
    import psycopg  # noqa: PLC0415 - installed only in services with a database

    if "@" in (url.database or "") or "@" in (url.host or ""):
        raise ValueError(f"is misread: {_ENCODE}")
    for name, message in _RESERVED_OPTIONS.items():
        if name in url.query:
            raise ValueError(message)
    if url.port is not None and not 0 < url.port <= _MOST_PORTS:
        raise ValueError(f"has no port from 1 to {_MOST_PORTS} where it should")
    hosts = [each for value in _values(url.query.get("host")) for each in value.split(",")]
    if url.host or not hosts:
        _check_host(url.host)
    for host in hosts:
        # Several servers, as in `host=a:5432&host=b:5432`, or the folder of a Unix socket.
        if not host.startswith("/"):
            _check_host(host.partition(":")[0])
    try:
        psycopg.conninfo.make_conninfo(**dict.fromkeys(url.query, "1"))
    except psycopg.Error:
        raise ValueError("has an option that libpq does not know") from None


def _values(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else given


def check_label(text: str) -> str:
    """Return `text` if it can be one label of a host name, which boto3 makes of a region; else raise `ValueError`."""
    if not re.fullmatch(r"(?!-)(?![0-9]+$)[A-Za-z0-9-]{1,63}(?<!-)", text):
        raise ValueError("takes letters, digits and hyphens only, and a letter at least")
    return text


HttpUrl = Annotated[str, AfterValidator(check_http)]
ServerUrl = Annotated[str, AfterValidator(check_server)]
EndpointUrl = Annotated[str, AfterValidator(check_endpoint)]
BrokerUrl = Annotated[SecretStr, AfterValidator(check_broker)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(check_database)]
HostLabel = Annotated[str, AfterValidator(check_label)]
