"""The worker of auth: relays events, writes the audit log of commands, and deletes what has become old."""

import threading

from auth.adapters.store import Store
from auth.adapters.tables import audit_notes, kept_answers, kept_in_hours, outbox
from auth.bootstrap import make_database
from auth.settings import WorkerSettings
from chassis.broker.publisher import Publisher
from chassis.broker.relay import TIDY_EVERY_S, Relay
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import kept_answers as chassis_kept_answers
from chassis.worker import Worker, every

SWEEP_EVERY_S = 60.0


def make_worker(settings: WorkerSettings) -> Worker:
    """Return the worker that `settings` describe."""
    database = make_database(settings)
    stop = threading.Event()
    publisher = Publisher(settings.broker_url.get_secret_value(), "auth relay")
    relay = Relay(database.engine, outbox, publisher, stop)
    own, shared = database.checks()
    return Worker(
        loops={
            "relay": relay.run,
            "outbox": every(TIDY_EVERY_S, relay.tidy, stop),
            "failures": every(SWEEP_EVERY_S, lambda: database.transact(Store.sweep_failures), stop),
            "kept answers": every(
                chassis_kept_answers.SWEEP_EVERY_S,
                lambda: chassis_kept_answers.forget_old(database.engine, kept_answers, kept_in_hours, stop),
                stop,
            ),
            "minutes": every(SWEEP_EVERY_S, lambda: database.transact(Store.forget_minutes), stop),
            "audit": every(
                chassis_audit_notes.EVERY_S, lambda: chassis_audit_notes.write(database.engine, audit_notes), stop
            ),
        },
        stop=stop,
        own=own,
        shared=shared,
        prepare=database.wait_for_schema,
        close=[publisher.close],
    )
