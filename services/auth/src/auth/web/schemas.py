"""The bodies that requests to auth may have, and its resources as JSON."""

from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from auth.domain import MAX_DESCRIPTION, MAX_PASSWORD, MIN_PASSWORD, ApiKey, User, prepare_password

# Runs before the length is looked at, although it stands after it.
_PREPARED = BeforeValidator(lambda value: prepare_password(value) if isinstance(value, str) else value)

Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION)]
Password = Annotated[str, StringConstraints(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD), _PREPARED]
AnyPassword = Annotated[str, StringConstraints(max_length=MAX_PASSWORD), _PREPARED]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenRequest(_Body):
    """The gateway's question: who sent `authorization` from the address `source`? The token is for `audience`."""

    authorization: str | None
    source: str
    audience: str


class KeyBody(_Body):
    """The body that creates an API key or replaces its description."""

    description: Description = ""


class PasswordBody(_Body):
    """The body that changes the caller's password."""

    current_password: AnyPassword
    password: Password


def present_key(key: ApiKey) -> dict[str, Any]:
    """Return an API key as JSON, without its secret, which is not stored."""
    return {
        "type": "api_key",
        "id": key.key_id,
        "description": key.description,
        "date_created": key.date_created.isoformat(),
        "date_last_used": key.date_last_used.isoformat() if key.date_last_used else None,
        "uri": f"/api/api-keys/{key.key_id}",
    }


def present_user(user: User) -> dict[str, Any]:
    """Return a user as JSON."""
    return {
        "type": "user",
        "username": user.username,
        "date_created": user.date_created.isoformat(),
        "uri": f"/api/users/{quote(user.username, safe='')}",
    }
