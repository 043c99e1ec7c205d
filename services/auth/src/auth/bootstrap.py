"""Composition of auth: makes from settings what its processes and commands work with."""

from dataclasses import dataclass
from pathlib import Path

from auth.adapters.store import Store
from auth.adapters.tables import kept_answers, kept_in_hours
from auth.authentication import Authenticator, Policy
from auth.passwords import Verifier
from auth.rate_limits import REQUESTS, WRITES, RateLimits
from auth.settings import DatabaseSettings, ServeSettings
from chassis.database import engines
from chassis.database.database import Database
from chassis.database.kept_answers import Kept
from chassis.token_keys import SigningKeys

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


@dataclass(frozen=True)
class App:
    """What the views of auth work with."""

    database: Database[Store]
    authenticator: Authenticator
    token_keys: SigningKeys
    rate_limits: RateLimits
    api_keys_per_user: int = 0
    kept: Kept = Kept(kept_answers, kept_in_hours)  # noqa: RUF009 - frozen


def make_database(settings: DatabaseSettings) -> Database[Store]:
    """Return the database that `settings` describe; connections are made when they are needed."""
    return Database(engines.connect(settings), Store, MIGRATIONS)


def make_app(settings: ServeSettings) -> App:
    """Return what the views work with. Raise `OSError` if the private keys cannot be read."""
    store = make_database(settings)
    verifier = Verifier(settings.hash_slots, settings.hash_queue, settings.hash_wait_s, settings.password_memory_s)
    policy = Policy(
        settings.free_failures,
        settings.max_delay_s,
        settings.password_failures_a_minute,
        settings.key_failures_a_minute,
    )
    rate_limits = RateLimits(store, {REQUESTS: settings.requests_a_minute, WRITES: settings.writes_a_minute})
    return App(
        store,
        Authenticator(store, verifier, policy),
        SigningKeys(settings.token_private_key_file),
        rate_limits,
        settings.api_keys_per_user,
        Kept(kept_answers, kept_in_hours, settings.kept_answers_per_user, settings.kept_bytes_per_user),
    )
