"""What auth tells of the limits of the user who sends a request: shown with the answer, whoever gives it."""

from http import HTTPStatus

from flask import Flask, Response, g

from gateway.services import Answer

HEADERS = ("RateLimit-Policy", "RateLimit")
_CODE = "rate-limited"


def note(answer: Answer) -> None:
    """Remember for the answer to the current request what auth's `answer` about its sender tells of their limits."""
    g.rate_limits = {name: answer.headers[name.lower()] for name in HEADERS if name.lower() in answer.headers}


def is_refusal(answer: Answer) -> bool:
    """Return whether auth knows the sender of the request, and refuses it because there were too many."""
    return answer.status == HTTPStatus.TOO_MANY_REQUESTS and answer.document().get("code") == _CODE


def install(app: Flask) -> None:
    """Add the headers to each answer of `app` to a request whose sender has limits."""

    @app.after_request
    def add_headers(answer: Response) -> Response:
        answer.headers.update(g.get("rate_limits", {}))
        return answer
