"""A proxy before an S3 server that makes it behave like other servers, so that a tolerant one hides no defect.

Each of `MANNERS` is how some server behaves that imghost may run on.
"""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from s3 import serving

MANNERS: Mapping[str, str] = {
    "capitalised": "names of metadata come back capitalised: servers and proxies written in Go",
    "chunked": "an object comes without Content-Length",
    "weak-etags": "entity tags come as W/…: proxies that compress",
    "bare-etags": "entity tags come without quotes",
    "no-etags": "there are no entity tags, nor conditions: JuiceFS without --keep-etag",
    "ignores-conditions": "conditions are ignored: JuiceFS, rclone, older clones",
    "refuses-quotes": "a quoted If-Match is 412, a bare one works: Ceph RGW, DigitalOcean's Spaces",
    "put-501": "a PUT with a condition is 501: OpenStack Swift",
    "put-400": "a PUT with a condition is 400",
    "delete-501": "a DELETE with a condition is 501",
    "decodes-paths": "a key with %2F is a signature that does not match: nanio, and proxies that decode paths",
    "probe-denied": "the credential writes below the prefixes of its users only",
    "terse": "an object comes without Last-Modified",
}
HIDES_MISSING = "hides-missing"
"""Like "probe-denied", and a missing object is "access denied": a credential without s3:ListBucket."""
REFUSALS: Mapping[str, tuple[int, str]] = {
    "InvalidAccessKeyId": (403, "The access key id does not exist."),
    "SignatureDoesNotMatch": (403, "The signature does not match."),
    "AuthorizationHeaderMalformed": (400, "The region is wrong; expecting 'eu-central-1'."),
    "RequestTimeTooSkewed": (403, "The request time and the server's differ too much."),
    "NoSuchBucket": (404, "The bucket does not exist."),
    "AccessDenied": (403, "Access denied."),
}
_OF_CONNECTION = {"connection", "transfer-encoding", "content-length"}
_CONDITIONS = {"if-match", "if-none-match"}
_LEFT_OUT = {"no-etags": {"etag"}, "terse": {"last-modified"}}


class Front(BaseHTTPRequestHandler):
    """Forwards requests to `upstream`, a host and port, in one of `MANNERS`, or refuses them with a code of `REFUSALS`.

    Subclasses set the attributes; a change of the class counts from the next request on. `calls` are the requests so
    far, each as "METHOD path".
    """

    protocol_version = "HTTP/1.1"
    upstream: str
    manner: str | None = None
    refuses: str | None = None
    refused_bucket: str = ""  # empty: all buckets
    calls: list[str]

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.calls.append(f"{self.command} {self.path}")
        sent = {name.lower(): value for name, value in self.headers.items()}
        if self.refuses is not None and self.path.startswith(f"/{self.refused_bucket}"):
            self.refuse(*REFUSALS[self.refuses], code=self.refuses)
        elif (refusal := self.refusal_of_condition(sent)) is not None:
            self.refuse(*refusal)
        elif self.manner == "decodes-paths" and "%252F" in self.path:
            self.refuse(*REFUSALS["SignatureDoesNotMatch"], code="SignatureDoesNotMatch")
        elif self.manner in {"probe-denied", HIDES_MISSING} and self.command == "PUT" and "/imghost/t0/" in self.path:
            self.refuse(403, "Access denied.", code="AccessDenied")
        else:
            answer, data = self.ask(sent, body)
            if self.manner == HIDES_MISSING and answer.status == 404:
                self.refuse(403, "Access denied.", code="AccessDenied")
            else:
                self.hand_back(answer, data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = forward  # noqa: N815 - the names that the server calls

    def refusal_of_condition(self, sent: Mapping[str, str]) -> tuple[int, str, str] | None:
        if not _CONDITIONS & sent.keys() or self.command not in {"PUT", "DELETE"}:
            return None
        match self.manner, self.command:
            case ("put-501", "PUT") | ("delete-501", "DELETE"):
                return 501, "A header implies functionality that is not implemented.", "NotImplemented"
            case ("put-400", "PUT"):
                return 400, "Unsupported header received for this API call.", "InvalidArgument"
            case ("refuses-quotes", _) if sent.get("if-match", "").startswith('"'):
                return 412, "A precondition did not hold.", "PreconditionFailed"
        return None

    def ask(self, sent: dict[str, str], body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        upstream = http.client.HTTPConnection(self.upstream, timeout=20)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if name == "connection" or (name in _CONDITIONS and self.ignores_condition()):
                continue
            # A server that accepts a bare entity tag treats it like the quoted one.
            upstream.putheader(name, f'"{value.strip(chr(34))}"' if name == "if-match" else value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        return answer, data

    def ignores_condition(self) -> bool:
        return self.manner in {"ignores-conditions", "no-etags"} and self.command in {"PUT", "DELETE"}

    def hand_back(self, answer: http.client.HTTPResponse, data: bytes) -> None:
        chunked = self.manner == "chunked" and self.command == "GET" and answer.status == 200
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_CONNECTION | _LEFT_OUT.get(self.manner or "", set()):
                self.send_header(*self.mannered(name, value))
        if self.command == "HEAD":
            self.send_header("Content-Length", answer.getheader("Content-Length") or "0")
        elif chunked:
            self.send_header("Transfer-Encoding", "chunked")
            data = (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + b"0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def mannered(self, name: str, value: str) -> tuple[str, str]:
        match self.manner, name.lower():
            case "capitalised", low if low.startswith("x-amz-meta-"):
                return "-".join(part.capitalize() for part in name.split("-")), value
            case "weak-etags", "etag":
                return name, f"W/{value}"
            case "bare-etags", "etag":
                return name, value.strip('"')
        return name, value

    def refuse(self, status: int, message: str, code: str) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def fronted(url: str, manner: str | None = None) -> Iterator[tuple[str, type[Front]]]:
    """Serve a front with `manner` before the S3 at `url`; yield its address and its class, by which tests change it."""

    class Mannered(Front):
        upstream = urlsplit(url).netloc
        calls: list[str] = []  # noqa: RUF012 - of this front alone

    Mannered.manner = manner
    with serving(Mannered) as address:
        yield address, Mannered
