"""Settings of the imaging service."""

import os
from typing import Literal, get_args

from pydantic import Field, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.s3.client import AddressingStyle
from chassis.s3.conditions import Mode
from chassis.settings import ProcessSettings, Seconds
from chassis.urls import BrokerUrl, EndpointUrl, HostLabel

Format = Literal["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF"]

_CONFIG = SettingsConfigDict(env_prefix="IMAGING_", frozen=True, env_ignore_empty=True)


class PictureSettings(ProcessSettings):
    """What bounds and shapes the work on a picture; `imaging inspect` reads no more."""

    model_config = _CONFIG

    processes: PositiveInt = Field(
        default_factory=lambda: os.cpu_count() or 1, description="Pictures worked on at a time; by default one a core."
    )
    max_bytes: PositiveInt = Field(64 * 1024 * 1024, description="Larger originals end as failed.")
    max_pixels: PositiveInt = Field(50_000_000, description="Pictures with more pixels end as failed.")
    max_side: PositiveInt = Field(30_000, description="Pictures with a longer side, in pixels, end as failed.")
    # With less no decoder starts, and more is more than the system counts.
    decode_memory_bytes: int = Field(
        1024**3, ge=16 * 1024**2, le=2**40, description="Memory that decoding one picture may take."
    )
    decode_cpu_s: Seconds = Field(5.0, description="CPU time that decoding one picture may take.")
    decode_wall_s: Seconds = Field(5.0, description="Time that decoding may take; too long thrice is failed.")
    formats: tuple[Format, ...] = Field(get_args(Format), min_length=1, description="JSON list: formats taken.")
    squares: tuple[PositiveInt, ...] = Field(
        (64, 128, 256, 512), min_length=1, description="JSON list: squares that thumbs fit."
    )


class ImagingSettings(PictureSettings):
    """What `imaging worker` reads from the environment."""

    model_config = _CONFIG

    broker_url: BrokerUrl = Field(description="AMQP URL of RabbitMQ.")
    s3_endpoint_url: EndpointUrl | None = Field(None, description="S3 endpoint; AWS if empty.")
    s3_region: HostLabel = Field("us-east-1", description="Region of the buckets.")
    s3_access_key_id: str = Field(description="Credential that reads originals, and writes and deletes thumbs.")
    s3_secret_access_key: SecretStr = Field(description="Its secret.")
    s3_addressing_style: AddressingStyle = Field(
        "auto", description="Buckets by path or by virtual host; auto: by path where an endpoint is set."
    )
    s3_conditional_writes: Mode = Field(
        "auto",
        description="always, never, or auto: as far as S3 keeps conditions; else it looks first, and may race.",
    )
    s3_checksums: bool = Field(default=False, description="On sends boto3's CRC trailers, which some S3 refuse.")
    read_timeout_s: Seconds = Field(30.0, description="Longest time for reading one original.")
