"""Trying signed upload forms as a browser would use them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from catalog.uploads import Uploads
from chassis.s3 import check as s3_check
from chassis.s3 import client as s3
from chassis.s3.check import CannotGoOnError, Check, fetch

_BODY = b"imghost tries here whether uploads work"
_NAME = "check.jpg"
KEY = f"{s3.OWN_FOLDER}{_NAME}"
_ORIGIN = "https://imghost.invalid"
_UNENFORCED = "this S3 does not enforce the policy of a form: whoever has a form can upload anything"


def check(uploads: Uploads, url: str) -> Iterator[Check]:
    """Try everything that uploads need; `url` is where everybody reads the object at `KEY`."""
    steps: dict[str, Callable[[], Check | None]] = {
        "upload by a signed form": lambda: _uploaded(uploads),
        "refuse other types than the form's": lambda: _refused(uploads, _post(uploads, {"Content-Type": "text/html"})),
        "refuse what is larger than allowed": lambda: _refused(uploads, _post(replace(uploads, max_bytes=1))),
        "form sent by pages of any origin (CORS)": lambda: _cors("POST", _form(uploads)["url"]),
        "PUT sent by pages of any origin (CORS)": lambda: _cors("PUT", _signed_put(uploads)["url"]),
        "read by everybody": lambda: s3_check.read_by_everybody(url),
    }
    try:
        for needs, step in steps.items():
            found = s3_check.tried(needs, step, "look at the server's own log")
            yield replace(found, needs=needs)
    except CannotGoOnError as fault:
        yield fault.check
        yield Check("everything else", "not tried")


def _form(uploads: Uploads) -> dict[str, Any]:
    return uploads.sign(s3.OWN_FOLDER.rstrip("/"), _NAME)


def _signed_put(uploads: Uploads) -> dict[str, Any]:
    return uploads.sign_sized_put(KEY, "image/jpeg", len(_BODY))


def _post(uploads: Uploads, changes: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Send the form as a browser does, with `changes` to its fields; return the status and the body of the answer."""
    form = _form(uploads)
    fields = [*{**form["fields"], **(changes or {})}.items(), ("file", (_NAME, _BODY, "image/jpeg"))]
    answer = fetch("POST", form["url"], fields=fields)
    return answer.status, answer.data.decode(errors="replace")


def _uploaded(uploads: Uploads) -> Check:
    needs = "upload by a signed form"
    status, said = _post(uploads)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Check(needs, "yes", f"left in {uploads.bucket}: {KEY}, {len(_BODY)} bytes")
    known = next((f"{code}: {meaning}" for code, meaning in s3.REFUSALS.items() if code in said), None)
    # Some servers say of a bad credential only that access is denied.
    denied = "look at the key id and the secret, and grant s3:PutObject"
    cause = denied if status == HTTPStatus.FORBIDDEN else "this S3 seems to take no POST forms; uploads need them"
    raise CannotGoOnError(Check(needs, "no", known or f"{status}: {cause}"))


def _refused(uploads: Uploads, answer: tuple[int, str]) -> Check | None:
    """Check that `answer` is a refusal."""
    status, _ = answer
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    _post(uploads)  # overwrites what was accepted, so that what stays has the type of a picture
    return Check("", "limited", _UNENFORCED)


def _cors(method: str, url: str) -> Check | None:
    """Check that pages of any origin may upload to `url` by `method`."""
    answer = fetch("OPTIONS", url, headers={"Origin": _ORIGIN, "Access-Control-Request-Method": method})
    if answer.headers.get("Access-Control-Allow-Origin") in {"*", _ORIGIN}:
        return None
    advice = "set a CORS rule on the bucket: methods GET, HEAD, POST, PUT, your origins; programs upload without"
    return Check("", "limited", advice)
