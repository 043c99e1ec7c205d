"""Checkpoints: fault-injection points between two steps that are not atomic.

The fault tests kill a process exactly there. In production nothing happens at a checkpoint, and no setting, environment
variable or message can change that: it takes code in the process that calls `install`.
"""

from collections.abc import Callable

COMMITTED = "database.committed"  # a transaction that wrote is committed; its caller does not know yet
CONFIRMED = "relay.confirmed"  # the broker has confirmed a batch of events; the outbox still marks them as due
VERDICT_APPLIED = "consumer.verdict-applied"  # a message is handled and its verdict applied; the ack is not sent
WRITTEN = "imaging.written"  # the thumbs are in S3; the result is not published

Hook = Callable[[str, str], None]

_hooks: list[Hook] = []


def install(hook: Hook) -> None:
    """Have `hook` called at every checkpoint from now on, with its name and the subject of the work."""
    _hooks.append(hook)


def reached(name: str, subject: str = "") -> None:
    """Call the hooks for the checkpoint `name`; `subject` is the message id or the S3 key worked on, if known."""
    for hook in _hooks:
        hook(name, subject)
