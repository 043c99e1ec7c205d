"""What the gateway itself refuses. Each error has a stable code; `web.errors` gives its status."""


class GatewayError(Exception):
    """The gateway refuses the request; no other service sees it."""

    code: str


class CrossSiteRequestError(GatewayError):
    """A page of another site asks for something private, with credentials that the browser has added."""

    code = "cross-site-request"

    def __init__(self) -> None:
        super().__init__(
            "A web page of another origin may not use a username and password here. Use an API key as Bearer token, or "
            "have the operator allow the origin."
        )


class MalformedPathError(GatewayError):
    """The percent-encoding of the path does not decode to UTF-8 without NUL."""

    code = "malformed-path"

    def __init__(self) -> None:
        super().__init__("The path is not UTF-8, or contains NUL.")


class BodyCutShortError(GatewayError):
    """The body ended before its announced length, or its chunked encoding is broken."""

    code = "malformed-body"

    def __init__(self) -> None:
        super().__init__("The body ended before its announced length, or comes in broken or very many chunks.")


class BodyTooSlowError(GatewayError):
    """The body did not arrive in time."""

    code = "request-timeout"

    def __init__(self) -> None:
        super().__init__("The body did not arrive in time.")


class BodyTooLargeError(GatewayError):
    """The body is larger than the limit."""

    code = "body-too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A request body may have {limit} bytes.")


class FormatNotOfferedError(GatewayError):
    """oEmbed is asked for in another format than JSON."""

    code = "not-implemented"

    def __init__(self) -> None:
        super().__init__("oEmbed is offered as JSON only: leave format out, or say format=json.")


class UnsupportedFormatError(GatewayError):
    """A file that is uploaded is no picture of a format that imghost takes."""

    code = "unsupported-format"

    def __init__(self) -> None:
        super().__init__("The file is no JPEG, PNG, WebP, GIF, AVIF, TIFF, BMP or HEIC.")


class NoMultipartError(GatewayError):
    """The body of an upload is no form with a file."""

    code = "unsupported-media-type"

    def __init__(self) -> None:
        super().__init__("Send multipart/form-data with a boundary, or the file itself by PUT.")


class MalformedMultipartError(GatewayError):
    """The body of an upload is no multipart of the boundary that its content type tells."""

    code = "malformed-body"

    def __init__(self) -> None:
        super().__init__("The body is no multipart/form-data in UTF-8, or has too many or too large fields.")


class OverloadedError(GatewayError):
    """More requests are in progress than the services can answer."""

    code = "service-unavailable"

    def __init__(self) -> None:
        super().__init__("There is more to do than can be done at the moment. Nothing was changed; try again.")


class PasswordsBusyError(GatewayError):
    """More passwords wait than auth can hash, and this source has failed a moment ago or sends several."""

    code = "service-unavailable"

    def __init__(self) -> None:
        super().__init__("Too many passwords are being verified. Try again in a moment, or use an API key.")
