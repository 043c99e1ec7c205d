"""Keys of the tokens between services: PEM files of one or several keys each, so that one key can follow another.

The first private key signs; the public halves of all of them verify. A token names its key by the thumbprint of RFC
7638, and a process reads a file again as soon as that has been replaced.
"""

import base64
import fcntl
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

log = structlog.get_logger(__name__)

# How long to wait before a file is read again that could not be read.
RETRY_AFTER_S = 1.0

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)

Content = TypeVar("Content")


@dataclass(frozen=True)
class SigningKey:
    """The key that signs tokens, and the id by which they name it."""

    key_id: str
    private: Ed25519PrivateKey


class _File(Generic[Content]):
    """What `parse` makes of the text of `file`, again whenever that was replaced."""

    def __init__(self, file: Path, parse: Callable[[str], Content]) -> None:
        self._file = file
        self._parse = parse
        self._seen = self._state()
        self._content = parse(file.read_text())
        self._next_try = 0.0

    def content(self) -> Content:
        """Return the content. One that cannot be read is logged, and the one before goes on to be used."""
        state = self._state()
        if state != self._seen and time.monotonic() >= self._next_try:
            try:
                self._content = self._parse(self._file.read_text())
            except (OSError, ValueError, TypeError) as fault:  # its text may show a part of the key
                self._next_try = time.monotonic() + RETRY_AFTER_S
                log.warning("keys of tokens cannot be read", file=str(self._file), reason=type(fault).__name__)
            else:
                self._seen = state
                log.info("keys of tokens read again", file=str(self._file))
        return self._content

    def _state(self) -> tuple[int, ...]:
        try:
            status = self._file.stat()
        except OSError:
            return ()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class VerifyingKeys:
    """The public keys in the PEM file `file`. Raise `OSError`, `ValueError` or `TypeError` if they cannot be read."""

    def __init__(self, file: Path) -> None:
        self._file = _File(file, public_keys)

    def by_id(self) -> Mapping[str, Ed25519PublicKey]:
        """Return the keys that verify tokens, by their ids."""
        return self._file.content()


class SigningKeys:
    """The private keys in the PEM file `file`. Raise `OSError`, `ValueError` or `TypeError` if they cannot be read."""

    def __init__(self, file: Path) -> None:
        self._file = _File(file, _signing_and_verifying)

    def signing(self) -> SigningKey:
        """Return the key that signs tokens."""
        return self._file.content()[0]

    def by_id(self) -> Mapping[str, Ed25519PublicKey]:
        """Return the keys that verify tokens, by their ids."""
        return self._file.content()[1]


def private_keys(text: str) -> list[Ed25519PrivateKey]:
    """Return the keys of a PEM file, in their order. Raise `ValueError` or `TypeError` if they are no such keys."""
    keys = []
    for block in _blocks(text):
        key = serialization.load_pem_private_key(block, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("tokens are signed with Ed25519 keys")
        keys.append(key)
    return keys


def public_keys(text: str) -> dict[str, Ed25519PublicKey]:
    """Return the keys of a PEM file by their ids. Raise `ValueError` or `TypeError` if they are no such keys."""
    keys = {}
    for block in _blocks(text):
        key = serialization.load_pem_public_key(block)
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError("tokens are verified with Ed25519 keys")
        keys[key_id(key)] = key
    return keys


def new_key() -> Ed25519PrivateKey:
    """Make a private key."""
    return Ed25519PrivateKey.generate()


def key_id(key: Ed25519PublicKey) -> str:
    """Return the thumbprint of `key` (RFC 7638, with the members of RFC 8037)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


class KeyPair(Protocol):
    """Where the private and the public keys lie; what is not there yet reads as None."""

    private_name: str
    public_name: str

    def locked(self) -> AbstractContextManager[bool]:
        """Keep others from changing the keys in the body; yield False if somebody does just now."""

    def private_text(self) -> str | None:
        """Return the private keys as PEM."""

    def public_text(self) -> str | None:
        """Return the public keys as PEM."""

    def write_private(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        """Put `keys` in the place of the private ones, whole or not at all."""

    def write_public(self, keys: Sequence[Ed25519PublicKey]) -> None:
        """Put `keys` in the place of the public ones, whole or not at all."""


class KeyFiles:
    """A `KeyPair` of two PEM files, of which the private one is readable by its owner only."""

    def __init__(self, private: Path, public: Path) -> None:
        self.private_name, self.public_name = str(private), str(public)
        self._private, self._public = private.resolve(), public.resolve()  # a link stays a link

    def make_folders(self) -> None:
        """Make the folders of the files. Raise `OSError` if they cannot be made."""
        for file in (self._private, self._public):
            file.parent.mkdir(parents=True, exist_ok=True)

    def locked(self) -> AbstractContextManager[bool]:
        """Lock the folder of the private ones, until the process ends at the latest. See `KeyPair`."""
        return locked(self._private)

    def private_text(self) -> str | None:
        """See `KeyPair`. Raise `OSError` if the file cannot be read."""
        return self._private.read_text() if self._private.exists() else None

    def public_text(self) -> str | None:
        """See `KeyPair`. Raise `OSError` if the file cannot be read."""
        return self._public.read_text() if self._public.exists() else None

    def write_private(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        """See `KeyPair`. Raise `OSError` if the file cannot be written."""
        write_private(self._private, keys)

    def write_public(self, keys: Sequence[Ed25519PublicKey]) -> None:
        """See `KeyPair`. Raise `OSError` if the file cannot be written."""
        write_public(self._public, keys)


def create(pair: KeyPair) -> None:
    """Make the keys of `pair`.

    A private key that exists is kept. The public keys are written if one is missing there. Nothing is done while
    somebody else has them `locked`, who then sees to both.
    """
    with pair.locked() as is_ours:
        if not is_ours:
            return
        text = pair.private_text()
        if text is None:
            made = [new_key()]
            pair.write_private(made)
        else:
            made = private_keys(text)
        ours = [key.public_key() for key in made]
        if not {key_id(key) for key in ours} <= set(_readable(pair.public_text())):
            pair.write_public(ours)


def create_files(private: Path, public: Path) -> None:
    """Make the keys of two PEM files, and their folders, as `create` does."""
    pair = KeyFiles(private, public)
    pair.make_folders()
    create(pair)


@contextmanager
def locked(private: Path) -> Iterator[bool]:
    """Keep other processes from changing the files of keys in the body; yield False if one of them does just now.

    The lock is on the folder of the private ones, and ends with the process, however that ends.
    """
    descriptor = os.open(private.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        yield is_ours
    finally:
        os.close(descriptor)


def private_pem(keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """Return `keys` as PEM."""
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return b"".join(key.private_bytes(serialization.Encoding.PEM, *form) for key in keys)


def public_pem(keys: Sequence[Ed25519PublicKey]) -> bytes:
    """Return `keys` as PEM."""
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return b"".join(key.public_bytes(*form) for key in keys)


def write_private(file: Path, keys: Sequence[Ed25519PrivateKey]) -> None:
    """Replace `file` by one with `keys`, readable by its owner only, or by whom the former one was readable."""
    _replace(file, private_pem(keys), 0o600)


def write_public(file: Path, keys: Sequence[Ed25519PublicKey]) -> None:
    """Replace `file` by one with `keys`."""
    _replace(file, public_pem(keys), 0o644)


def require_private_file(file: Path, setting: str) -> None:
    """End the process with one sentence unless `file`, which the variable `setting` names, holds private keys."""
    _require(file, setting, private_keys, "private key in PEM without a passphrase")


def require_public_file(file: Path, setting: str) -> None:
    """End the process with one sentence unless `file`, which the variable `setting` names, holds public keys."""
    _require(file, setting, public_keys, "public key in PEM")


def _require(file: Path, setting: str, parse: Callable[[str], object], kind: str) -> None:
    try:
        parse(file.read_text())
    except OSError as fault:
        reason = fault.strerror
    except (ValueError, TypeError):  # the text of the error may show a part of the key
        reason = f"this is no {kind}"
    else:
        return
    sys.exit(f"no key at {setting}={file}: {reason}; see auth create-token-key")


def _signing_and_verifying(text: str) -> tuple[SigningKey, dict[str, Ed25519PublicKey]]:
    keys = private_keys(text)
    return SigningKey(key_id(keys[0].public_key()), keys[0]), {
        key_id(key.public_key()): key.public_key() for key in keys
    }


def _blocks(text: str) -> list[bytes]:
    blocks = [match[0].encode() for match in _PEM.finditer(text)]
    if not blocks:
        raise ValueError("there is no key in PEM")
    return blocks


def _readable(text: str | None) -> dict[str, Ed25519PublicKey]:
    with suppress(ValueError, TypeError):
        return public_keys(text or "")
    return {}


def _replace(file: Path, data: bytes, mode: int) -> None:
    """Put `data` in the place of `file` in one step, for the same owner and group, with its mode or else `mode`."""
    before = file.stat() if file.exists() else None
    descriptor, written = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), before.st_uid, before.st_gid)
            os.fchmod(stream.fileno(), mode if before is None else before.st_mode & 0o777)
            stream.flush()
            os.fsync(stream.fileno())
        Path(written).replace(file)
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
