"""What uploads of many files have done so far, on this machine, so that after a kill nothing is uploaded twice.

The service knows the SHA-256 of an image only once it has processed it. Until then, and for files of which the form was
sent but not registered, this tells which key a file has. It is a file of mode 600, since forms let their bearer upload.
"""

import json
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self

from imghost.models import SignedPost

Stage = Literal["sending", "sent", "registered"]

FORM_LIFETIME_S = 540.0
"""A form is taken for ten minutes, of which one is left for the upload."""
_BUSY_S = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS digests (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS uploads (
    account TEXT, sha256 TEXT, stage TEXT NOT NULL, url TEXT NOT NULL, fields TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (account, sha256)
);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """How far the upload of a file is, and by which form; `is_fresh` if S3 still takes the form."""

    stage: Stage
    form: SignedPost
    is_fresh: bool

    @property
    def s3_key(self) -> str:
        """The key of the file."""
        return self.form.fields["key"]


class Journal:
    """The journal in the file `path`, of the uploads of one account. Threads and processes may share it."""

    def __init__(self, path: Path, account: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._account = account
        self._lock = Lock()
        self._database = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def digest(self, path: Path, status: os.stat_result) -> str | None:
        """Return the SHA-256 that a file had when it had this size and time; None if it is not known."""
        rows = self._run(
            "SELECT sha256 FROM digests WHERE path = ? AND size = ? AND modified_ns = ?",
            _name(path),
            status.st_size,
            status.st_mtime_ns,
        )
        return str(rows[0][0]) if rows else None

    def keep_digest(self, path: Path, status: os.stat_result, sha256: str) -> None:
        """Keep the SHA-256 of a file."""
        self._run(
            "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)",
            _name(path),
            status.st_size,
            status.st_mtime_ns,
            sha256,
        )

    def find(self, sha256: str) -> Entry | None:
        """Return how far the upload of a file is; None if it has not begun."""
        rows = self._run(
            "SELECT stage, url, fields, expires FROM uploads WHERE account = ? AND sha256 = ?", self._account, sha256
        )
        if not rows:
            return None
        stage, url, fields, expires = rows[0]
        return Entry(stage, SignedPost(url, json.loads(fields)), expires > time.time())

    def begin(self, sha256: str, form: SignedPost) -> None:
        """Keep that a file is sent by this form, before it is."""
        self._run(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, 'sending', ?, ?, ?)",
            self._account,
            sha256,
            form.url,
            json.dumps(form.fields),
            time.time() + FORM_LIFETIME_S,
        )

    def advance(self, sha256: str, stage: Stage) -> None:
        """Keep that a file has been sent, or registered."""
        self._run("UPDATE uploads SET stage = ? WHERE account = ? AND sha256 = ?", stage, self._account, sha256)

    def forget(self, sha256: str) -> None:
        """Forget the upload of a file, so that it begins anew."""
        self._run("DELETE FROM uploads WHERE account = ? AND sha256 = ?", self._account, sha256)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _name(path: Path) -> str:
    """Return the absolute path as text, also where its name is not UTF-8."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")
