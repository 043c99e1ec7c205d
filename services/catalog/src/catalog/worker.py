"""The worker of catalog: what each message of imaging and auth makes it do."""

import sqlalchemy as sa

from catalog import messages, results
from catalog.adapters.store import Store
from chassis.broker.consumer import TransientError
from chassis.broker.topology import Queue
from chassis.database.database import Database
from chassis.envelope import Event
from chassis.errors import DependencyDownError

QUEUE = Queue("catalog.results", messages.TAKEN)
# Imaging's: what it gives up is drained here, and how deep it is tells what is stuck.
JOBS = Queue("imaging.jobs", messages.JOBS)
# How long forgetting a user may keep the answers of imaging waiting; it comes back for the rest.
FORGET_S = 10.0


def may_relay(connection: sa.Connection) -> bool:
    """Tell whether jobs may leave for imaging: not while it is unsettled which installation the database is of.

    Neither those that were due when it was dumped nor new ones: both say that their thumbs are of the installation that
    it was copied from, which may be at work on the same bucket.
    """
    return Store(connection).installation().is_settled


def handle(database: Database[Store], event: Event, _attempt: int) -> None:
    """Apply EVENT; when this returns the effect is committed. Raises MalformedMessageError or TransientError."""
    try:
        if event.type == messages.USER_DELETED:
            user_id = messages.read_deleted_user(event)
            if not results.forget_user(database.transact, user_id, FORGET_S):
                raise TransientError(f"more to forget of user {user_id}")
        else:
            database.transact(results.apply, messages.read_outcome(event))
    except DependencyDownError as fault:
        raise TransientError(str(fault)) from fault
