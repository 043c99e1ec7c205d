"""Errors of every kind of process, with or without an HTTP interface: nothing of the web is imported here."""


class DependencyDownError(Exception):
    """Something that this request needs does not answer; the same request may work in a moment.

    REASON is for operators. The text is for clients, who are not told it.
    """

    code = "service-unavailable"
    what, reason = "", ""

    def __init__(self, what: str, reason: str = "") -> None:
        super().__init__(f"The {what} does not answer. Try again in a moment.")
        self.what, self.reason = what, reason

    @property
    def for_operators(self) -> str:
        """What happened, in one sentence."""
        return f"The {self.what} cannot be used: {self.reason}" if self.reason else str(self)


class ClocksApartError(DependencyDownError):
    """The clocks of auth and of this service are further apart than tokens bear."""

    def __init__(self) -> None:
        Exception.__init__(self, "The service cannot tell who calls at the moment. Try again in a moment.")


class TokenRefusedError(Exception):
    """No token, or one that is forged, or meant for somebody else; the gateway never sends such a one."""

    code = "token-refused"

    def __init__(self) -> None:
        super().__init__("This service takes requests with a valid token only.")
