"""Errors that all kinds of processes have, with or without an HTTP interface: nothing of Flask is imported here."""


class DependencyDownError(Exception):
    """A dependency, such as the database, does not answer; the same request may work in a moment.

    `reason` is for operators and logs. The text of the error is for clients, and does not contain it.
    """

    code = "service-unavailable"
    what, reason = "", ""

    def __init__(self, what: str, reason: str = "") -> None:
        super().__init__(f"The {what} does not answer. Try again in a moment.")
        self.what, self.reason = what, reason

    @property
    def for_operators(self) -> str:
        """One sentence that names the reason, if it is known."""
        return f"The {self.what} cannot be used: {self.reason}" if self.reason else str(self)


class OutcomeUnknownError(DependencyDownError):
    """A dependency was lost just when it made a change: it may have been made or not."""

    code = "outcome-unknown"

    def __init__(self, what: str, reason: str = "") -> None:
        super().__init__(what, reason)
        advice = "Read the resource before you try again; a POST may be sent again with the same Idempotency-Key."
        self.args = (f"The {what} did not answer, and may have made the change or not. {advice}",)


class CallerGoneError(Exception):
    """The caller no longer waits for the answer, so nothing was changed."""

    code = "service-unavailable"

    def __init__(self) -> None:
        super().__init__("The time for this request was over before anything was changed. Try again in a moment.")


class ClocksApartError(DependencyDownError):
    """The clocks of auth and of this service differ by more than tokens allow."""

    def __init__(self) -> None:
        Exception.__init__(self, "The service cannot tell who calls at the moment. Try again in a moment.")


class TokenRefusedError(Exception):
    """There is no token, or it is forged, or signed for another service; the gateway never sends such a request."""

    code = "token-refused"

    def __init__(self) -> None:
        super().__init__("This service takes requests with a valid token only.")


class InsufficientScopeError(Exception):
    """The API key of the caller has none of the scopes that the operation needs."""

    code = "insufficient-scope"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__(f"This takes an API key with the scope {' or '.join(scopes)}; a password may do it, too.")
        # RFC 6750 (3) has no way to write "or".
        self.headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scopes[0]}"'}
