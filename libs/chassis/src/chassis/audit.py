"""The audit log: who did what, from where, and how it ended; a line for each, by the logger `audit`, at every level.

A line is written when its effect is committed, and never without it. No line has a secret: an API key is named by its
id. Every line has the same members; `target` is what was acted on.
"""

import json
import logging
import os
import pwd
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import structlog

from chassis import request_ids
from chassis.clock import now
from chassis.errors import OutcomeUnknownError

LOGGER = "audit"
# Whatever the level of the other logs is: `chassis.logs` gives this logger a handler of its own.
_log = structlog.wrap_logger(
    logging.getLogger(LOGGER), wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
)

# "unknown": the database was lost during the commit. The effect may be there or not.
Outcome = Literal["done", "refused", "unknown"]


@dataclass(frozen=True)
class Actor:
    """Who acted: a user, an operator by a command, or a service that does what an earlier line has set off.

    `key_id` is that of the API key that a user came with, None for a password; `source` is the address of the client,
    or for an operator the account and machine on which the command was run.
    """

    kind: Literal["user", "operator", "service"]
    user_id: str | None = None
    username: str | None = None
    key_id: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Entry:
    """A line of the audit log. One that comes twice has the same `entry_id`.

    `count` is how often it happened, if that is told by one line: see `chassis.repeated_refusals`.
    """

    action: str
    actor: Actor
    target: Mapping[str, Any]
    outcome: Outcome = "done"
    reason: str | None = None
    count: int = 1
    request_id: str = field(default_factory=request_ids.current)
    date: str = field(default_factory=lambda: now().isoformat())
    entry_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def operator() -> Actor:
    """Return who runs this command: the account of the system, and the machine."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers have users without a name
        account = f"uid {os.getuid()}"
    return Actor("operator", source=f"{account} at {socket.gethostname()}")


def write(entry: Entry) -> None:
    """Write a line."""
    members = {**vars(entry), "actor": entry.actor.kind, **_without_kind(entry.actor)}
    _log.info("audit", logger=LOGGER, **members)


def _without_kind(actor: Actor) -> dict[str, str | None]:
    return {name: value for name, value in vars(actor).items() if name != "kind"}


def encode(entry: Entry) -> str:
    """Return `entry` as a text that can be stored."""
    return json.dumps(asdict(entry))


def decode(text: str) -> Entry:
    """Return the entry that `encode` has made a text of, without members that only a later release knows."""
    members = _known(Entry, json.loads(text))
    return Entry(**{**members, "actor": Actor(**_known(Actor, members["actor"]))})


def _known(kind: type[Entry | Actor], members: dict[str, Any]) -> dict[str, Any]:
    return {each.name: members[each.name] for each in fields(kind) if each.name in members}


def done(action: str, actor: Actor, **target: Any) -> None:
    """Write that `actor` did `action`, which is committed, on `target`."""
    write(Entry(action, actor, target))


def refused(action: str, actor: Actor, reason: str, **target: Any) -> None:
    """Write that `actor` was refused `action`, by the error whose code is `reason`."""
    write(Entry(action, actor, target, "refused", reason))


@contextmanager
def recording(action: str, actor: Actor, **target: Any) -> Iterator[dict[str, Any]]:
    """Write that `actor` did `action` once the block, which commits it, has ended, but not if it raises.

    It yields the target, which the block may add to; if the block clears it, there was nothing to do, and no line. If
    the outcome of the commit is unknown, so is that of the line.
    """
    try:
        yield target
    except OutcomeUnknownError as fault:
        write(Entry(action, actor, target, "unknown", fault.code))
        raise
    if target:
        done(action, actor, **target)
