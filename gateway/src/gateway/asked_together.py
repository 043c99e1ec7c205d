"""Questions to a service, of which several are asked in one call when there is much to do.

Most of what a short question takes is the way to the service and back. So while a call is under way, those that come
meanwhile wait for its end, and are then asked together, as by DataLoader (github.com/graphql/dataloader). With little
to do each is asked alone, and at once. Nothing is remembered: a question is sent after it has come.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import gevent
import structlog
from gevent.event import AsyncResult

from chassis import request_ids, tracing
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError
from chassis.stages import Stage
from gateway.services import Answer, Services
from gateway.table import Service

log = structlog.get_logger(__name__)

MOST_TOGETHER, MOST_BYTES = 32, 16 * 1024  # of what tells their sizes
# Whoever has waited for so long asks together with all others who wait: the call that is under way may hang.
LONGEST_WAIT_S = 0.1

Question = TypeVar("Question")
Answers = Sequence[Answer | None]


@dataclass(eq=False)
class _Waiting(Generic[Question]):
    """A request that waits to be asked together with others; `answer` is None if it has to be asked alone."""

    question: Question
    size: int
    deadline: Deadline
    request_id: str = field(default_factory=request_ids.current)
    is_asked: bool = False
    answer: "AsyncResult[Answer | None]" = field(default_factory=AsyncResult)


class AskedTogether(Generic[Question]):
    """Asks a `service` by POST at the path `target` there about several questions of one kind.

    `body` makes what is sent of them, to which the ids of their requests are added. `read` makes the answers of the
    body that comes back, in the order of the questions; None for each that has to be asked alone. It raises
    `ValueError` if that body is not as it must be: a client would get what is for another one.
    """

    def __init__(
        self,
        services: Services,
        service: Service,
        target: str,
        body: Callable[[Sequence[Question]], dict[str, Any]],
        read: Callable[[bytes, Sequence[Question]], Answers],
    ) -> None:
        self._services = services
        self._service: Service = service
        self._target = target
        self._body = body
        self._read = read
        self._calls = 0
        self._waiting: deque[_Waiting[Question]] = deque()

    def ask(self, question: Question, size: int, deadline: Deadline, alone: Callable[[], Answer]) -> Answer:
        """Return the answer to `question`, by `alone` if no other call is under way, or it is not answered together.

        `size` is about how many bytes it is. Raise what `alone` does, or `DependencyDownError`.
        """
        # The spans of a trace show one request.
        if self._calls and not tracing.current().is_kept:
            # The call itself is timed elsewhere, for none of the requests.
            with Stage(self._service):
                answer = self._wait(_Waiting(question, size, deadline))
            if answer is not None:
                return answer
        with self._call():
            return alone()

    def _wait(self, waiting: _Waiting[Question]) -> Answer | None:
        self._waiting.append(waiting)
        waiting.answer.wait(LONGEST_WAIT_S)
        if not waiting.is_asked:
            gevent.spawn(self._ask_together)
        try:
            answer: Answer | None = waiting.answer.get(timeout=max(waiting.deadline.left_s(), 0))
        except gevent.Timeout:
            raise DependencyDownError(f"{self._service} service") from None
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

    def _take(self) -> list[_Waiting[Question]]:
        asked: list[_Waiting[Question]] = []
        size = 0
        while self._waiting and len(asked) < MOST_TOGETHER and size < MOST_BYTES:
            asked.append(self._waiting.popleft())
            asked[-1].is_asked = True
            size += asked[-1].size
        return asked

    def _answers(self, asked: Sequence[_Waiting[Question]]) -> Answers:
        questions = [each.question for each in asked]
        body = {**self._body(questions), "requests": [each.request_id for each in asked]}
        answer = self._services.call(
            self._service,
            "POST",
            self._target,
            max((each.deadline for each in asked), key=Deadline.left_s),
            headers={"Content-Type": "application/json", request_ids.HEADER: asked[0].request_id},
            body=json.dumps(body, ensure_ascii=False).encode(),
            repeatable=True,
        )
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            # The service itself lacks something. Alone, each would wait for that once more.
            raise DependencyDownError(f"{self._service} service")
        if answer.status != HTTPStatus.OK:
            return [None] * len(asked)
        try:
            answers = self._read(answer.body, questions)
            if len(answers) != len(asked):
                raise ValueError("not as many answers as questions")  # noqa: TRY301 - as any other nonsense
        except ValueError as fault:
            log.error("service answers several questions with something else", called=self._service, error=str(fault))  # noqa: TRY400 - not ours
            return [None] * len(asked)
        return answers
