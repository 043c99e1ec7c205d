"""Settings of the catalog service."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from chassis import settings as mechanics
from chassis.s3.client import AddressingStyle
from chassis.s3.conditions import Mode
from chassis.settings import Seconds, WebSettings, WholeSeconds
from chassis.urls import BrokerUrl, EndpointUrl, HostLabel, HttpUrl, ServerUrl

_CONFIG = SettingsConfigDict(env_prefix="CATALOG_", frozen=True, env_ignore_empty=True)

# More than any image has as JSON: its description has up to 60,000 bytes if every character of it has to be escaped.
LEAST_PAGE_BYTES = 128 * 1024

# S3 clients refuse other names, but only when they are first used.
BucketName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,255}$")]


class BucketSettings(BaseModel):
    """Settings of one bucket that images may live in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl | None = None
    prefixes: tuple[str, ...] = ("",)
    owners: dict[str, str] = {}

    @field_validator("url")
    @classmethod
    def _end_with_slash(cls, url: str | None) -> str | None:
        return url if url is None or url.endswith("/") else url + "/"

    @model_validator(mode="after")
    def _whole_folders(self) -> Self:
        for prefix in (*self.prefixes, *self.owners):
            if prefix and not prefix.endswith("/"):
                raise ValueError(f"prefix {prefix!r} does not end in a slash")
        return self


class DatabaseSettings(mechanics.DatabaseSettings):
    """What every command of catalog reads from the environment."""

    model_config = _CONFIG


class MigrateSettings(DatabaseSettings, mechanics.MigrateSettings):
    """What `catalog migrate` reads from the environment."""

    model_config = _CONFIG


class BucketsSettings(DatabaseSettings):
    """Where images may live."""

    model_config = _CONFIG

    buckets: dict[BucketName, BucketSettings] = Field(
        description="JSON: bucket → {url: base of public URLs, prefixes: allowed ones, owners: {prefix: user id}}."
    )


class ServeSettings(BucketsSettings, WebSettings):
    """What `catalog serve` reads from the environment."""

    model_config = _CONFIG

    web_threads: PositiveInt = Field(8, description="Requests that one web process handles at a time.")
    token_public_key_file: Path = Field(description="PEM file of the public keys that auth's tokens are verified with.")
    default_bucket: str | None = Field(None, description="Bucket of images registered without one, and of uploads.")
    s3_endpoint_url: EndpointUrl | None = Field(None, description="S3 endpoint as browsers reach it; AWS if empty.")
    s3_internal_endpoint_url: EndpointUrl | None = Field(
        None,
        description="S3 endpoint as the gateway reaches it, for uploads in one request; that of browsers if empty.",
    )
    s3_region: HostLabel = Field("us-east-1", description="Region that upload forms are signed for.")
    s3_addressing_style: AddressingStyle = Field(
        "auto", description="Bucket by path or by virtual host; auto: by path where an endpoint is set."
    )
    s3_access_key_id: str | None = Field(None, description="Put-only credential that signs upload forms.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Its secret.")
    page_bytes: int = Field(
        1024 * 1024,
        ge=LEAST_PAGE_BYTES,
        le=1024**3,
        description="A page of a list ends at so many bytes of JSON; at least 128 KiB.",
    )
    upload_max_bytes: PositiveInt = Field(64 * 1024 * 1024, description="Largest upload that a form allows.")
    images_per_user: NonNegativeInt = Field(0, description="Images that a user may have; 0: no limit.")
    bytes_per_user: NonNegativeInt = Field(
        0, description="Bytes of the originals of a user; with that many, they may register no more. 0: no limit."
    )
    collections_per_user: NonNegativeInt = Field(0, description="Collections that a user may have; 0: no limit.")
    kept_answers_per_user: NonNegativeInt = Field(
        100_000,
        description="Answers to requests with Idempotency-Key kept for a user, in the last day; then 429. 0: no limit.",
    )
    kept_bytes_per_user: NonNegativeInt = Field(
        128 * 1024 * 1024, description="Bytes of the answers that are kept for a user; then 429. 0: no limit."
    )

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if self.default_bucket is not None and self.default_bucket not in self.buckets:
            raise ValueError("CATALOG_DEFAULT_BUCKET is not one of CATALOG_BUCKETS")
        return self


class WorkerSettings(DatabaseSettings):
    """What `catalog worker` reads from the environment."""

    model_config = _CONFIG

    broker_url: BrokerUrl = Field(description="AMQP URL of RabbitMQ, or of each node, with commas between.")
    worker_threads: PositiveInt = Field(
        8, description="Results that one process has in hand; it applies them together."
    )
    stuck_after_s: Seconds = Field(
        300.0,
        description="Seconds until an unanswered job is sent again; 12 times as many while messages wait in a queue.",
    )
    upload_prefix_s: Annotated[WholeSeconds, Field(ge=3600)] = Field(
        7 * 24 * 3600,
        description="Seconds for which the prefix of an upload form is reserved for its user; at least an hour.",
    )


class StatusSettings(DatabaseSettings):
    """What `catalog status` reads from the environment."""

    model_config = _CONFIG

    broker_url: BrokerUrl = Field(description="AMQP URL of RabbitMQ, or of each node, with commas between.")
    status_urls: dict[str, Annotated[tuple[ServerUrl, ...], Field(min_length=1)]] = Field(
        {}, description="JSON: process → [base URL of its web or operations port for /readyz, another for /metrics]."
    )


class ReconcileSettings(DatabaseSettings):
    """What `catalog reconcile` reads from the environment."""

    model_config = _CONFIG

    reconcile_s3_endpoint_url: EndpointUrl | None = Field(
        None, description="S3 endpoint as `catalog reconcile` and `import` reach it; AWS if empty."
    )
    reconcile_s3_region: HostLabel = Field("us-east-1", description="Region of the bucket that is reconciled.")
    reconcile_s3_addressing_style: AddressingStyle = Field(
        "auto", description="Bucket by path or by virtual host; auto: by path where an endpoint is set."
    )
    reconcile_s3_conditional_writes: Mode = Field(
        "auto", description="always, never, or auto: deletes on condition if the server keeps conditions."
    )
    reconcile_s3_access_key_id: str = Field(
        description="Credential of `catalog reconcile` and `import`; it lists and deletes."
    )
    reconcile_s3_secret_access_key: SecretStr = Field(description="Its secret.")


class ImportSettings(BucketsSettings, ReconcileSettings):
    """What `catalog import` reads from the environment: it lists a bucket as `catalog reconcile` does."""

    model_config = _CONFIG
