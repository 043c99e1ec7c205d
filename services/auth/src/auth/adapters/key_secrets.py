"""The keys of tokens in two Secrets of Kubernetes, which pods see as files."""

import base64
import errno
import json
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from urllib3.exceptions import HTTPError, MaxRetryError

from auth.errors import RotationUnderWayError
from chassis import token_keys

# What the file in the volume of a Secret is called.
FILE = "key.pem"
_TIMEOUT = urllib3.Timeout(connect=5, read=20)
_CONFLICT = 409
_FAILED = 400


class KeySecrets:
    """A `KeyPair` of two Secrets that are there, with keys or without, in the namespace of this pod.

    Nothing is locked. A write names the version that was read or written last, and Kubernetes refuses it if somebody
    has changed the Secret since then: of two who rotate at a time, one ends with `RotationUnderWayError`.

    `api` is the address of Kubernetes, `account` the folder of the service account: with its token, which is replaced
    now and then, the certificate of the authority, and the name of the namespace.
    """

    def __init__(self, private: str, public: str, api: str, account: Path) -> None:
        self.private_name, self.public_name = f"secret:{private}", f"secret:{public}"
        self._private, self._public = private, public
        self._api, self._account = api, account
        self._seen: dict[str, dict[str, Any]] = {}
        self._http = _http(account / "ca.crt")

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Yield True: who comes second is told when writing."""
        yield True

    def private_text(self) -> str | None:
        """See `KeyPair`. Raise `OSError` if Kubernetes does not tell."""
        return self._text(self._private)

    def public_text(self) -> str | None:
        """See `KeyPair`. Raise `OSError` if Kubernetes does not tell."""
        return self._text(self._public)

    def write_private(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        """See `KeyPair`. Raise `RotationUnderWayError`, or `OSError` if Kubernetes does not take it."""
        self._write(self._private, token_keys.private_pem(keys))

    def write_public(self, keys: Sequence[Ed25519PublicKey]) -> None:
        """See `KeyPair`. Raise `RotationUnderWayError`, or `OSError` if Kubernetes does not take it."""
        self._write(self._public, token_keys.public_pem(keys))

    def _text(self, name: str) -> str | None:
        found = self._seen[name] = self._ask("GET", name)
        encoded = (found.get("data") or {}).get(FILE)
        return None if encoded is None else base64.b64decode(encoded).decode()

    def _write(self, name: str, pem: bytes) -> None:
        before = self._seen.get(name) or self._ask("GET", name)
        data = {**(before.get("data") or {}), FILE: base64.b64encode(pem).decode()}
        self._seen[name] = self._ask("PUT", name, {**before, "data": data})

    def _ask(self, method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the Secret `name` as Kubernetes has it after the request."""
        namespace = (self._account / "namespace").read_text().strip()
        token = (self._account / "token").read_text().strip()
        try:
            answer = self._http.request(
                method,
                f"{self._api}/api/v1/namespaces/{namespace}/secrets/{name}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                redirect=False,
            )
        except HTTPError as fault:
            cause = fault.reason if isinstance(fault, MaxRetryError) else fault
            raise OSError(errno.EIO, f"Kubernetes cannot be asked: {cause}", f"secret:{name}") from fault
        if answer.status == _CONFLICT:
            raise RotationUnderWayError
        try:
            said: dict[str, Any] = json.loads(answer.data)
        except ValueError:
            said = {"message": "no JSON"}
        if answer.status >= _FAILED or "metadata" not in said:
            reason = f"Kubernetes answers {answer.status}: {said.get('message')}"
            raise OSError(errno.EIO, reason, f"secret:{name}")
        return said


def _http(authority: Path) -> urllib3.PoolManager:
    """Return what asks a server whose certificate is signed by `authority`, again if it is busy or away."""
    context = ssl.create_default_context(cafile=authority)
    # Clusters whose certificates leave out an extension of RFC 5280 are many; from Python 3.13 on, that is refused.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    again = urllib3.Retry(
        total=5,
        backoff_factor=1,
        status_forcelist=[429, 500, 502, 503, 504],
        allowed_methods=None,
        raise_on_status=False,
    )
    return urllib3.PoolManager(ssl_context=context, timeout=_TIMEOUT, retries=again)
