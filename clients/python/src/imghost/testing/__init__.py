"""The whole of imghost in containers, for the tests of other projects: `ImghostStack`. See "Tests" in the README.

It needs the extra `imghost[testing]`, a container engine, and Docker Compose 2.23.1 or later.
"""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from testcontainers.compose import DockerCompose

from imghost.client import Client
from imghost.errors import ImghostError, NoAnswerError
from imghost.problems import ProblemError

ACCESS_KEY_ID, BUCKET, USERNAME = "administrator", "imghost", "demo"
_COMPOSE_FILE = Path(__file__).with_name("compose.yml")
_ATTEMPTS = 3
_PORT_IS_TAKEN = ("port is already allocated", "address already in use")
_LINES = 40
_READY_WITHIN_S, _ANSWERS_WITHIN_S, _PAUSE_S = 120.0, 2.0, 0.2


class StackError(ImghostError):
    """The containers do not get ready; the message says what the engine and they have written last."""


class _Compose(DockerCompose):
    """A project of Docker Compose under a name of its own, whatever the caller's environment says."""

    project = ""

    @cached_property
    def compose_command_property(self) -> list[str]:
        return [*super().compose_command_property, "--project-name", self.project]


class ImghostStack:
    """All of imghost, with its databases, RabbitMQ and S3, for as long as it is used as a context manager.

    Each has free ports of this machine, and data of its own, which is gone at the end: any number may run at the same
    time. `images` and `tag` name the images of imghost, as in `registry.example/imghost-` and `0.1.0`; without them it
    is `IMGHOST_IMAGES` and `IMGHOST_TAG` of the environment, else `imghost-` and the version of this package. Those of
    PostgreSQL, RabbitMQ and S3 are `POSTGRES_IMAGE`, `RABBITMQ_IMAGE` and `S3_IMAGE` of the environment, if set.

    Raise `StackError` if it does not get ready.

    >>> with ImghostStack() as imghost:                               # doctest: +SKIP
    ...     imghost.client.upload("cat.jpg").status
    'ready'
    """

    bucket = BUCKET
    """The S3 bucket to which the user uploads."""
    username = USERNAME
    """Who can do everything with images, collections and API keys."""
    s3_access_key_id = ACCESS_KEY_ID
    """Who can do everything at S3."""

    def __init__(self, *, images: str | None = None, tag: str | None = None) -> None:
        self._images = images or os.environ.get("IMGHOST_IMAGES") or "imghost-"
        self._tag = tag or os.environ.get("IMGHOST_TAG") or version("imghost")
        self.password = secrets.token_urlsafe(12)
        self.s3_secret_access_key = secrets.token_urlsafe(18)
        self.project = f"imghost-testing-{secrets.token_hex(6)}"
        self._compose: _Compose | None = None
        self._ports = (0, 0)

    @property
    def url(self) -> str:
        """The address of the gateway."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def s3_endpoint_url(self) -> str:
        """The address of S3."""
        return f"http://127.0.0.1:{self._ports[1]}"

    @cached_property
    def client(self) -> Client:
        """A client that is logged in as the user."""
        return Client(self.url, username=self.username, password=self.password)

    def start(self) -> Self:
        """Start all containers, and wait until imghost takes requests. Raise `StackError` if it does not."""
        if self._compose is not None:
            raise StackError("This stack has been started already.")
        if shutil.which("docker") is None:
            raise StackError("There is no program docker on this machine.")
        for attempt in range(1, _ATTEMPTS + 1):
            self._ports = _free_ports()
            self._compose = self._make_compose()
            try:
                self._compose.start()
                self._wait_until_serving()
            except subprocess.CalledProcessError as fault:
                said = _said(fault)
                # Somebody else may have taken a port since it was found to be free.
                if attempt < _ATTEMPTS and any(words in said for words in _PORT_IS_TAKEN):
                    self.stop()
                    continue
                raise self._failed(said) from None
            except BaseException:  # Ctrl-C, too, must not leave containers
                self.stop()
                raise
            else:
                break
        return self

    def stop(self) -> None:
        """End all containers, and delete their data. Raise `StackError` if the engine does not."""
        if self._compose is None:
            return
        compose, self._compose = self._compose, None
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()
        try:
            compose.stop()
        except subprocess.CalledProcessError as fault:
            raise StackError(_said(fault)) from None
        finally:
            shutil.rmtree(compose.context)

    def logs(self, *services: str) -> str:
        """Return what the containers of `services` have written, such as `imaging`, or of all."""
        return "".join(self._compose.get_logs(*services)) if self._compose is not None else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_serving(self) -> None:
        """Wait until the gateway answers what takes auth and catalog."""
        deadline = time.monotonic() + _READY_WITHIN_S
        with Client(self.url, username=self.username, password=self.password, timeout_s=_ANSWERS_WITHIN_S) as client:
            while True:
                try:
                    client.get_stats()
                except (NoAnswerError, ProblemError) as fault:
                    if time.monotonic() > deadline:
                        raise self._failed(f"it is not ready within {_READY_WITHIN_S:g} s: {fault}") from None
                    time.sleep(_PAUSE_S)
                else:
                    return

    def _failed(self, why: str) -> StackError:
        """End all containers; return an error that says why, and what they have written last."""
        logs = ""
        with suppress(subprocess.CalledProcessError):  # the engine may be what has failed
            logs = "\n".join(self.logs().splitlines()[-_LINES:])
        self.stop()
        return StackError(f"{why}\n{logs}".strip())

    def _make_compose(self) -> _Compose:
        folder = Path(tempfile.mkdtemp(prefix="imghost-testing-"))
        settings = {
            "IMAGES": self._images,
            "TAG": self._tag,
            "PORT": self._ports[0],
            "S3_PORT": self._ports[1],
            "USERNAME": self.username,
            "PASSWORD": self.password,
            "S3_ACCESS_KEY_ID": self.s3_access_key_id,
            "S3_SECRET_ACCESS_KEY": self.s3_secret_access_key,
            "POSTGRES_IMAGE": os.environ.get("POSTGRES_IMAGE") or "postgres:17",
            "RABBITMQ_IMAGE": os.environ.get("RABBITMQ_IMAGE") or "rabbitmq:4",
            "S3_IMAGE": os.environ.get("S3_IMAGE") or "versity/versitygw:v1.7.0",
        }
        file = folder / "settings.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"IMGHOST_TESTING_{name}={value}\n" for name, value in settings.items()))
        compose = _Compose(context=folder, compose_file_name=str(_COMPOSE_FILE), env_file=str(file))
        compose.project = self.project
        return compose


def _said(fault: subprocess.CalledProcessError) -> str:
    text: str = fault.stderr.decode(errors="replace").strip()
    return text


def _free_ports() -> tuple[int, int]:
    """Return two ports that nobody listens at."""
    with socket.socket() as first, socket.socket() as second:
        for sock in (first, second):
            sock.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
