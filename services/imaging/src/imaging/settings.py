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
    """The settings of work on a picture: all that `imaging inspect` reads from the environment."""

    model_config = _CONFIG

    processes: PositiveInt = Field(
        default_factory=lambda: os.cpu_count() or 1,
        description="Pictures processed at a time; by default one per core.",
    )
    max_bytes: PositiveInt = Field(64 * 1024 * 1024, description="Originals with more bytes end as failed.")
    max_pixels: PositiveInt = Field(64_000_000, description="Pictures with more pixels end as failed.")
    max_side: PositiveInt = Field(30_000, description="Pictures with a longer side, in pixels, end as failed.")
    # A decoder does not start with less; setrlimit may not take more.
    decode_memory_bytes: int = Field(
        1024**3, ge=16 * 1024**2, le=2**40, description="Memory in bytes that decoding one picture may take."
    )
    decode_cpu_s: Seconds = Field(5.0, description="CPU time that decoding one picture may take.")
    decode_wall_s: Seconds = Field(
        5.0, description="Wall-clock time that decoding one picture may take; the third timeout ends as failed."
    )
    formats: tuple[Format, ...] = Field(
        get_args(Format), min_length=1, description="JSON list of the formats that are accepted."
    )
    squares: tuple[PositiveInt, ...] = Field(
        (64, 128, 256, 512),
        min_length=1,
        description="JSON list of the squares that thumbs are made to fit, by side in pixels.",
    )
    display_pictures: Literal["all", "needed", "none"] = Field(
        "needed",
        description="Pictures that get a display picture of at most 2048 pixels a side: all but animations, those that "
        "are needed as browsers do not show the original (HEIC, TIFF), or none.",
    )


class ImagingSettings(PictureSettings):
    """What `imaging worker` reads from the environment."""

    model_config = _CONFIG

    broker_url: BrokerUrl = Field(description="AMQP URL of RabbitMQ, or of each node, with commas between.")
    s3_endpoint_url: EndpointUrl | None = Field(None, description="S3 endpoint; AWS if empty.")
    s3_region: HostLabel = Field("us-east-1", description="Region of the buckets.")
    s3_access_key_id: str = Field(
        description="Access key id of the credential that reads originals, and writes and deletes thumbs."
    )
    s3_secret_access_key: SecretStr = Field(description="Secret of that credential.")
    s3_addressing_style: AddressingStyle = Field(
        "auto",
        description="Buckets in the path or in the host name (virtual); auto: in the path if an endpoint is set.",
    )
    s3_conditional_writes: Mode = Field(
        "auto",
        description="Send conditions with writes and deletes: always, never, or auto, if S3 keeps them. "
        "Without them imaging looks at a key before it writes, which may race.",
    )
    s3_checksums: bool = Field(default=False, description="Send boto3's CRC trailers, which some S3 servers refuse.")
    read_timeout_s: Seconds = Field(30.0, description="Longest time that reading one original may take.")
