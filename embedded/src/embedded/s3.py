"""The S3 of a run as clients see it, and one that lives in memory: moto's server as a process of its own."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import requests
from botocore.config import Config

from embedded.child import Child, base_environment, program
from embedded.home import Home
from embedded.ports import LOOPBACK

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "imghost"
REGION = "us-east-1"


@dataclass(frozen=True)
class Storage:
    """A bucket and the credential that opens it. AWS has no ENDPOINT of its own here."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    bucket: str = BUCKET
    region: str = REGION

    @property
    def shown(self) -> str:
        """Return the server's name for people."""
        return self.endpoint or "AWS"

    @property
    def bucket_url(self) -> str:
        """Return what the public URLs of all objects begin with."""
        return f"{self.endpoint or f'https://s3.{self.region}.amazonaws.com'}/{self.bucket}/"

    def client(self) -> "S3Client":
        """Make a client that gives up soon."""
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
    """The server in memory. It checks no credentials; these have the usual shape all the same."""

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
        """Tell whether the server is up."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(f"{self.storage.endpoint}/moto-api/data.json", timeout=2).ok
            except requests.RequestException:
                return False

    def make_bucket(self) -> None:
        """Make the bucket: everybody may read, browsers of every origin may upload and look; no ACLs."""
        client = self.storage.client()
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(everybody_may_read(BUCKET)))
        client.put_bucket_cors(
            Bucket=BUCKET,
            CORSConfiguration={
                "CORSRules": [
                    {
                        "AllowedOrigins": ["*"],
                        "AllowedMethods": ["GET", "HEAD", "POST"],
                        "AllowedHeaders": ["*"],
                        "ExposeHeaders": ["ETag"],
                    }
                ]
            },
        )


def everybody_may_read(bucket: str) -> dict[str, object]:
    """Return the bucket policy that opens all objects, and the list of them to nobody."""
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
