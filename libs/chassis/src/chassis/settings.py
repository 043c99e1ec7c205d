"""Settings: read once at start, frozen, complete, silent about secrets; every fault is named in one message."""

import json
import sys
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsError

EXIT_BAD_SETTINGS = 2


class ProcessSettings(BaseSettings):
    """What every process reads from its environment."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for people.")
    ops_host: str = Field("0.0.0.0", description="Address of the operations port.")  # noqa: S104 - a container's own
    ops_port: NonNegativeInt = Field(9000, description="Serves /metrics, /healthz and /readyz; 0 switches it off.")


class WebSettings(ProcessSettings):
    """What every process with an HTTP interface reads from its environment."""

    listen_host: str = Field("0.0.0.0", description="Address that HTTP is served on.")  # noqa: S104 - a container's own
    listen_port: PositiveInt = Field(8000, description="Port that HTTP is served on.")
    web_processes: PositiveInt = Field(2, description="Web worker processes.")


Settings = TypeVar("Settings", bound=ProcessSettings)


def load(kind: type[Settings]) -> Settings:
    """Read KIND from the environment; end the process with status 2 and one message that names every fault."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    try:
        return kind()
    except SettingsError as fault:  # a list or object that is not JSON; says nothing of the value
        sys.stderr.write(f"bad settings:\n  {prefix}…: {fault}\n")
        sys.exit(EXIT_BAD_SETTINGS)
    except ValidationError as fault:
        lines = ["bad settings:"]
        for error in fault.errors(include_url=False, include_input=False):
            name = prefix + ".".join(str(part) for part in error["loc"]).upper()
            lines.append(f"  {name}: {error['msg']}")
        sys.stderr.write("\n".join(lines) + "\n")
        sys.exit(EXIT_BAD_SETTINGS)


def effective(settings: ProcessSettings) -> dict[str, Any]:
    """Give the settings as they are in force, for the log at start; secrets print as stars."""
    return {
        name: str(value) if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump(mode="python").items()
    }


def rows(kind: type[ProcessSettings]) -> Iterator[tuple[str, str, str]]:
    """Yield (variable, default, description) for each setting of KIND, for the README's tables."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    for name, field in kind.model_fields.items():
        default = "required" if field.is_required() else field.default
        if default is None or default is PydanticUndefined:
            default = ""
        shown = default if isinstance(default, str) else json.dumps(default)
        yield prefix + name.upper(), shown, field.description or ""
