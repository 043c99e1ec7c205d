"""Faults of the broker that callers can tell apart."""


class NotPublishedError(Exception):
    """The broker has not confirmed the message. It may have it or not, so the sender has to send it again."""

    code = "not-published"

    def __init__(self, detail: str, *, broker_is_away: bool = False) -> None:
        super().__init__(detail)
        self.broker_is_away = broker_is_away

    def again(self) -> "NotPublishedError":
        """Return the same fault for another message: each thread that raises it writes its own traceback into it."""
        return NotPublishedError(str(self), broker_is_away=self.broker_is_away)
