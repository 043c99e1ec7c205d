"""Settings of the auth service."""

from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ProcessSettings, WebSettings

_CONFIG = SettingsConfigDict(env_prefix="AUTH_", frozen=True, env_ignore_empty=True)


class DatabaseSettings(ProcessSettings):
    """What every command of auth reads from the environment."""

    model_config = _CONFIG

    database_url: SecretStr = Field(description="SQLAlchemy URL; postgresql+psycopg://… or sqlite:///….")
    database_pool: int = Field(8, ge=2, description="Connections that one process keeps at most.")


class MigrateSettings(DatabaseSettings):
    """What `auth migrate` reads from the environment."""

    model_config = _CONFIG

    first_username: str | None = Field(None, description="Made by `auth migrate` if there is no user at all.")
    first_password: SecretStr | None = Field(None, description="Password of the first user.")


class ServeSettings(DatabaseSettings, WebSettings):
    """What `auth serve` reads from the environment."""

    model_config = _CONFIG

    web_threads: PositiveInt = Field(8, description="Requests that one web process works on at a time.")
    token_private_key_file: Path = Field(description="PEM file that tokens for the other services are signed with.")
    hash_slots: PositiveInt = Field(2, description="Passwords hashed at a time by one process; more wait.")
    hash_wait_s: PositiveFloat = Field(3.0, description="Longest wait for a hashing slot; then 503.")
    password_memory_s: PositiveFloat = Field(
        10.0, description="How long a verified password is recognised without hashing it again."
    )
    free_failures: PositiveInt = Field(5, description="Wrong passwords per account and source before delays begin.")
    max_delay_s: PositiveInt = Field(300, description="Longest delay after wrong passwords.")
    key_failures_a_minute: PositiveInt = Field(100, description="Unknown keys per source and minute; then 429.")


class WorkerSettings(DatabaseSettings):
    """What `auth worker` reads from the environment."""

    model_config = _CONFIG

    broker_url: SecretStr = Field(description="AMQP URL of RabbitMQ.")
