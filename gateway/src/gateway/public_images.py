"""Public images, of which several are asked for in one call to catalog when there is much to do.

Most of what such a request takes is the way to catalog and back. So while a call is under way, those that come
meanwhile wait for its end, and are then asked for together, as by DataLoader (github.com/graphql/dataloader). With
little to do each is asked for alone, and at once.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import gevent
import structlog
from gevent.event import AsyncResult
from pydantic import NonNegativeInt, TypeAdapter

from chassis import request_ids, tracing
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError
from gateway.services import Answer, Services
from gateway.table import Service

log = structlog.get_logger(__name__)

TOGETHER = "/public/images"
MOST_TOGETHER, MOST_BYTES = 32, 16 * 1024  # of their keys
LONGEST_KEY = 1000
# Whoever has waited for so long asks together with all others who wait: the call that is under way may hang.
LONGEST_WAIT_S = 0.1
_HEAD = TypeAdapter(list[tuple[str, NonNegativeInt | None] | None])
_ONE_TAG = re.compile(r'"([0-9a-f]+)"')


@dataclass(eq=False)
class _Waiting:
    """A request that waits to be asked together with others; `answer` is None if it has to be asked alone."""

    s3_key: str
    tag: str | None
    deadline: Deadline
    request_id: str = field(default_factory=request_ids.current)
    is_asked: bool = False
    answer: "AsyncResult[Answer | None]" = field(default_factory=AsyncResult)


class PublicImages:
    """Asks `services` for public images, which the route to `TARGET` there shows."""

    TARGET = "/public/image"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._calls = 0
        self._waiting: deque[_Waiting] = deque()

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
        """Return the answer to the GET for one image, and raise what `Services.call` does, by which it may be asked."""
        known = headers.get("If-None-Match")
        tag = _ONE_TAG.fullmatch(known) if known is not None else None
        s3_key = dict(parameters)["s3_key"]
        # The spans of a trace show one request, a list of tags is for catalog to read, and no image has such a key, of
        # which a few would make a call too long.
        is_simple = not tracing.current().is_kept and (known is None or tag is not None)
        is_simple = is_simple and len(s3_key.encode()) <= LONGEST_KEY and s3_key.isprintable()
        if is_simple and self._calls:
            answer = self._wait(_Waiting(s3_key, tag[1] if tag else None, deadline))
            if answer is not None:
                return answer
        with self._call():
            return self._services.call(
                service, method, target, deadline, parameters=parameters, headers=headers, body=body
            )

    def _wait(self, waiting: _Waiting) -> Answer | None:
        self._waiting.append(waiting)
        waiting.answer.wait(LONGEST_WAIT_S)
        if not waiting.is_asked:
            gevent.spawn(self._ask_together)
        try:
            answer: Answer | None = waiting.answer.get(timeout=max(waiting.deadline.left_s(), 0))
        except gevent.Timeout:
            raise DependencyDownError("catalog service") from None
        return answer

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Count a call in the body, after which those who wait are asked for."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            if self._waiting:
                gevent.spawn(self._ask_together)

    def _ask_together(self) -> None:
        """Ask for those who wait. Runs in a greenlet of its own, whose log lines are those of all their requests."""
        asked = self._take()
        if not asked:
            return
        request_ids.adopt(asked[0].request_id)
        request_ids.note_several([each.request_id for each in asked])
        try:
            with self._call():
                answers = self._answers(asked)
            for each, answer in zip(asked, answers, strict=True):
                each.answer.set(answer)
        except DependencyDownError as fault:
            for each in asked:
                each.answer.set_exception(fault)
        finally:
            for each in asked:
                if not each.answer.ready():
                    each.answer.set(None)

    def _take(self) -> list[_Waiting]:
        asked: list[_Waiting] = []
        size = 0
        while self._waiting and len(asked) < MOST_TOGETHER and size < MOST_BYTES:
            asked.append(self._waiting.popleft())
            asked[-1].is_asked = True
            size += len(asked[-1].s3_key.encode())
        return asked

    def _answers(self, asked: Sequence[_Waiting]) -> Sequence[Answer | None]:
        """Return the answer for each of `asked`; None for those that catalog did not answer together."""
        body = {
            "s3_keys": [each.s3_key for each in asked],
            "tags": [each.tag for each in asked],
            "requests": [each.request_id for each in asked],
        }
        answer = self._services.call(
            "catalog",
            "POST",
            TOGETHER,
            max((each.deadline for each in asked), key=Deadline.left_s),
            headers={"Content-Type": "application/json", request_ids.HEADER: asked[0].request_id},
            body=json.dumps(body, ensure_ascii=False).encode(),
            repeatable=True,
        )
        if answer.status != HTTPStatus.OK:
            return [None] * len(asked)
        try:
            return _read(answer.body, [each.tag for each in asked])
        except ValueError as fault:
            log.error("catalog answers about several images with something else", error=str(fault))  # noqa: TRY400 - not ours
            return [None] * len(asked)


def _read(body: bytes, known: Sequence[str | None]) -> Sequence[Answer | None]:
    """Return the answers in `body`, one for each of the tags `known`.

    Its first line tells their tags and sizes, and the others follow. Raise `ValueError` if it is not like that: a
    client would get the image of another one.
    """
    first, _, rest = body.partition(b"\n")
    parts, head = memoryview(rest), _HEAD.validate_json(first)
    if sum(entry[1] or 0 for entry in head if entry is not None) != len(rest):
        raise ValueError("not as many bytes as it says")
    answers: list[Answer | None] = []
    for entry, known_tag in zip(head, known, strict=True):
        if entry is None:
            answers.append(None)
            continue
        tag, size = entry
        headers = {"etag": f'"{tag}"'}
        if size is not None:
            headers["content-type"] = "application/json"
            answers.append(Answer("catalog", HTTPStatus.OK, headers, bytes(parts[:size])))
            parts = parts[size:]
        elif tag == known_tag:
            answers.append(Answer("catalog", HTTPStatus.NOT_MODIFIED, headers, b""))
        else:
            raise ValueError("no image where its tag was not known")
    return answers
