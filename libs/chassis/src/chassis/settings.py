"""Settings: read once at start, frozen, complete, silent about secrets; every fault is named in one message."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from chassis.urls import DatabaseUrl

EXIT_BAD_SETTINGS = 2

# Ten years: what is longer, or infinite, is more than the clocks of some libraries hold.
_LONGEST_S = 315_360_000
Seconds = Annotated[float, Field(gt=0, le=_LONGEST_S, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(gt=0, le=_LONGEST_S)]
Port = Annotated[int, Field(gt=0, le=65535)]


class _Environment(EnvSettingsSource):
    """The environment; a list or object that is not JSON is a fault like any other, named with all the others."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Read VALUE as JSON; what is none stays the text that it is, which no list or object takes."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return value


class ProcessSettings(BaseSettings):
    """What every process reads from its environment."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for people.")
    ops_host: str = Field("0.0.0.0", description="Address of the operations port.")  # noqa: S104 - a container's own
    ops_port: int = Field(9000, ge=0, le=65535, description="Serves /metrics, /healthz and /readyz; 0 switches it off.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the one below takes its place
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor these
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what the caller gives, then the environment."""
        return init_settings, _Environment(settings_cls)


class WebSettings(ProcessSettings):
    """What every process with an HTTP interface reads from its environment."""

    listen_host: str = Field("0.0.0.0", description="Address that HTTP is served on.")  # noqa: S104 - a container's own
    listen_port: Port = Field(8000, description="Port that HTTP is served on.")
    web_processes: PositiveInt = Field(2, description="Web worker processes.")


class DatabaseSettings(ProcessSettings):
    """What every process with a database reads from its environment."""

    database_url: DatabaseUrl = Field(description="SQLAlchemy URL; postgresql+psycopg://… or sqlite:///….")
    database_pool: int = Field(8, ge=2, description="Connections that one process keeps at most.")
    database_pooler: bool = Field(
        default=False, description="On behind a pooler that shares sessions, as PgBouncer does in transaction mode."
    )


class MigrateSettings(DatabaseSettings):
    """What a command that migrates reads from its environment."""

    database_direct_url: DatabaseUrl | None = Field(
        None, description="Past the pooler, for `migrate`; required with DATABASE_POOLER."
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
        """Give the same settings for a connection past the pooler."""
        url = self.database_direct_url or self.database_url
        return self.model_copy(update={"database_url": url, "database_pooler": False})


Settings = TypeVar("Settings", bound=ProcessSettings)


def variable(kind: type[ProcessSettings], field: str) -> str:
    """Name the environment variable that FIELD of KIND is read from."""
    return f"{kind.model_config.get('env_prefix', '')}{field.upper()}"


def load(kind: type[Settings]) -> Settings:
    """Read KIND from the environment; end the process with status 2 and one message that names every fault."""
    try:
        return kind()
    except ValidationError as fault:
        lines = [_line(kind, error) for error in fault.errors(include_url=False)]
        sys.stderr.write("\n  ".join(["bad settings:", *lines]) + "\n")
        sys.exit(EXIT_BAD_SETTINGS)


# What pydantic says of a text where JSON should have given something else.
_NOT_JSON: Mapping[str, str] = {"dict_type": "an object", "tuple_type": "a list", "list_type": "a list"}


def _line(kind: type[ProcessSettings], error: ErrorDetails) -> str:
    """Say what ERROR is about; never what the value is, for it may be a secret."""
    said = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        said = "is required"
    elif error["type"] in _NOT_JSON and isinstance(error["input"], str):
        said = f"should be {_NOT_JSON[error['type']]} in JSON"
    if not error["loc"]:  # of several settings together: it names them itself
        return said
    field, *within = map(str, error["loc"])
    return f"{'.'.join([variable(kind, field), *within])}: {said}"


def effective(settings: ProcessSettings) -> dict[str, Any]:
    """Give the settings as they are in force, for the log at start; secrets print as stars."""
    return {
        name: str(value) if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump(mode="python").items()
    }


def rows(kind: type[ProcessSettings]) -> Iterator[tuple[str, str, str]]:
    """Yield (variable, default, description) for each setting of KIND, for the README's tables."""
    for name, field in kind.model_fields.items():
        default = "required" if field.is_required() else field.default
        if default is None or default is PydanticUndefined:
            default = ""
        shown = default if isinstance(default, str) else json.dumps(default)
        yield variable(kind, name), shown, field.description or ""
