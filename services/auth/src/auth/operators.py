"""What operators do by commands: noted in the transaction of its effect, for the worker to write into the audit log."""

from collections.abc import Callable
from typing import Any, TypeVar

from auth.adapters.store import Store
from chassis import audit
from chassis.audit import Entry
from chassis.database.database import Database

Result = TypeVar("Result")


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
            store.note(Entry(action, audit.operator(), target))
        return result

    return database.transact(noted)
