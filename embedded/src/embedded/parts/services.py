"""The processes of our own services: commands, settings, and the URLs that say whether they are ready."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.home import Home
from embedded.parts.ports import LOOPBACK
from embedded.parts.s3 import Storage
from embedded.processes.child import Child, base_environment, program


@dataclass(frozen=True)
class Account:
    """The user that a run starts with."""

    username: str
    password: str


@dataclass(frozen=True)
class ServicePorts:
    """The gateway's port, and the internal ones: of two web servers, and of the operations servers of three workers."""

    gateway: int
    auth: int
    catalog: int
    auth_worker: int
    catalog_worker: int
    imaging: int


class Services:
    """Commands and settings of auth, catalog, imaging and the gateway for one run."""

    def __init__(self, home: Home, storage: Storage, amqp_url: str, ports: ServicePorts, account: Account) -> None:
        self._home = home
        self._ports = ports
        self._private_key = home.run / "token-private.pem"
        self._public_key = home.run / "token-public.pem"
        self._auth = self._environment(
            "AUTH_",
            DATABASE_URL=f"sqlite:///{home.run / 'auth.db'}",
            BROKER_URL=amqp_url,
            TOKEN_PRIVATE_KEY_FILE=self._private_key,
            FIRST_USERNAME=account.username,
            FIRST_PASSWORD=account.password,
        )
        self._catalog = self._environment(
            "CATALOG_",
            DATABASE_URL=f"sqlite:///{home.run / 'catalog.db'}",
            BROKER_URL=amqp_url,
            TOKEN_PUBLIC_KEY_FILE=self._public_key,
            BUCKETS=json.dumps({storage.bucket: {"url": storage.bucket_url}}),
            DEFAULT_BUCKET=storage.bucket,
            S3_ENDPOINT_URL=storage.endpoint,
            S3_REGION=storage.region,
            S3_ACCESS_KEY_ID=storage.access_key_id,
            S3_SECRET_ACCESS_KEY=storage.secret_access_key,
        )
        self._imaging = self._environment(
            "IMAGING_",
            BROKER_URL=amqp_url,
            S3_ENDPOINT_URL=storage.endpoint,
            S3_REGION=storage.region,
            S3_ACCESS_KEY_ID=storage.access_key_id,
            S3_SECRET_ACCESS_KEY=storage.secret_access_key,
        )
        self._gateway = self._environment(
            "GATEWAY_",
            AUTH_URL=f"http://{LOOPBACK}:{self._ports.auth}",
            CATALOG_URL=f"http://{LOOPBACK}:{self._ports.catalog}",
            PUBLIC_URL=os.environ.get("GATEWAY_PUBLIC_URL") or f"http://{LOOPBACK}:{self._ports.gateway}",
            PICTURE_ORIGINS=json.dumps(storage.origins),
        )

    def _environment(self, prefix: str, **settings: str | Path) -> dict[str, str]:
        """Return a service's whole environment: the caller's settings for it, overridden by those of this run."""
        callers = {name: value for name, value in os.environ.items() if name.startswith((prefix, "OTEL_"))}
        ours = {f"{prefix}{name}": str(value) for name, value in settings.items()}
        return {f"{prefix}LOG_FORMAT": "text", **base_environment(self._home), **callers, **ours}

    def preparations(self) -> list[Child]:
        """Return the commands that prepare a run and then end: the key pair and the two databases."""
        keys = ("--private", str(self._private_key), "--public", str(self._public_key))
        return [
            Child("auth-create-token-key", (program("auth"), "create-token-key", *keys), self._auth),
            Child("auth-migrate", (program("auth"), "migrate"), self._auth),
            Child("catalog-migrate", (program("catalog"), "migrate"), self._catalog),
        ]

    def children(self) -> list[Child]:
        """Return the processes that live until the end of the run."""
        ports = self._ports
        return [
            self._web("auth", self._auth, "AUTH_", ports.auth),
            self._worker("auth", self._auth, "AUTH_", ports.auth_worker),
            self._web("catalog", self._catalog, "CATALOG_", ports.catalog),
            self._worker("catalog", self._catalog, "CATALOG_", ports.catalog_worker),
            self._worker("imaging", self._imaging, "IMAGING_", ports.imaging),
            self._web("gateway", self._gateway, "GATEWAY_", ports.gateway),
        ]

    @staticmethod
    def _web(service: str, environment: Mapping[str, str], prefix: str, port: int) -> Child:
        settings = {"LISTEN_HOST": LOOPBACK, "LISTEN_PORT": str(port), "OPS_HOST": LOOPBACK, "OPS_PORT": "0"}
        return Child(service, (program(service), "serve"), _with(environment, prefix, settings))

    @staticmethod
    def _worker(service: str, environment: Mapping[str, str], prefix: str, port: int) -> Child:
        settings = {"OPS_HOST": LOOPBACK, "OPS_PORT": str(port)}
        return Child(f"{service}-worker", (program(service), "worker"), _with(environment, prefix, settings))

    def of_status(self) -> dict[str, str]:
        """Return the environment of `catalog status`."""
        urls = {name: [url.removesuffix("/readyz")] for name, url in self.ready_urls().items()}
        given = {name: self._catalog[f"CATALOG_{name}"] for name in ("DATABASE_URL", "BROKER_URL")}
        return {**{f"CATALOG_{name}": value for name, value in given.items()}, "CATALOG_STATUS_URLS": json.dumps(urls)}

    def ready_urls(self) -> dict[str, str]:
        """Return for each of the `children` the URL that answers 200 once it is ready."""
        ports = self._ports
        numbers = {
            "auth": ports.auth,
            "auth-worker": ports.auth_worker,
            "catalog": ports.catalog,
            "catalog-worker": ports.catalog_worker,
            "imaging-worker": ports.imaging,
            "gateway": ports.gateway,
        }
        return {name: f"http://{LOOPBACK}:{port}/readyz" for name, port in numbers.items()}


def _with(environment: Mapping[str, str], prefix: str, settings: Mapping[str, str]) -> dict[str, str]:
    defaults = {f"{prefix}WEB_PROCESSES": "1"} if "LISTEN_PORT" in settings else {}
    return {**defaults, **environment, **{f"{prefix}{name}": value for name, value in settings.items()}}
