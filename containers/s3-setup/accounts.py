"""Create accounts on an S3 server. S3 has no standard for this: each kind of server has calls of its own."""

import json
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote
from xml.sax.saxutils import escape

from argon2.low_level import Type, hash_secret_raw
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class RefusedError(Exception):
    """The server refused a call of its administrator."""


class Administrator:
    """Sends calls of the account with all rights, signed as requests of S3 are."""

    def __init__(self, endpoint: str, region: str, access_key_id: str, secret: str) -> None:
        self.secret = secret
        self._endpoint = endpoint
        self._signature = S3SigV4Auth(Credentials(access_key_id, secret), "s3", region)
        self._session = URLLib3Session(timeout=10)

    def call(self, method: str, target: str, body: bytes = b"", *, instead: HTTPStatus = HTTPStatus.OK) -> int:
        """Send a request; return its status. Raise `RefusedError` if it is 400 or above, and not `instead`."""
        request = AWSRequest(method, self._endpoint + target, data=body)
        self._signature.add_auth(request)
        answer = self._session.send(request.prepare())
        if answer.status_code >= HTTPStatus.BAD_REQUEST and answer.status_code != instead:
            raise RefusedError(f"{method} {target.partition('?')[0]}: {answer.status_code} {answer.text[:200]}")
        return answer.status_code


class Accounts(Protocol):
    """What `setup` needs from each kind of server."""

    def make(self, name: str, secret: str) -> None:
        """Create an account without rights, or change its secret."""

    def grant(self, name: str, policy: dict[str, object]) -> None:
        """Replace the rights of an account by those of a policy."""


class Versitygw:
    """The calls of versitygw. Its accounts have only the rights that the policy of the bucket gives them."""

    def __init__(self, administrator: Administrator) -> None:
        self._call = administrator.call

    def make(self, name: str, secret: str) -> None:
        """Create an account without rights, or change its secret."""
        account = (
            f"<Account><Access>{escape(name)}</Access><Secret>{escape(secret)}</Secret><Role>user</Role></Account>"
        )
        if self._call("PATCH", "/create-user", account.encode(), instead=HTTPStatus.CONFLICT) == HTTPStatus.CONFLICT:
            change = f"<MutableProps><Secret>{escape(secret)}</Secret></MutableProps>"
            self._call("PATCH", f"/update-user?access={quote(name, safe='')}", change.encode())

    def grant(self, name: str, policy: dict[str, object]) -> None:
        """Do nothing: the policy of the bucket gives the rights."""


class Minio:
    """The calls of MinIO, also of JuiceFS and others that derive from it. Bodies with a secret are encrypted (DARE)."""

    def __init__(self, administrator: Administrator) -> None:
        self._administrator = administrator

    def make(self, name: str, secret: str) -> None:
        """Create an account without rights, or change its secret."""
        account = json.dumps({"status": "enabled", "secretKey": secret}).encode()
        self._put("add-user", sealed(account, self._administrator.secret), accessKey=name)

    def grant(self, name: str, policy: dict[str, object]) -> None:
        """Replace the rights of an account by those of a policy."""
        self._put("add-canned-policy", json.dumps(policy).encode(), name=f"imghost-{name}")
        self._put("set-user-or-group-policy", userOrGroup=name, isGroup="false", policyName=f"imghost-{name}")

    def _put(self, command: str, body: bytes = b"", **parameters: str) -> None:
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(parameters.items()))
        self._administrator.call("PUT", f"/minio/admin/v3/{command}?{query}", body)


def sealed(text: bytes, secret: str) -> bytes:
    """Encrypt at most 16 KiB as MinIO expects: one package of DARE 2.0, with a key derived by Argon2id."""
    salt, nonce = os.urandom(32), os.urandom(8)
    cipher = AESGCM(hash_secret_raw(secret.encode(), salt, 1, 64 * 1024, 4, 32, Type.ID))
    # A package's number is the end of its nonce. Number 0 encrypts nothing; its tag is part of all others' data.
    head = cipher.encrypt(nonce + bytes(4), b"", b"")
    last = b"\x80"
    return salt + b"\x00" + nonce + cipher.encrypt(nonce + (1).to_bytes(4, "little"), text, last + head)


KINDS: dict[str, Callable[[Administrator], Accounts]] = {"versitygw": Versitygw, "minio": Minio}
"""By the header `Server` of the answers, in lower case."""
