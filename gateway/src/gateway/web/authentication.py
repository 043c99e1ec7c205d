"""Authentication: auth is asked who sends a request, and counts it for the limits of that user."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import request
from pydantic import TypeAdapter

from chassis import request_ids
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError, OutcomeUnknownError
from chassis.stages import Stage
from chassis.web.observation import note_caller
from gateway import api_keys
from gateway.asked_together import Answers, AskedTogether
from gateway.password_checks import PasswordChecks
from gateway.progress import Progress
from gateway.services import Answer, Services
from gateway.table import Service
from gateway.web import rate_limits

TOGETHER = "/tokens/together"
# No API key is so long, few passwords are, and few of what is would make a call too long.
LONGEST_TOGETHER = 300


@dataclass(frozen=True)
class _Admitted:
    """What auth answers about one of several credentials: the body and the headers as if asked about it alone."""

    document: Mapping[str, Any]
    headers: Mapping[str, str]


_ADMITTED = TypeAdapter(list[_Admitted | None])


class SenderRefusedError(Exception):
    """Auth does not let the sender of the request in; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"auth answers {answer.status}")
        self.answer = answer


@dataclass(frozen=True)
class Sender:
    """Who sends a request, and the Authorization header for each of the services that are asked."""

    user_id: str
    authorizations: Sequence[str]


class Authentication:
    """Asks auth who sends the current request."""

    def __init__(self, services: Services, checks: PasswordChecks, progress: Progress) -> None:
        self._services = services
        self._checks = checks
        self._progress = progress
        self._keys = AskedTogether[Mapping[str, Any]](services, "auth", TOGETHER, _body, _read)
        # By themselves: auth may have to hash one after all, and no key waits for that.
        self._passwords = AskedTogether[Mapping[str, Any]](services, "auth", TOGETHER, _body, _read)

    def sender(self, audiences: Sequence[Service], deadline: Deadline, count: int = 1) -> Sender:
        """Return who sends the current request, which counts as `count`, and what lets them in at the `audiences`.

        Raise `SenderRefusedError` or `DependencyDownError`.
        """
        answer = self._ask(audiences, deadline, count)
        unknown = OutcomeUnknownError.code
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.document().get("code") == unknown:
            raise DependencyDownError("auth service")  # what the client asked for was not even begun
        if answer.status != HTTPStatus.OK:
            raise SenderRefusedError(answer)
        try:
            found = answer.document()
            note_caller(found["user_id"], found.get("key_id"))
            return Sender(found["user_id"], [f"Bearer {token}" for token in (found["token"], *found["further_tokens"])])
        except KeyError:
            raise DependencyDownError("auth service") from None

    def _ask(self, audiences: Sequence[Service], deadline: Deadline, count: int) -> Answer:
        authorization, source = request.headers.get("Authorization"), request.remote_addr or ""
        asked = {
            "authorization": authorization,
            "source": source,
            "audience": audiences[0],
            "method": request.method,
            "further_audiences": audiences[1:],
            "count": count,
        }

        def alone() -> Answer:
            return self._services.call(
                "auth",
                "POST",
                "/tokens",
                deadline,
                repeatable=True,
                headers={"Content-Type": "application/json", request_ids.HEADER: request_ids.current()},
                body=json.dumps(asked, ensure_ascii=False).encode(),
            )

        def in_turn() -> Answer:
            with ExitStack() as turn:
                with Stage("turn for a password"), self._progress.waiting(source):
                    turn.enter_context(self._checks.turn(authorization or "", source))
                answer = alone()
                # Who is refused for the number of their requests has sent the right password.
                status = HTTPStatus.OK if rate_limits.is_refusal(answer) else answer.status
                self._checks.note(authorization or "", source, status)
            return answer

        short = authorization if authorization and len(authorization) <= LONGEST_TOGETHER else ""
        if api_keys.is_key(short):
            answer = self._keys.ask(asked, LONGEST_TOGETHER, deadline, alone)
        elif self._checks.was_right(short, source):
            answer = self._passwords.ask(asked, LONGEST_TOGETHER, deadline, in_turn)
        else:
            answer = in_turn()
        rate_limits.note(answer)
        return answer


def _body(asked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"asked": asked}


def _read(body: bytes, _asked: Sequence[Mapping[str, Any]]) -> Answers:
    return [
        Answer("auth", HTTPStatus.OK, each.headers, json.dumps(each.document).encode()) if each else None
        for each in _ADMITTED.validate_json(body)
    ]
