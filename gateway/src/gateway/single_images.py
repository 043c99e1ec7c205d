"""Single images, public ones and the caller's own, of which several are asked for in one call to catalog."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import NonNegativeInt, TypeAdapter

from chassis.deadlines import Deadline
from gateway.asked_together import Answers, AskedTogether
from gateway.services import Answer, Services
from gateway.table import Service

# Where catalog shows several at once of what it shows one by one.
TOGETHER = {"/public/image": "/public/images", "/image": "/own-images"}
LONGEST_KEY = 1000
_HEAD = TypeAdapter(list[tuple[str, NonNegativeInt | None] | None])
_ONE_TAG = re.compile(r'"([0-9a-f]+)"')


@dataclass(frozen=True)
class _Question:
    """Which image is asked for; `tag` is that of the representation that the client knows, if any.

    `authorization` lets its owner in at catalog; None if anybody may see it.
    """

    s3_key: str
    tag: str | None
    authorization: str | None


class SingleImages:
    """Asks `services` for images that the route to `target` there shows, one of `TOGETHER`."""

    def __init__(self, services: Services, target: str) -> None:
        self._services = services
        self._together = AskedTogether(services, "catalog", TOGETHER[target], _body, _read)

    def call(  # noqa: PLR0913 - the parts of one request
        self,
        service: Service,
        method: str,
        target: str,
        deadline: Deadline,
        *,
        parameters: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer to one request about an image, and raise what `Services.call` does, by which it may go."""

        def alone() -> Answer:
            return self._services.call(
                service, method, target, deadline, parameters=parameters, headers=headers, body=body
            )

        known, s3_key = headers.get("If-None-Match"), dict(parameters)["s3_key"]
        tag = _ONE_TAG.fullmatch(known) if known is not None else None
        size = len(s3_key.encode())
        # A list of tags is for catalog to read, and no image has such a key, of which a few would make a call too long.
        is_simple = method == "GET" and (known is None or tag is not None)
        if not is_simple or size > LONGEST_KEY or not s3_key.isprintable():
            return alone()
        question = _Question(s3_key, tag[1] if tag else None, headers.get("Authorization"))
        return self._together.ask(question, size, deadline, alone)


def _body(asked: Sequence[_Question]) -> dict[str, Any]:
    body: dict[str, Any] = {"s3_keys": [each.s3_key for each in asked], "tags": [each.tag for each in asked]}
    authorizations = [each.authorization for each in asked if each.authorization is not None]
    return {**body, "authorizations": authorizations} if authorizations else body


def _read(body: bytes, asked: Sequence[_Question]) -> Answers:
    """Return the answers in `body`, whose first line tells their tags and sizes, and the others follow."""
    first, _, rest = body.partition(b"\n")
    parts, head = memoryview(rest), _HEAD.validate_json(first)
    if sum(entry[1] or 0 for entry in head if entry is not None) != len(rest):
        raise ValueError("not as many bytes as it says")
    answers: list[Answer | None] = []
    for entry, question in zip(head, asked, strict=True):
        if entry is None:
            answers.append(None)
            continue
        tag, size = entry
        headers = {"etag": f'"{tag}"'}
        if size is not None:
            headers["content-type"] = "application/json"
            answers.append(Answer("catalog", HTTPStatus.OK, headers, bytes(parts[:size])))
            parts = parts[size:]
        elif tag == question.tag:
            answers.append(Answer("catalog", HTTPStatus.NOT_MODIFIED, headers, b""))
        else:
            raise ValueError("no image where its tag was not known")
    return answers
