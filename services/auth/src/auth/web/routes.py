"""The views of auth: each parses a request, calls a use case, and presents the result."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from auth import metrics, use_cases
from auth.adapters.store import Store
from auth.bootstrap import App
from auth.domain import ApiKey, User
from auth.errors import (
    ApiKeyNotFoundError,
    CredentialsRequiredError,
    MalformedCredentialsError,
    TooManyAttemptsError,
    UnauthorizedError,
    UserDisabledError,
    WrongPasswordError,
)
from auth.keys import KEY_ID, KeyName
from auth.web import schemas
from chassis import audit, repeated_refusals, request_ids, tokens
from chassis.audit import Actor
from chassis.tokens import Principal
from chassis.web import bodies, etags, paging
from chassis.web.access import about, actor, caller
from chassis.web.idempotency import once
from chassis.web.observation import SOURCE_HEADER, note_caller
from chassis.web.paging import Listing

routes = Blueprint("auth", __name__)

SAFE_METHODS = {"GET", "HEAD"}


def _app() -> App:
    app: App = current_app.extensions["imghost"]
    return app


def _source() -> str:
    return request.headers.get(SOURCE_HEADER, "")


def _whose(asked: schemas.TokenRequest) -> Actor:
    return _app().authenticator.whose(asked.authorization, asked.source)


@routes.post("/tokens")
def create_token() -> Response:
    """Exchange a client's credentials for a token that one service accepts, and count the request for their limits."""
    asked = bodies.read(request, schemas.TokenRequest)
    try:
        principal = _app().authenticator.authenticate(asked.authorization, asked.source)
    except (CredentialsRequiredError, MalformedCredentialsError):  # nobody's account was tried
        raise
    except TooManyAttemptsError as fault:
        # A source that is refused at whatever account is told by itself: it can make up names without end.
        who = _whose(asked) if fault.of_account else Actor("user", source=asked.source)
        repeated_refusals.refused("login", replace(who, key_id=None), fault.code)
        raise
    except (UnauthorizedError, UserDisabledError) as fault:
        audit.refused("login", _whose(asked), fault.code)
        raise
    note_caller(principal.user_id, principal.key_id)
    headers = _app().rate_limits.admit(
        principal.user_id, principal.method, writes=asked.method not in SAFE_METHODS, count=asked.count
    )
    answer = jsonify(_tokens(asked, principal))
    answer.headers.update(headers)
    return answer


@routes.post("/tokens/together")
def create_tokens() -> Response:
    """Exchange the credentials of several clients for tokens, each as alone.

    The answer is a list with an entry for each: the document, and the headers. It is null for those that have to be
    asked about alone: all that are refused, and those for which something has to be hashed or written.
    """
    asked = bodies.read(request, schemas.TokenRequests)
    request_ids.note_several(asked.requests)
    principals = _app().authenticator.authenticate_together(
        [(each.authorization or "", each.source) for each in asked.asked]
    )
    return jsonify([_admitted(each, who) if who else None for each, who in zip(asked.asked, principals, strict=True)])


def _admitted(asked: schemas.TokenRequest, principal: Principal) -> dict[str, Any] | None:
    headers = _app().rate_limits.admit_at_once(
        principal.user_id, principal.method, writes=asked.method not in SAFE_METHODS, count=asked.count
    )
    if headers is None:
        return None
    metrics.AUTHENTICATIONS.labels("ok").inc()
    told = {name.lower(): value for name, value in headers.items()}
    return {"document": _tokens(asked, principal), "headers": told}


def _tokens(asked: schemas.TokenRequest, principal: Principal) -> dict[str, Any]:
    """Return what lets `principal` in at the services that are to be asked, and who it is."""
    key = _app().token_keys.signing()
    token, *further = (tokens.sign(key, audience, principal) for audience in (asked.audience, *asked.further_audiences))
    # Who it is, for the gateway's log: it does not read tokens.
    return {"token": token, "further_tokens": further, "user_id": principal.user_id, "key_id": principal.key_id}


@routes.get("/api-keys")
def list_keys() -> Response:
    """List the caller's API keys."""
    principal = caller()
    return paging.newest_first(
        Listing("/api/api-keys", f"api-keys/{principal.user_id}", paging.by_moment(KEY_ID.fullmatch)),
        lambda limit, after: _app().database.read(use_cases.list_keys, principal, limit, after),
        lambda key: (key.date_created, key.key_id),
        schemas.present_key,
    )


@routes.post("/api-keys")
def create_key() -> Response:
    """Make an API key. Only this response shows the key itself."""
    principal = caller()
    body = bodies.read(request, schemas.NewKey)

    def create(store: Store) -> Response:
        key, text = use_cases.create_key(
            store,
            principal,
            body.description,
            expires_at=body.expires_at,
            scopes=body.scopes,
            most=_app().api_keys_per_user,
        )
        target.update(api_key=key.key_id, parent=key.parent_id, scopes=key.scopes)
        answer = _show_secret(key, text)
        answer.status_code = 201
        answer.location = _address(answer)
        return answer

    with audit.recording("api-key.create", actor()) as target:
        return once(_app().database, _app().kept, create, secret_of=_address)


@routes.get("/api-key")
def get_key() -> Response:
    """Show one API key of the caller."""
    return _show(_app().database.read(use_cases.get_key, caller(), _key_name()))


@routes.put("/api-key")
def describe_key() -> Response:
    """Replace the description of an API key."""
    principal = caller()
    body = bodies.read(request, schemas.KeyChange)
    return _show(
        _app().database.transact(use_cases.describe_key, principal, _key_name(), body.description, _require_match)
    )


@routes.post("/api-key/rotation")
def rotate_key() -> Response:
    """Give an API key a new secret. Only this response shows it."""
    principal = caller()
    overlap = timedelta(seconds=bodies.read(request, schemas.Rotation).overlap_s)
    name = _key_name()

    def rotate(store: Store) -> Response:
        return _show_secret(*use_cases.rotate_key(store, principal, name, overlap, _require_match))

    with audit.recording("api-key.rotate", actor(), api_key=name.key_id):
        return once(_app().database, _app().kept, rotate, secret_of=_address)


@routes.delete("/api-key")
def delete_key() -> Response:
    """Revoke an API key."""
    name = _key_name()
    with audit.recording("api-key.revoke", actor(), api_key=name.key_id) as target:
        target["descendants"] = _app().database.transact(use_cases.delete_key, caller(), name, _require_match)
    return Response(status=204)


@routes.get("/user")
def get_user() -> Response:
    """Show the caller's own user, with what auth knows of what they have and may have."""
    user, keys = _app().database.read(use_cases.own_account, caller(), request.args["username"])
    return _show_user(user, keys, _app().rate_limits.use(user.user_id, caller().method))


@routes.put("/user")
def change_password() -> Response:
    """Change the caller's password."""
    app, principal = _app(), caller()
    body = bodies.read(request, schemas.PasswordBody)
    user = app.database.read(use_cases.user_to_change, principal, request.args["username"])
    etags.require_match_of_part(request, etags.of(schemas.present_user(user)))
    try:
        app.authenticator.confirm_password(user, body.current_password, _source())
    except TooManyAttemptsError as fault:
        repeated_refusals.refused("password.change", actor(), fault.code, user=user.user_id)
        raise
    except WrongPasswordError as fault:
        audit.refused("password.change", actor(), fault.code, user=user.user_id)
        raise
    password_hash = app.authenticator.verifier.hash_new(body.password)
    # Before the change, since nothing may fail once it is made.
    minute = app.rate_limits.use(user.user_id, principal.method)
    with audit.recording("password.change", actor(), user=user.user_id) as target:
        target["revoked_api_keys"], keys = app.database.transact(
            use_cases.change_password, user, password_hash, revoke_api_keys=body.revoke_api_keys
        )
    return _show_user(user, keys, minute)


def _key_name() -> KeyName:
    name = KeyName(request.args["id"], request.args.get("digest"))
    if not KEY_ID.fullmatch(name.key_id):  # no key has such an id, and PostgreSQL refuses NUL
        raise ApiKeyNotFoundError
    about(api_key=name.key_id)
    return name


def _show_secret(key: ApiKey, text: str) -> Response:
    return jsonify({**schemas.present_key(key), "key": text})


def _address(answer: Response) -> str:
    """Return the address of what `answer` shows."""
    return str(answer.get_json()["uri"])


def _etag(key: ApiKey) -> str:
    return etags.of(schemas.present_key(key), without=("date_last_used",))


def _require_match(key: ApiKey) -> None:
    etags.require_match(request, _etag(key))


def _show(key: ApiKey) -> Response:
    return etags.conditional(request, jsonify(schemas.present_key(key)), _etag(key))


def _show_user(user: User, keys: int, minute: Mapping[str, int | None]) -> Response:
    """Return the user with what they have, `keys` API keys, and what they have sent in this `minute`; and their limits.

    The first part of the tag is of the user alone, for `If-Match`: a change of the password does not fail because an
    API key was made meanwhile. What was sent in this minute is outside the tag: each request changes it.
    """
    known = schemas.present_user(user)
    limits = {**_app().rate_limits.limits(), "api_keys": _app().api_keys_per_user or None}
    tag = f"{etags.of(known)}-{etags.of({'api_keys': keys, 'limits': limits})}"
    document = {**known, "use": {**minute, "api_keys": keys}, "limits": limits}
    return etags.conditional(request, jsonify(document), tag)
