"""What requests to auth may hold, and how its resources look on the wire."""

from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, StringConstraints

from auth.domain import MAX_DESCRIPTION, MAX_PASSWORD, MIN_PASSWORD, ApiKey, User

Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION)]
Password = Annotated[str, StringConstraints(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]
AnyPassword = Annotated[str, StringConstraints(max_length=MAX_PASSWORD)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenRequest(_Body):
    """What the gateway asks: who sent AUTHORIZATION from SOURCE, to be told to AUDIENCE."""

    authorization: str | None
    source: str
    audience: str


class KeyBody(_Body):
    """Creating an API key, or replacing its description."""

    description: Description = ""


class PasswordBody(_Body):
    """Changing one's password."""

    current_password: AnyPassword
    password: Password


def present_key(key: ApiKey) -> dict[str, Any]:
    """Show an API key; the secret is not among what we keep."""
    return {
        "type": "api_key",
        "id": key.key_id,
        "description": key.description,
        "date_created": key.date_created.isoformat(),
        "date_last_used": key.date_last_used.isoformat() if key.date_last_used else None,
        "uri": f"/api/api-keys/{key.key_id}",
    }


def present_user(user: User) -> dict[str, Any]:
    """Show a user."""
    return {
        "type": "user",
        "username": user.username,
        "date_created": user.date_created.isoformat(),
        "uri": f"/api/users/{quote(user.username, safe='')}",
    }
