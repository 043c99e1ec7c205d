"""Which installation a database is of, after it was restored elsewhere: an operator says, then the work goes on.

A restored copy brings the id of the installation along. If the one that it was copied from still runs, each would take
the other's thumbs for its own, so until that is said nothing leaves for imaging.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog import messages, recovery
from catalog.domain import Installation
from chassis.clock import now

if TYPE_CHECKING:
    from catalog.adapters.operators_store import OperatorsStore
    from chassis.database.database import Database

PAGE = 500


def go_on(store: "OperatorsStore", installation_id: str | None = None) -> Installation:
    """Let this database be the installation that it says, or INSTALLATION_ID: where that was before, it is no more.

    A backup from before installations had ids gets one of its own when it is migrated; the thumbs tell the other.
    """
    here = store.installation()
    if installation_id is not None:
        here = replace(here, installation_id=installation_id, owns_unmarked=True)
    return _settle(store, here)


def begin_anew(store: "OperatorsStore") -> Installation:
    """Let this database be an installation of its own; the thumbs there are belong to the one that it was copied from.

    So do those that do not say whose they are.
    """
    return _settle(store, Installation(str(uuid.uuid4()), owns_unmarked=False))


def _settle(store: "OperatorsStore", installation: Installation) -> Installation:
    store.settle_installation(installation)
    store.drop_due(messages.JOBS)  # they tell of the installation before, and `resume` sends all of them again
    return store.installation()


def resume(database: "Database[OperatorsStore]") -> Iterator[int]:
    """Have all open work begin anew, deletions included; yield how many keys were, a page at a time.

    The messages of a restored database were sent to the broker of another time.
    """
    moment, after = now(), ""
    while keys := database.read(_open_keys, after):
        yield sum(database.transact(recovery.restart, bucket, key, moment) for bucket, key in keys)
        after = keys[-1][1]


def _open_keys(store: "OperatorsStore", after: str) -> list[tuple[str, str]]:
    return list(store.stuck_keys(now(), PAGE, after=after))
