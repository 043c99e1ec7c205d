"""An HTTP client for tests: it sends targets byte for byte, and checks every exchange against the OpenAPI document."""

import base64
import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from urllib3.util.wait import wait_for_read

from deadlines import until
from wire import Contract

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
NOTHING = object()  # None cannot stand for it: null is JSON too


@dataclass(frozen=True)
class Answer:
    """A response whose body was read to its end."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document; empty if the answer is not one."""
        is_problem = self.headers.get_content_type() == "application/problem+json"
        return str(self.json().get("code", "")) if is_problem and self.body else ""

    @property
    def faulty_fields(self) -> set[str]:
        """The pointers and query parameters that a problem document names."""
        return {fault.get("pointer", fault.get("parameter")) for fault in self.json().get("errors", [])}

    @property
    def next_page(self) -> str | None:
        """The target of `Link: <…>; rel="next"`, if there is one."""
        link = self.headers.get("Link")
        return link.removeprefix("<").partition(">")[0] if link else None


@dataclass
class ValidatingClient:
    """A client of the gateway at `base_url`; `auth` is (username, password), an API key to send as Bearer, or None.

    If `base_url` has a path, the gateway is served below it, and targets that lack the path get it.
    """

    base_url: str
    auth: tuple[str, str] | str | None = None
    timeout_s: float = 30.0
    contract: Contract = field(init=False, repr=False)
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.contract = Contract(self._prefix)

    @property
    def _prefix(self) -> str:
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def username(self) -> str:
        """The username in `auth`; empty if there is none."""
        return self.auth[0] if isinstance(self.auth, tuple) else ""

    def get(self, target: str, **options: Any) -> Answer:
        """Send GET; the options are those of `send`."""
        return self.send("GET", target, **options)

    def head(self, target: str, **options: Any) -> Answer:
        """Send HEAD."""
        return self.send("HEAD", target, **options)

    def post(self, target: str, **options: Any) -> Answer:
        """Send POST."""
        return self.send("POST", target, **options)

    def put(self, target: str, **options: Any) -> Answer:
        """Send PUT."""
        return self.send("PUT", target, **options)

    def delete(self, target: str, **options: Any) -> Answer:
        """Send DELETE."""
        return self.send("DELETE", target, **options)

    def options(self, target: str, **options: Any) -> Answer:
        """Send OPTIONS."""
        return self.send("OPTIONS", target, **options)

    def send(
        self,
        method: str,
        target: str,
        *,
        json: Any = NOTHING,
        form: dict[str, str] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str | int] | None = None,
    ) -> Answer:
        """Send `target` exactly as given and check the exchange: what the document refuses must be refused."""
        target = target.removeprefix(self._prefix)
        sent_headers, sent_body = self._compose(json, form, body, headers or {})
        if params:
            target += "?" + urlencode(params)
        answer = self._exchange(method, target, sent_headers, sent_body)
        self.contract.check_response(method, target, answer.status, answer.headers, answer.body)
        if answer.status < http.client.BAD_REQUEST:
            self.contract.check_request(method, target, sent_headers, sent_body)
        return answer

    def settled(self, s3_key: str, deadline_s: float = 20) -> dict[str, Any]:
        """Wait until the image is ready or failed; return its private form."""

        def look() -> dict[str, Any] | None:
            answer = self.get(path("images", s3_key))
            assert answer.status == http.client.OK, answer.body
            document: dict[str, Any] = answer.json()
            return document if document["status"] != "pending" else None

        return until(look, deadline_s, f"{s3_key} is neither ready nor failed")

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _compose(
        self, document: Any, form: dict[str, str] | None, body: bytes | None, headers: dict[str, str]
    ) -> tuple[dict[str, str], bytes | None]:
        composed = dict(headers)
        if document is not NOTHING:
            body = json.dumps(document).encode()
            composed.setdefault("Content-Type", JSON)
        elif form is not None:
            body = urlencode(form).encode()
            composed.setdefault("Content-Type", FORM)
        if self.auth is not None:
            composed.setdefault("Authorization", authorization(self.auth))
        return composed, body

    def _exchange(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Answer:
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None and wait_for_read(sock, timeout=0.0):
            self.close()  # the server has closed it while it was idle
        if self._connection is None:
            parts = urlsplit(self.base_url)
            self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=self.timeout_s)
        try:
            self._connection.putrequest(
                method, self._prefix + target, skip_host="Host" in headers, skip_accept_encoding=True
            )
            if "Transfer-Encoding" not in headers and (body is not None or method in {"POST", "PUT"}):
                headers.setdefault("Content-Length", str(len(body or b"")))
            for name, value in headers.items():
                self._connection.putheader(name, value)
            self._connection.endheaders(body)
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise


def authorization(credentials: tuple[str, str] | str) -> str:
    """Return the value of an Authorization header for `credentials`."""
    if isinstance(credentials, str):
        return f"Bearer {credentials}"
    return "Basic " + base64.b64encode(":".join(credentials).encode()).decode()


def path(*segments: str) -> str:
    """Return the path below /api with these segments; every byte but `A-Za-z0-9-._~/` is percent-encoded."""
    return "/api/" + "/".join(quote(segment) for segment in segments)


Stack = Mapping[str, str]
NewUser = Callable[[], ValidatingClient]
Register = Callable[..., dict[str, Any]]
