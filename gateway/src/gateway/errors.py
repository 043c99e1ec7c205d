"""What the gateway itself refuses, and with which status."""


class GatewayError(Exception):
    """A request that the gateway refuses before any service sees it."""

    code: str


class MalformedPathError(GatewayError):
    """A path whose percent-encoding does not decode to UTF-8 without NUL."""

    code = "malformed-path"

    def __init__(self) -> None:
        super().__init__("The path is not UTF-8, or contains NUL.")


class BodyCutShortError(GatewayError):
    """A body that ended before its announced length, or broke its chunking."""

    code = "malformed-body"

    def __init__(self) -> None:
        super().__init__("The body ended before its announced length.")


class BodyTooSlowError(GatewayError):
    """A body that did not arrive in time."""

    code = "request-timeout"

    def __init__(self) -> None:
        super().__init__("The body did not arrive in time.")


class BodyTooLargeError(GatewayError):
    """A body over the limit."""

    code = "body-too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A request body may have {limit} bytes.")


STATUSES: dict[type[Exception], int] = {
    MalformedPathError: 400,
    BodyCutShortError: 400,
    BodyTooSlowError: 408,
    BodyTooLargeError: 413,
}
