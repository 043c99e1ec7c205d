"""Checkpoints: named places, between two steps that must not be taken for one, at which the fault tests strike.

In a process of ours nothing happens at any of them: no setting, variable or message can change that. Only code that is
put into the process by whoever may change its image can, through `install`.
"""

from collections.abc import Callable

COMMITTED = "database.committed"  # a transaction that wrote is durable, and nobody knows yet
CONFIRMED = "relay.confirmed"  # the broker has the events of a batch, the outbox still calls them due
BROUGHT_ABOUT = "consumer.brought-about"  # the effects of a delivery and its verdict are durable, the ack is not sent
WRITTEN = "imaging.written"  # the thumbs are in S3, the answer is not sent

Strike = Callable[[str, str], None]

_strikes: list[Strike] = []


def install(strike: Strike) -> None:
    """Have STRIKE called with the name of every checkpoint from now on, and what is being worked on there."""
    _strikes.append(strike)


def reached(name: str, subject: str = "") -> None:
    """Tell that the checkpoint NAME is reached in the work on SUBJECT (a message id or an S3 key, if one is known)."""
    for strike in _strikes:
        strike(name, subject)
