"""What operators do by commands: noted in the transaction of its effect, for the worker to write into the audit log.

A command has no log of its own that anybody keeps: what it prints ends in a terminal.
"""

import os
import pwd
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from auth.adapters.store import Store
from chassis.audit import Actor, Entry
from chassis.database.database import Database

Result = TypeVar("Result")


def actor() -> Actor:
    """Return who runs this command: the account of the system, and the machine."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers have users without a name
        account = f"uid {os.getuid()}"
    return Actor("operator", source=f"{account} at {socket.gethostname()}")


def transact(
    database: Database[Store],
    action: str,
    use_case: Callable[[Store], Result],
    target_of: Callable[[Result], dict[str, Any] | None],
) -> Result:
    """Run `use_case` in one transaction, and note there that an operator did `action` on what `target_of` returns.

    Nothing is noted if that is None.
    """

    def noted(store: Store) -> Result:
        result = use_case(store)
        target = target_of(result)
        if target is not None:
            store.note(Entry(action, actor(), target))
        return result

    return database.transact(noted)
