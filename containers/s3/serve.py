"""Runs moto's S3 server with one bucket made ready for imghost, in place of AWS.

It keeps everything in memory and forgets when it ends. It enforces little of what it is told. Measured with moto 5.2:
without credentials an object cannot be read until the bucket has a policy, and cannot be deleted; but anyone writes and
lists, signed forms are taken whatever their policy says, and no signature is checked. Nothing may be believed because
this server allows it.
"""

import json
import os
import signal
import sys

import boto3
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
SIGNALS = {signal.SIGINT, signal.SIGTERM}


def prepare(bucket: str, endpoint: str) -> None:
    """Make BUCKET as an operator would on AWS: readable by everyone through its policy, usable by browser forms."""
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="set-up",
        aws_secret_access_key="set-up",  # noqa: S106 - moto checks no signature
    )
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={
            "CORSRules": [
                {
                    "AllowedOrigins": ["*"],
                    "AllowedMethods": ["GET", "HEAD", "POST"],
                    "AllowedHeaders": ["*"],
                    "ExposeHeaders": ["ETag", "Location"],
                    "MaxAgeSeconds": 3600,
                }
            ]
        },
    )
    # The policy comes last: the container's health check asks for it.
    everyone_reads = {
        "Sid": "EveryoneReads",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everyone_reads]}))


def main() -> None:
    """Serve S3 on S3_HOST:S3_PORT with the bucket S3_BUCKET until SIGTERM or SIGINT."""
    bucket = os.environ.get("S3_BUCKET")
    if not bucket:
        sys.exit("S3_BUCKET is not set; it names the bucket to make")
    host, port = os.environ.get("S3_HOST", "0.0.0.0"), int(os.environ.get("S3_PORT", "5000"))  # noqa: S104 - a container
    # Blocked before the server's thread starts, so that the thread inherits it and only sigwait takes the signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    server = ThreadedMotoServer(host, port)
    server.start()
    prepare(bucket, f"http://127.0.0.1:{port}")
    print(f"S3 stand-in: bucket {bucket} on {host}:{port}", flush=True)
    signal.sigwait(SIGNALS)
    server.stop()


if __name__ == "__main__":
    main()
