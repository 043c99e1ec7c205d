"""Settings of the auth service."""

from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis import settings as mechanics
from chassis.settings import Seconds, WebSettings, WholeSeconds
from chassis.urls import BrokerUrl

_CONFIG = SettingsConfigDict(env_prefix="AUTH_", frozen=True, env_ignore_empty=True)


class DatabaseSettings(mechanics.DatabaseSettings):
    """What every command of auth reads from the environment."""

    model_config = _CONFIG


class MigrateSettings(DatabaseSettings, mechanics.MigrateSettings):
    """What `auth migrate` reads from the environment."""

    model_config = _CONFIG

    first_username: str | None = Field(None, description="User that `auth migrate` makes if there is no user at all.")
    first_password: SecretStr | None = Field(None, description="Password of the first user.")


class ServeSettings(DatabaseSettings, WebSettings):
    """What `auth serve` reads from the environment."""

    model_config = _CONFIG

    web_threads: PositiveInt = Field(16, description="Requests that one web process works on at a time.")
    token_private_key_file: Path = Field(
        description="PEM file of the private key that signs tokens between the services; of several, the first."
    )
    hash_slots: PositiveInt = Field(2, description="Passwords that one process hashes at a time; others wait.")
    hash_queue: PositiveInt = Field(
        4, description="Passwords that wait for hashing in one process; more are answered 503 at once."
    )
    hash_wait_s: Seconds = Field(3.0, description="Longest time that a password waits and is hashed; then 503.")
    password_memory_s: Seconds = Field(
        10.0, description="Time for which a verified password is accepted without hashing it again."
    )
    free_failures: PositiveInt = Field(5, description="Wrong passwords per account and source before delays begin.")
    password_failures_a_minute: PositiveInt = Field(
        30, description="Wrong passwords allowed per source and minute, at whatever accounts; then 429."
    )
    max_delay_s: WholeSeconds = Field(300, description="Longest delay after wrong passwords.")
    key_failures_a_minute: PositiveInt = Field(
        100,
        description="Unknown API keys allowed per source and minute; then 429. As many expired ones of a user, apart.",
    )
    requests_a_minute: NonNegativeInt = Field(
        0, description="Requests to the private API that a user may send a minute; then 429. 0: no limit."
    )
    writes_a_minute: NonNegativeInt = Field(
        0, description="Of these, POST, PUT and DELETE that a user may send a minute; then 429. 0: no limit."
    )
    api_keys_per_user: NonNegativeInt = Field(
        0, description="API keys that a user may have, without expired ones; 0: no limit."
    )
    kept_answers_per_user: NonNegativeInt = Field(
        100_000,
        description="Answers to requests with Idempotency-Key kept for a user, in the last day; then 429. 0: no limit.",
    )
    kept_bytes_per_user: NonNegativeInt = Field(
        128 * 1024 * 1024, description="Bytes of the answers that are kept for a user; then 429. 0: no limit."
    )


class WorkerSettings(DatabaseSettings):
    """What `auth worker` reads from the environment."""

    model_config = _CONFIG

    broker_url: BrokerUrl = Field(description="AMQP URL of RabbitMQ, or of each node, with commas between.")
