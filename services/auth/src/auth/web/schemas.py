"""The bodies that requests to auth may have, and its resources as JSON."""

import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from auth.domain import (
    LONGEST_OVERLAP,
    MAX_DESCRIPTION,
    MAX_PASSWORD,
    MIN_PASSWORD,
    SCOPES,
    USUAL_OVERLAP,
    ApiKey,
    Scope,
    User,
    check_password,
    prepare_password,
)
from auth.errors import UnacceptableError

# Runs before the length is looked at, although it stands after it.
_PREPARED = BeforeValidator(lambda value: prepare_password(value) if isinstance(value, str) else value)

_UTC_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII)
_FORM_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_SCOPE_NAMES = {"scopes": ", ".join(SCOPES)}


def _utc_moment(value: object) -> datetime:
    """Return the moment that a text of RFC 3339 in UTC names."""
    try:
        if isinstance(value, str) and _UTC_MOMENT.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("not_a_moment", "Must be a moment in UTC as RFC 3339 has it, 2030-01-31T12:00:00Z")


def _acceptable(password: str) -> str:
    """Return `password` if it may become one."""
    try:
        check_password(password)
    except UnacceptableError as fault:
        raise PydanticCustomError("unacceptable_password", "{reason}", {"reason": str(fault)}) from None
    return password


Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION)]
Password = Annotated[
    str, StringConstraints(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD), _PREPARED, AfterValidator(_acceptable)
]
AnyPassword = Annotated[str, StringConstraints(max_length=MAX_PASSWORD), _PREPARED]


def _scopes(value: object, info: ValidationInfo) -> tuple[Scope, ...]:
    """Return the scopes that a list names, or in a form a text with spaces, in the order in which they are shown."""
    names = value.split(" ") if isinstance(value, str) and info.context == {"form": True} else value
    if isinstance(names, list):
        known = tuple(scope for scope in SCOPES if scope in names)
        if known and len(known) == len(names):
            return known
    raise PydanticCustomError("not_scopes", "Must be a list of one or more of {scopes}, each once", _SCOPE_NAMES)


def _whole_number(value: object, info: ValidationInfo) -> object:
    """Return the whole number that `value` is, in a form a text; anything else as it is. In JSON, 60.0 is 60."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    is_number = isinstance(value, str) and _FORM_NUMBER.fullmatch(value) and info.context == {"form": True}
    return int(str(value)) if is_number else value


def _yes_or_no(value: object, info: ValidationInfo) -> object:
    """Return the boolean that a text in a form names; one in JSON as it is."""
    return value == "true" if value in ("true", "false") and info.context == {"form": True} else value


UtcMoment = Annotated[datetime | None, BeforeValidator(_utc_moment)]
Overlap = Annotated[int, Field(ge=0, le=int(LONGEST_OVERLAP.total_seconds())), BeforeValidator(_whole_number)]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]
Scopes = Annotated[tuple[Scope, ...] | None, BeforeValidator(_scopes)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenRequest(_Body):
    """The gateway's question: who sent `authorization` from the address `source`? The token is for `audience`.

    `method` is that of the client's request; a gateway of an earlier release does not tell it. Services that are to be
    asked, too, for the same request get tokens of their own. For the limits of the user it is as `count` requests;
    0 if it was counted before.
    """

    authorization: str | None
    source: str
    audience: str
    method: str = "GET"
    further_audiences: list[str] = []
    count: NonNegativeInt = 1


class TokenRequests(_Body):
    """The gateway's question about several requests at once, with their ids."""

    asked: Annotated[list[TokenRequest], Field(max_length=64)]
    requests: list[str]


class KeyChange(_Body):
    """The body that replaces the description of an API key."""

    description: Description = ""


class NewKey(KeyChange):
    """The body that creates an API key. What may not be null is None if it is left out."""

    expires_at: UtcMoment = None
    scopes: Scopes = None


class Rotation(_Body):
    """The body that gives an API key a new secret."""

    overlap_s: Overlap = int(USUAL_OVERLAP.total_seconds())


class PasswordBody(_Body):
    """The body that changes the caller's password."""

    current_password: AnyPassword
    password: Password
    revoke_api_keys: YesOrNo = False


def present_key(key: ApiKey) -> dict[str, Any]:
    """Return an API key as JSON, without its secret, which is not stored."""
    return {
        "type": "api_key",
        "id": key.key_id,
        "description": key.description,
        "scopes": list(key.scopes),
        "parent": key.parent_id,
        "previous_secret_expires_at": _moment(key.previous_expires_at),
        "expires_at": _moment(key.expires_at),
        "date_created": key.date_created.isoformat(),
        "date_last_used": _moment(key.date_last_used),
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


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
