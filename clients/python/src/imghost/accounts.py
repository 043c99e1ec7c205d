"""Who is logged in where. The secret lies in the key ring of the system, or else in a file that only you can read."""

import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import keyring
from keyring.errors import KeyringError

from imghost.errors import ImghostError

SERVICE = "imghost"
_PRIVATE = 0o600


class NotLoggedInError(ImghostError):
    """Nobody is logged in, or the key ring does not give the secret."""

    def __init__(self, why: str = "you are not logged in") -> None:
        super().__init__(f"{why}; run: imghost login")


class OpenSecretError(ImghostError):
    """Others can read the file with the secret."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"others can read {path}, which has your API key; run: chmod 600 {path}")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the imghost at `url`, whose API key has the id `key_id`; `is_own` if it was made for this machine."""

    url: str
    username: str
    key_id: str
    is_own: bool = False

    @property
    def name(self) -> str:
        """The name under which the secret is kept."""
        return f"{self.username} at {self.url}"


def folder() -> Path:
    """Return the folder of the command's files: `IMGHOST_HOME`, or that of the system for such files."""
    return Path(os.environ.get("IMGHOST_HOME") or click.get_app_dir("imghost"))


def credentials() -> tuple[Account, str]:
    """Return whose commands these are, and the API key.

    The variables `IMGHOST_URL` and `IMGHOST_API_KEY`, both, come first, then who is logged in. Raise as `kept` does.
    """
    url, api_key = os.environ.get("IMGHOST_URL"), os.environ.get("IMGHOST_API_KEY")
    if url and api_key:
        return Account(url, os.environ.get("IMGHOST_USERNAME", ""), key_id(api_key)), api_key
    return kept()


def kept() -> tuple[Account, str]:
    """Return who is logged in, and the API key.

    Raise `NotLoggedInError` if nobody is, and `OpenSecretError` if others can read the file with the key.
    """
    found, in_file = _read()
    secret = in_file or _from_key_ring(found)
    if secret is None:
        raise NotLoggedInError(f"the key ring does not give the API key of {found.name}")
    return found, secret


def key_id(api_key: str) -> str:
    """Return the id of an API key."""
    return api_key.split("_")[1] if api_key.count("_") == 2 else ""  # noqa: PLR2004 - imgh_<id>_<secret>


def keep(new: Account, api_key: str) -> str:
    """Keep who is logged in, in place of who was; return where the secret lies, for people."""
    in_key_ring = _into_key_ring(new, api_key)
    document = asdict(new)
    _write(document if in_key_ring else document | {"api_key": api_key})
    return "the key ring of the system" if in_key_ring else str(_file())


def forget() -> None:
    """Forget who is logged in."""
    found, in_file = _read()
    if in_file is None:
        with suppress(KeyringError):  # it is gone already, or the key ring is
            keyring.delete_password(SERVICE, found.name)
    _file().unlink(missing_ok=True)


def _file() -> Path:
    return folder() / "account.json"


def _read() -> tuple[Account, str | None]:
    try:
        with _file().open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            document: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        raise NotLoggedInError from None
    secret = document.get("api_key")
    if secret is not None and os.name == "posix" and stat.S_IMODE(mode) & ~_PRIVATE:
        raise OpenSecretError(_file())
    return Account(document["url"], document["username"], document["key_id"], document["is_own"]), secret


def _write(document: dict[str, Any]) -> None:
    """Replace the file in one step; it is never there half written, nor readable by others."""
    folder().mkdir(parents=True, exist_ok=True)
    beside = _file().with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _PRIVATE), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
    beside.replace(_file())


def _into_key_ring(new: Account, api_key: str) -> bool:
    """Put the secret into the key ring; return whether it is there, since some only seem to keep it."""
    try:
        keyring.set_password(SERVICE, new.name, api_key)
    except KeyringError:
        return False
    return _from_key_ring(new) == api_key


def _from_key_ring(of: Account) -> str | None:
    try:
        return keyring.get_password(SERVICE, of.name)
    except KeyringError:
        return None
