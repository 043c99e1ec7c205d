"""Settings: read once from the environment at start, and validated; one message names everything that is wrong.

No message and no log shows the value of a secret.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from chassis.urls import DatabaseUrl

EXIT_BAD_SETTINGS = 2

# Ten years: some libraries overflow on timeouts that are much longer, or infinite.
_LONGEST_S = 315_360_000
Seconds = Annotated[float, Field(gt=0, le=_LONGEST_S, allow_inf_nan=False)]
# The former name of `text` is taken, too.
LogFormat = Annotated[Literal["json", "text"], BeforeValidator(lambda given: "text" if given == "console" else given)]
WholeSeconds = Annotated[int, Field(gt=0, le=_LONGEST_S)]
Port = Annotated[int, Field(gt=0, le=65535)]


class _Environment(EnvSettingsSource):
    """The environment, where a list or object that is not JSON is reported together with all other faults.

    The base class would raise at once, and name this one fault only.
    """

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return `value` parsed as JSON, or as it is if it is not JSON: validation then refuses the text."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return value


SLOW_REQUEST_S = 2.0


class ProcessSettings(BaseSettings):
    """The settings of every process."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: LogFormat = Field("json", description="One JSON object a line, or text for people.")
    ops_host: str = Field("0.0.0.0", description="Address of the operations port.")  # noqa: S104 - all of a container
    ops_port: int = Field(9000, ge=0, le=65535, description="Serves /metrics, /healthz and /readyz; 0 switches it off.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by _Environment
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - settings come from no file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - settings come from no file
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by priority: what the caller passes, then the environment."""
        return init_settings, _Environment(settings_cls)


class WebSettings(ProcessSettings):
    """The settings of every process that serves HTTP."""

    listen_host: str = Field("0.0.0.0", description="Address that HTTP is served on.")  # noqa: S104 - all of a container
    listen_port: Port = Field(8000, description="Port that HTTP is served on.")
    web_processes: PositiveInt = Field(2, description="Web worker processes.")
    slow_request_s: Seconds = Field(
        SLOW_REQUEST_S, description="Requests that take as long are logged with what they waited for."
    )


class DatabaseSettings(ProcessSettings):
    """The settings of every process that uses a database."""

    database_url: DatabaseUrl = Field(description="SQLAlchemy URL; postgresql+psycopg://… or sqlite:///….")
    database_pool: int = Field(8, ge=2, description="Connections that one process keeps at most.")
    database_pooler: bool = Field(
        default=False, description="Set behind a pooler that shares sessions, such as PgBouncer in transaction mode."
    )
    slow_statement_s: Seconds = Field(
        1.0, description="Statements that take as long are logged with what they waited for."
    )


class MigrateSettings(DatabaseSettings):
    """The settings of a command that migrates the schema."""

    database_direct_url: DatabaseUrl | None = Field(
        None, description="URL that bypasses the pooler, for `migrate`; required with DATABASE_POOLER."
    )

    @model_validator(mode="after")
    def _sessions_are_kept(self) -> Self:
        if self.database_pooler and self.database_direct_url is None:
            raise ValueError(
                f"{variable(type(self), 'database_direct_url')} is required with "
                f"{variable(type(self), 'database_pooler')}: migrating needs a session of its own"
            )
        return self

    def direct(self) -> Self:
        """Return these settings changed to connect to the database itself, not through the pooler."""
        url = self.database_direct_url or self.database_url
        return self.model_copy(update={"database_url": url, "database_pooler": False})


Settings = TypeVar("Settings", bound=ProcessSettings)


def variable(kind: type[ProcessSettings], field: str) -> str:
    """Return the name of the environment variable that the setting `field` of `kind` is read from."""
    return f"{kind.model_config.get('env_prefix', '')}{field.upper()}"


def load(kind: type[Settings]) -> Settings:
    """Return the settings `kind` read from the environment.

    If anything is wrong with them, end the process with status 2 and one message that names every fault.
    """
    try:
        return kind()
    except ValidationError as fault:
        lines = [_line(kind, error) for error in fault.errors(include_url=False)]
        sys.stderr.write("\n  ".join(["bad settings:", *lines]) + "\n")
        sys.exit(EXIT_BAD_SETTINGS)


# Pydantic's error types for a text that should have been JSON, and what it should have been.
_NOT_JSON: Mapping[str, str] = {"dict_type": "an object", "tuple_type": "a list", "list_type": "a list"}


def _line(kind: type[ProcessSettings], error: ErrorDetails) -> str:
    """Return one line about `error`, without the value that is wrong, since it may be a secret."""
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "is required"
    elif error["type"] in _NOT_JSON and isinstance(error["input"], str):
        message = f"should be {_NOT_JSON[error['type']]} in JSON"
    if not error["loc"]:  # the error concerns several settings, which its message names
        return message
    field, *within = map(str, error["loc"])
    return f"{'.'.join([variable(kind, field), *within])}: {message}"


def effective(settings: ProcessSettings) -> dict[str, Any]:
    """Return the settings in force, for the log at start; secrets are shown as asterisks."""
    return {
        name: str(value) if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump(mode="python").items()
    }


# How the passwords end that docker-compose.yml sets where the operator sets none.
END_OF_DEFAULTS = "-on-this-machine"


def defaults_in_use(settings: ProcessSettings) -> list[str]:
    """Return the variables of secrets that contain a password of docker-compose.yml, which everybody can read."""
    return [
        variable(type(settings), name)
        for name, value in settings
        if isinstance(value, SecretStr) and END_OF_DEFAULTS in value.get_secret_value()
    ]


def rows(kind: type[ProcessSettings]) -> Iterator[tuple[str, str, str]]:
    """Yield (variable, default, description) of each setting of `kind`, for the tables in the README."""
    for name, field in kind.model_fields.items():
        default = "required" if field.is_required() else field.default
        if default is None or default is PydanticUndefined:
            default = ""
        shown = str(default) if isinstance(default, (str, Path)) else json.dumps(default)
        yield variable(kind, name), shown, field.description or ""
