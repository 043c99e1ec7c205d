"""Check whether a RabbitMQ answers and accepts our credential, by connecting as a client does."""

import logging
from urllib.parse import urlsplit, urlunsplit

import pika
import pika.exceptions

from embedded.faults import RunFailed

TIMEOUT_S = 5.0


def accepts_us(url: str) -> bool:
    """Return whether a client with this URL gets a connection."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a broker that is still starting is no error
    try:
        parameters = pika.URLParameters(url)
        parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = TIMEOUT_S
        pika.BlockingConnection(parameters).close()
    except (pika.exceptions.AMQPError, OSError):
        return False
    return True


def without_password(url: str) -> str:
    """Return the URL without user and password, as it may be shown."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def require(url: str) -> None:
    """Raise `RunFailed` if the broker that the caller named does not answer or refuses the credential."""
    try:
        accepted = accepts_us(url)
    except Exception as fault:  # pika raises many kinds of exceptions for malformed URLs
        raise RunFailed(
            f"AMQP_URL is no address of a RabbitMQ ({type(fault).__name__}); nothing was started"
        ) from fault
    if not accepted:
        raise RunFailed(f"no RabbitMQ lets us in at {without_password(url)} (AMQP_URL); nothing was started")
