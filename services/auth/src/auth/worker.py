"""The worker of auth: relays events from the outbox, and deletes old failures, minutes and kept answers."""

import threading

from auth.adapters.store import Store
from auth.adapters.tables import kept_answers, outbox
from auth.bootstrap import make_database
from auth.settings import WorkerSettings
from chassis.broker.publisher import Publisher
from chassis.broker.relay import TIDY_EVERY_S, Relay
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
                lambda: chassis_kept_answers.forget_old(database.engine, kept_answers, stop),
                stop,
            ),
            "minutes": every(SWEEP_EVERY_S, lambda: database.transact(Store.forget_minutes), stop),
        },
        stop=stop,
        own=own,
        shared=shared,
        prepare=database.wait_for_schema,
        close=[publisher.close],
    )
