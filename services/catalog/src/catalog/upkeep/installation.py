"""Which installation a database is of, once it was restored elsewhere: an operator decides, then work goes on.

A restored copy has the id of the installation that it was copied from. If that one still runs, each would take the
other's thumbs for its own, so no job is sent until it is decided.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace

from catalog import messages
from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Installation
from catalog.jobs import recovery
from chassis.clock import now
from chassis.database.database import Database


def go_on(store: OperatorsStore, installation_id: str | None = None) -> Installation:
    """Continue the installation whose id is stored here, or `installation_id`; the original must be gone.

    A backup of a release without ids gets a new id when it is migrated; the thumbs carry the original one.
    """
    here = store.installation()
    if installation_id is not None:
        here = replace(here, installation_id=installation_id, owns_unmarked=True)
    return _settle(store, here)


def begin_anew(store: OperatorsStore) -> Installation:
    """Give this database a new id; the thumbs that are there stay with the installation that it was copied from.

    So do thumbs that do not say whose they are, and all originals.
    """
    store.spare_originals()
    return _settle(store, Installation(str(uuid.uuid4()), owns_unmarked=False))


def _settle(store: OperatorsStore, installation: Installation) -> Installation:
    store.settle_installation(installation)
    store.drop_due(messages.JOBS)  # they name the installation before, and `resume` sends all of them again
    return store.installation()


def resume(database: Database[OperatorsStore]) -> Iterator[int]:
    """Restart all open work, deletions included; yield how many keys that were, a page at a time.

    The jobs of a restored database were sent to the broker before the backup, or never.
    """
    moment = now()
    for keys in recovery.find_stuck(database, moment):
        yield sum(database.transact(recovery.restart, bucket, key, moment) for bucket, key in keys)
