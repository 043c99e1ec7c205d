"""Uploads in one request: the file is spooled, put into S3 by an address that catalog signs, and registered.

catalog is asked thrice, for moments: whether the client may upload, where the file goes, and to register it. However
slow a client is, no thread of catalog waits for it. If anything breaks off before the last step nothing is registered.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any

import gevent
from flask import Response, json, request

from chassis.deadlines import Deadline
from chassis.stages import Stage
from chassis.web.problems import FieldFault, InvalidFieldsError
from gateway import paths, storage
from gateway.door import worker
from gateway.door.worker import MOST_CHUNKS
from gateway.errors import BodyTooLargeError
from gateway.progress import Progress
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.spool import Spool, SpooledFile
from gateway.table import Route
from gateway.web import forwarding, multipart, query, request_bodies
from gateway.web.authentication import Authentication, Sender
from gateway.web.forwarding import View
from gateway.web.multipart import Form

MOST_WAIT_S = 20
_FIELDS = ("title", "description", "collection")
_WAIT = "wait"
# A token may be older by so much when a service gets it.
_TOKEN_FRESH_S = 5.0
# On average, of those beyond the number that every body may have.
_LEAST_CHUNK = 1024
_PAUSES_S = (0.1, 0.2, 0.3, 0.5)


class Uploads:
    """Takes files, and has catalog register them."""

    def __init__(
        self,
        services: Services,
        authentication: Authentication,
        progress: Progress,
        settings: GatewaySettings,
    ) -> None:
        self._services = services
        self._authentication = authentication
        self._progress = progress
        self._settings = settings
        self._spool = Spool(settings.spool_folder, settings.spool_bytes)

    def view_of(self, route: Route) -> View:
        """Return the view of `route`, which takes a form with a file, or by PUT the file itself."""

        def view(**raw: str) -> Response:
            deadline = self._deadline()
            sender = self._authentication.sender(["catalog"], deadline)
            allowed = self._ask(route, "GET", deadline, sender)
            if allowed.status != HTTPStatus.OK:
                return forwarding.relay(allowed)
            with self._spool.file(sender.user_id) as file:
                began = time.monotonic()
                source = request.remote_addr or ""
                with Stage("request body"), self._progress.waiting(source):
                    form = self._receive(route, raw, int(allowed.document()["max_bytes"]), file)
                wait_s = _seconds(form.fields.pop(_WAIT, "0"))
                deadline = self._deadline()
                if time.monotonic() - began > _TOKEN_FRESH_S:
                    sender = self._authentication.sender(["catalog"], deadline, count=0)
                answer = self._store(route, form, file, sender)
            if answer.status == HTTPStatus.CREATED and wait_s:
                answer = self._wait(answer, sender, wait_s)
            return _relay(answer)

        return view

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s)

    def _ask(
        self, route: Route, method: str, deadline: Deadline, sender: Sender, document: Mapping[str, Any] | None = None
    ) -> Answer:
        headers = forwarding.sent_headers(sender)
        headers.pop("If-Match", None)
        headers.pop("If-None-Match", None)
        headers["Content-Type"] = "application/json"
        body = None if document is None else json.dumps(document).encode()
        answer = self._services.call(route.service, method, route.target, deadline, headers=headers, body=body)
        forwarding.require_trust(answer)
        return answer

    def _receive(self, route: Route, raw: Mapping[str, str], max_bytes: int, file: SpooledFile) -> Form:
        """Return what the client sends, and add its file to `file`.

        Raise the errors of `request_bodies.parts`, `multipart.read` and `query.read`.
        """
        is_form = request.method == "POST"
        most = max_bytes + multipart.MOST_BYTES_OF_FIELDS if is_form else max_bytes
        request_bodies.require_size(request, most)
        worker.allow_chunks(request.environ["wsgi.input"], MOST_CHUNKS + most // _LEAST_CHUNK)
        given = query.read(route, request, None)
        boundary = multipart.boundary_of(request) if is_form else b""
        patience = request_bodies.Patience(self._settings.upload_timeout_s, self._settings.body_timeout_s)
        with closing(request_bodies.parts(request, patience, most)) as parts:
            if is_form:
                form = multipart.read(boundary, parts, (*_FIELDS, _WAIT), file)
            else:
                form = Form(paths.decode(raw["filename"]), _once(given))
                for part in parts:
                    file.add(part)
        form.fields = {name: text for name, text in form.fields.items() if text}  # browsers send what was left empty
        if form.filename is None or not file.size:
            raise InvalidFieldsError([FieldFault(pointer="/file", code="missing", detail="Send a file.")])
        if file.size > max_bytes:
            raise BodyTooLargeError(max_bytes)
        return form

    def _store(self, route: Route, form: Form, file: SpooledFile, sender: Sender) -> Answer:
        """Put `file` into S3, have it registered, and return catalog's answer: 201, or why not."""
        described = {
            **form.fields,
            "filename": form.filename,
            "content_type": file.require_picture(),
            "sha256": file.sha256,
        }
        target = self._ask(route, "POST", self._deadline(), sender, described)
        if target.status != HTTPStatus.OK:  # or it is the repeat of a request that was carried out
            return target
        where = target.document()
        with Stage("S3"), self._progress.waiting(request.remote_addr or ""):
            storage.put(where["url"], where["headers"], file, self._settings.upload_timeout_s)
        return self._ask(route, "POST", self._deadline(), sender, {**described, "s3_key": where["s3_key"]})

    def _wait(self, answer: Answer, sender: Sender, seconds: int) -> Answer:
        """Return `answer` with the image as it is when it is no longer pending, or after so many `seconds`."""
        ends, pauses = time.monotonic() + seconds, iter(_PAUSES_S)
        pause_s = 0.0
        image = answer
        while image.document()["status"] == "pending" and time.monotonic() < ends:
            pause_s = next(pauses, pause_s)
            with self._progress.waiting(request.remote_addr or ""):
                gevent.sleep(min(pause_s, max(0, ends - time.monotonic())))
            headers = {name: value for name, value in forwarding.sent_headers(sender).items() if "Match" not in name}
            parameters = [("s3_key", answer.document()["s3_key"])]
            found = self._services.call(
                "catalog", "GET", "/image", self._deadline(), parameters=parameters, headers=headers
            )
            if found.status != HTTPStatus.OK:  # deleted meanwhile; it was registered all the same
                break
            image = found
        return Answer(answer.service, answer.status, answer.headers, image.body)


def _once(given: list[tuple[str, str]]) -> dict[str, str]:
    """Return query parameters by their names. Raise `InvalidFieldsError` for those that come twice."""
    names = [name for name, _ in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidFieldsError([FieldFault(parameter=n, code="given-twice", detail="Give it once.") for n in twice])
    return dict(given)


def _seconds(text: str) -> int:
    digits = text.lstrip("0")
    if not text.isascii() or not text.isdigit() or len(digits) > len(str(MOST_WAIT_S)) or int(text) > MOST_WAIT_S:
        detail = f"Must be a whole number of seconds, at most {MOST_WAIT_S}."
        where = {"pointer": f"/{_WAIT}"} if request.method == "POST" else {"parameter": _WAIT}
        raise InvalidFieldsError([FieldFault(**where, code="not-seconds", detail=detail)])
    return int(text)


def _relay(answer: Answer) -> Response:
    """Return what the client gets of catalog's answer; what came in the query is named as its parameter."""
    relayed = forwarding.relay(answer)
    if request.method == "PUT" and answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        document = json.loads(relayed.get_data())
        for fault in document.get("errors", ()):
            if "pointer" in fault:
                fault["parameter"] = fault.pop("pointer").removeprefix("/")
        relayed.set_data(json.dumps(document))
    return relayed
