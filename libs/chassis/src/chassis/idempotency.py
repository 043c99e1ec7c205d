"""Idempotency keys: a client that does not know whether a request was carried out sends it again under the same key.

After the IETF draft "The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header) and Stripe.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

HEADER = "Idempotency-Key"
# Tells a client that the answer is that of an earlier request.
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
LONGEST_KEY = 255
RETRY_AFTER_S = 1

# A string of structured fields (RFC 9651, 3.3.3), or the same text without quotation marks, as most clients send it.
# Without them there is no comma: a header that is sent twice arrives as one, joined by a comma.
_QUOTED = re.compile(r'"(?P<text>(?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--:<-\[\]-~]*")


class IdempotencyError(Exception):
    """A request with an idempotency key that is refused because of the key."""

    code: str


class MalformedKeyError(IdempotencyError):
    """The header is no string of structured fields, nor such a string without its quotation marks."""

    code = "malformed-idempotency-key"

    def __init__(self) -> None:
        super().__init__(
            f"{HEADER} has 1 to {LONGEST_KEY} printable ASCII characters, in quotation marks or without; without them "
            'no space " , ; or \\.'
        )


class KeyReusedError(IdempotencyError):
    """The user has sent another request under the key."""

    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(f"This {HEADER} was used for another request. Take a new one for each request.")


class KeyInFlightError(IdempotencyError):
    """A request under the key is being carried out."""

    code = "idempotency-key-in-flight"

    def __init__(self) -> None:
        super().__init__(f"A request with this {HEADER} is being carried out. Try again in a moment.")
        self.headers = {"Retry-After": str(RETRY_AFTER_S)}


class TooManyKeysError(IdempotencyError):
    """As many or as large answers are kept for the user as may be; `wait_s` until the first of them are forgotten."""

    code = "too-many-idempotency-keys"

    def __init__(self, wait_s: int) -> None:
        super().__init__(
            f"As many answers as may be are kept for your requests with {HEADER} of the last 24 hours. Nothing was "
            f"changed. Send the request without it, or try again in {wait_s} s."
        )
        self.headers = {"Retry-After": str(wait_s)}


class SecretNotKeptError(IdempotencyError):
    """The request was carried out, and its answer cannot be given again, since it showed a secret."""

    code = "secret-not-kept"

    def __init__(self, location: str) -> None:
        super().__init__(
            "This was done before. The answer showed a secret, which is not kept; Location says what the secret is of."
        )
        self.headers = {"Location": location}


@dataclass(frozen=True)
class Claim:
    """That a user sends a request under a key: digests of both."""

    user_id: str
    key_digest: str
    fingerprint: str


@dataclass(frozen=True)
class KeptAnswer:
    """The answer of a request that was carried out. Without a `body` it showed a secret, and is not given again."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


def read_key(header: str) -> str:
    """Return the key that a header has. Raise `MalformedKeyError`."""
    if match := _QUOTED.fullmatch(header):
        key = re.sub(r"\\(.)", r"\1", match["text"])
    elif _BARE.fullmatch(header):
        key = header
    else:
        raise MalformedKeyError
    if not 1 <= len(key) <= LONGEST_KEY:
        raise MalformedKeyError
    return key


def digest_of_key(key: str, part: int | None = None) -> str:
    """Return what is stored of a key: clients may put anything into it, also what nobody else should read.

    Each `part` of a request, by its number, has a digest of its own. No key has NUL, so none stands for a part.
    """
    return hashlib.sha256((key if part is None else f"{key}\0{part}").encode()).hexdigest()


def fingerprint(method: str, path: str, query: str, body: bytes) -> str:
    """Return what tells a request from others that a client may send under the same key by mistake."""
    parts = [method, path, query, hashlib.sha256(body).hexdigest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
