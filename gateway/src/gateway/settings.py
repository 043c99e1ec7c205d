"""Settings of the gateway."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt
from pydantic_settings import SettingsConfigDict

from chassis.settings import Seconds, WebSettings
from chassis.urls import ServerUrl, check_http
from gateway import origins, prefixes


def _address(url: str) -> str:
    return check_http(url).rstrip("/")


class GatewaySettings(WebSettings):
    """The settings of `gateway serve`."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, env_ignore_empty=True)

    auth_url: ServerUrl = Field(description="Base URL of the auth service.")
    catalog_url: ServerUrl = Field(description="Base URL of the catalog service.")
    public_max_age_s: NonNegativeInt = Field(10, description="How long caches may keep a public answer.")
    public_cache_bytes: NonNegativeInt = Field(
        8 * 1024**2, description="Memory of one web process for public answers, each given again for a second; 0: none."
    )
    public_pages: bool = Field(
        True, description="Show public images and collections as pages for people, at /i/ and /c/."
    )
    public_url: Annotated[str, AfterValidator(_address)] | None = Field(
        None,
        description="Address at which people reach imghost, with the path prefix if any, as https://host/pics; feeds, "
        "oEmbed and previews of links need it.",
    )
    trusted_proxies: NonNegativeInt = Field(
        0, description="Proxies in front whose X-Forwarded-For and X-Forwarded-Prefix are trusted."
    )
    path_prefix: Annotated[str, AfterValidator(prefixes.check)] | None = Field(
        None, description="Path prefix that a proxy adds, such as /pics; X-Forwarded-Prefix is then ignored."
    )
    connect_timeout_s: Seconds = Field(
        2.0, description="Longest wait for a connection to a service, all attempts together."
    )
    deadline_s: Seconds = Field(
        20.0, description="Longest time that the services may take for one request, all calls together; then 503."
    )
    requests_in_progress: PositiveInt = Field(
        96, description="Requests that one web process works on at a time; more of the same sources are 503 at once."
    )
    calls: PositiveInt = Field(
        64, description="Of these, those that may wait for one service at a time; more of its requests are 503 at once."
    )
    password_checks: PositiveInt = Field(
        1, description="Of these, those that have auth hash a password; API keys need none."
    )
    allowed_origins: tuple[Annotated[str, AfterValidator(origins.check)], ...] = Field(
        (),
        description="Origins of web pages that may use the private API, as a list: https://host or https://host:port.",
    )
    console: bool = Field(True, description="Whether there is a console for people at `/`.")
    picture_origins: tuple[Annotated[str, AfterValidator(origins.check)], ...] = Field(
        ("https://s3.amazonaws.com",),
        description="Origins of the S3 or CDN from which pages show pictures and to which they upload, as a list.",
    )
    body_timeout_s: Seconds = Field(20.0, description="Longest wait for a client's request body; then 408.")
    spool_folder: Path = Field(
        Path("/var/tmp"),  # noqa: S108 - what is written there has no name
        description="Folder for files that are uploaded in one request, until S3 has them.",
    )
    spool_bytes: PositiveInt = Field(
        1024**3, description="Bytes of such files of one web process, of one user a quarter; more are 503 at once."
    )
    upload_timeout_s: Seconds = Field(
        600.0,
        description="Longest wait for such a file, and then for S3 to take it; each 64 KiB within the body's time-out.",
    )
    head_timeout_s: Seconds = Field(
        10.0, description="Longest wait for the head of a request; then 408, or no answer if nothing came."
    )
    idle_timeout_s: Seconds = Field(75.0, description="How long a client's connection is kept for its next request.")
    write_timeout_s: Seconds = Field(20.0, description="Longest wait for a client that takes no more of an answer.")
    connections: int = Field(
        1000,
        gt=0,
        le=1_000_000,
        description="Client connections of one web process; beyond that the idlest is closed.",
    )
    connections_per_source: int = Field(
        200, gt=0, le=1_000_000, description="Of these, those from one address; without effect behind trusted proxies."
    )
