"""Refusals that one client can cause as often as it likes: a line of the audit log for the first, then one a minute.

Otherwise whoever is refused would choose how long the audit log becomes.
"""

import atexit
import json
import threading
from collections.abc import Hashable
from dataclasses import replace

from chassis import audit
from chassis.audit import Actor, Entry
from chassis.networks import network_of

EVERY_S = 60.0
MOST_KINDS = 1000


class RepeatedRefusals:
    """The refusals of this process, by their kind: what was refused, why, to whom, and from which source.

    Beyond `most` kinds in a minute, from very many sources, the others are told together, without naming anybody.
    """

    def __init__(self, every_s: float = EVERY_S, most: int = MOST_KINDS) -> None:
        self._every_s = every_s
        self._most = most
        self._lock = threading.Lock()
        # The last of each kind that is not written yet, with how many it stands for; None if there is none.
        self._waiting: dict[Hashable, Entry | None] = {}
        self._timer: threading.Timer | None = None

    def note(self, entry: Entry) -> None:
        """Write `entry` if it is the first of its kind, else count it."""
        with self._lock:
            kind = _kind(entry)
            if kind not in self._waiting and len(self._waiting) >= self._most:
                entry = replace(entry, actor=Actor(entry.actor.kind), target={})
                kind = _kind(entry)
            if kind in self._waiting:
                counted = self._waiting[kind]
                self._waiting[kind] = replace(entry, count=1 + (counted.count if counted else 0))
                return
            self._waiting[kind] = None
            self._await()
        audit.write(entry)

    def flush(self) -> None:
        """Write what was counted, one line for each kind. A kind of which nothing came is new when it comes again."""
        with self._lock:
            counted = [entry for entry in self._waiting.values() if entry is not None]
            self._waiting = {kind: None for kind, entry in self._waiting.items() if entry is not None}
            self._timer = None
            self._await()
        for entry in counted:
            audit.write(entry)

    def _await(self) -> None:
        if self._waiting and self._timer is None:
            self._timer = threading.Timer(self._every_s, self.flush)
            self._timer.daemon = True  # a process that ends does not wait for it
            self._timer.start()


def _kind(entry: Entry) -> Hashable:
    actor = entry.actor
    source = network_of(actor.source) if actor.source else None
    return entry.action, entry.reason, actor.user_id, actor.key_id, source, json.dumps(entry.target)


_of_this_process = RepeatedRefusals()
atexit.register(_of_this_process.flush)


def refused(action: str, actor: Actor, reason: str, **target: object) -> None:
    """Write that `actor` was refused `action`, by the error whose code is `reason`; again and again, with a count."""
    _of_this_process.note(Entry(action, actor, target, "refused", reason))


def flush() -> None:
    """Write what was counted in this process."""
    _of_this_process.flush()
