"""The S3 that a run uses, and the embedded one: moto's server as a process of its own, which keeps all in memory."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from embedded.home import Home
from embedded.parts.ports import LOOPBACK
from embedded.processes.child import Child, base_environment, program
from embedded.processes.ready import answers_ok

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "imghost"
REGION = "us-east-1"


@dataclass(frozen=True)
class Storage:
    """A bucket and the credential for it. `endpoint` is empty for AWS."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    bucket: str = BUCKET
    region: str = REGION

    @property
    def shown(self) -> str:
        """Return the server's name as people are shown it."""
        return self.endpoint or "AWS"

    @property
    def bucket_url(self) -> str:
        """Return what the public URLs of all objects begin with."""
        return f"{self.endpoint or f'https://s3.{self.region}.amazonaws.com'}/{self.bucket}/"

    @property
    def origins(self) -> list[str]:
        """Return where browsers read objects, and where they upload: at AWS each bucket has a host of its own."""
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            return [f"{parts.scheme}://{parts.netloc}"]
        hosts = (f"s3.{self.region}", f"{self.bucket}.s3", f"{self.bucket}.s3.{self.region}")
        return [f"https://{host}.amazonaws.com" for host in hosts]

    def client(self) -> "S3Client":
        """Return a client with short timeouts."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint or None,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                proxies={},
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )


@dataclass(frozen=True)
class EmbeddedS3:
    """The embedded server. It checks no credentials, but clients need some, of the usual form."""

    port: int
    access_key_id: str
    secret_access_key: str

    @property
    def storage(self) -> Storage:
        """Return its bucket."""
        return Storage(f"http://{LOOPBACK}:{self.port}", self.access_key_id, self.secret_access_key)

    def child(self, home: Home) -> Child:
        """Return its process."""
        command = (program("moto_server"), "--host", LOOPBACK, "--port", str(self.port))
        return Child("s3", command, base_environment(home))

    def answers(self) -> bool:
        """Return whether the server is up."""
        return answers_ok(f"{self.storage.endpoint}/moto-api/data.json")()

    def make_bucket(self) -> None:
        """Create the bucket: everybody may read objects, and pages of every origin may upload and read."""
        client = self.storage.client()
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(everybody_may_read(BUCKET)))
        client.put_bucket_cors(
            Bucket=BUCKET,
            CORSConfiguration={
                "CORSRules": [
                    {
                        "AllowedOrigins": ["*"],
                        "AllowedMethods": ["GET", "HEAD", "POST", "PUT"],
                        "AllowedHeaders": ["*"],
                        "ExposeHeaders": ["ETag"],
                    }
                ]
            },
        )


def everybody_may_read(bucket: str) -> dict[str, object]:
    """Return the bucket policy that lets everybody read objects, but not list them."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "EverybodyMayRead",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            }
        ],
    }
