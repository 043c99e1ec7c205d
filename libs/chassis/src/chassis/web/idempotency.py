"""Changes that are made once, however often a client sends the request: by the idempotency key that it names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from flask import Response, request

from chassis.database import kept_answers
from chassis.database.database import Database
from chassis.database.kept_answers import Kept
from chassis.database.transactions import transact
from chassis.idempotency import (
    HEADER,
    REPLAYED,
    Claim,
    KeptAnswer,
    SecretNotKeptError,
    digest_of_key,
    fingerprint,
    read_key,
)
from chassis.web.access import caller

KEPT_HEADERS = ("Content-Type", "ETag", "Location")

Store = TypeVar("Store")
Change = Callable[[Store], Response]


@dataclass(frozen=True)
class Part:
    """One of several changes that a request asks for: which one, and what the client has sent about it.

    Without a number it is the only one, of which the body of the request tells more than the client has sent.
    """

    number: int | None
    content: bytes


def once(
    database: Database[Store],
    kept: Kept,
    change: Change[Store],
    *,
    secret_of: Callable[[Response], str] | None = None,
    part: Part | None = None,
) -> Response:
    """Make a `change` for the current request in one transaction, and return the answer that `change` returns.

    If the request has an idempotency key, its answer is kept in the same transaction, as `kept` says. When the caller
    sends the request again, that answer is returned, and nothing is done. Of an answer that shows a secret only the
    address is kept that `secret_of` returns for it, and `SecretNotKeptError` is raised then. Raise `MalformedKeyError`,
    `KeyReusedError`, `KeyInFlightError` and `TooManyKeysError`, too. A change that raises is undone, and nothing is
    kept. Without `part` the change is all that the request asks for; else it is made and repeated by itself.
    """
    claimed = _claim(part)
    if claimed is None:
        return database.transact(change)

    def make(connection: sa.Connection) -> Response:
        known = kept_answers.claim(connection, kept.answers, claimed)
        if known is not None:
            return _repeat(known)
        answer = change(database.make_store(connection))
        kept_answers.keep(connection, kept, claimed, _kept(answer, secret_of))
        return answer

    return transact(database.engine, make)


def repeat_of(database: Database[Store], kept: Kept, part: Part) -> Response | None:
    """Return the answer that is kept for the current request, before it is worked on; None if `once` would make it.

    Raise `MalformedKeyError`, `KeyReusedError` and `KeyInFlightError`.
    """
    claimed = _claim(part)
    if claimed is None:
        return None
    known = transact(database.engine, kept_answers.claim, kept.answers, claimed)
    return None if known is None else _repeat(known)


def is_repeat(answer: Response) -> bool:
    """Return whether `answer` is that of an earlier request, so that nothing was done for the current one."""
    return REPLAYED in answer.headers


def _claim(part: Part | None) -> Claim | None:
    """Return what the current request claims to be, None without an idempotency key."""
    header = request.headers.get(HEADER)
    if header is None:
        return None
    digest = digest_of_key(read_key(header), None if part is None else part.number)
    return Claim(caller().user_id, digest, _fingerprint(part))


def _fingerprint(part: Part | None) -> str:
    asked = request.get_data() if part is None else part.content
    return fingerprint(request.method, request.path, request.query_string.decode("latin-1"), asked)


def _kept(answer: Response, secret_of: Callable[[Response], str] | None) -> KeptAnswer:
    if secret_of is not None:
        return KeptAnswer(answer.status_code, {"Location": secret_of(answer)}, None)
    headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    return KeptAnswer(answer.status_code, headers, answer.get_data())


def _repeat(known: KeptAnswer) -> Response:
    if known.body is None:
        raise SecretNotKeptError(known.headers["Location"])
    return Response(known.body, known.status, {**known.headers, REPLAYED: "true"})
