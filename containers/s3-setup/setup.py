"""Prepare the S3 server of the compose stack (`setup.py make`), or check one of the user's own (`setup.py check`).

`make` creates bucket, accounts and rights. It can be repeated, and updates changed passwords on the server.
`check` changes nothing: it lists the bucket with each credential that may list. Faults are one sentence, exit code 1.

Variables: S3_ENDPOINT_URL (AWS if empty), S3_REGION, S3_BUCKET; for `make` the administrator's S3_ACCESS_KEY_ID and
S3_SECRET_ACCESS_KEY, and S3_PUBLIC_URL, under which browsers reach the server; the credentials of the services.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from accounts import KINDS, Administrator, RefusedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OBJECTS = {
    "IMAGING": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    "CATALOG": ("s3:PutObject",),
    "CATALOG_RECONCILE": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
}
"""What each credential may do with objects, by the prefix of its variables."""
LISTERS = ("IMAGING", "CATALOG_RECONCILE")
"""Who may list the bucket. Without this right S3 answers 403 instead of 404 for missing objects."""
CORS = {
    "AllowedOrigins": ["*"],
    "AllowedMethods": ["GET", "HEAD", "POST", "PUT"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag", "Location"],
    "MaxAgeSeconds": 3600,
}
Statement = dict[str, object]


def client(access_key_id: str, secret: str) -> "S3Client":
    """Return a client of the server with short timeouts."""
    endpoint = os.environ.get("S3_ENDPOINT_URL") or None
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=os.environ.get("S3_REGION") or "us-east-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        config=Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"total_max_attempts": 2},
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )


def credentials() -> Iterator[tuple[str, str, str]]:
    """Yield the prefix, access key id and secret of each service's credential."""
    for who in OBJECTS:
        yield who, os.environ[f"{who}_S3_ACCESS_KEY_ID"], os.environ[f"{who}_S3_SECRET_ACCESS_KEY"]


def rights(who: str, bucket: str) -> list[Statement]:
    """Return the statements of a policy with the rights that `who` needs."""
    arn = f"arn:aws:s3:::{bucket}"
    found: list[Statement] = [{"Effect": "Allow", "Action": list(OBJECTS[who]), "Resource": [f"{arn}/*"]}]
    if who in LISTERS:
        found.append({"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]})
    return found


def policy(statements: list[Statement]) -> Statement:
    """Return a policy of `statements`."""
    return {"Version": "2012-10-17", "Statement": statements}


def make_accounts(kind: str, bucket: str) -> bool:
    """Create the accounts of the services; return whether the policy of the bucket has to name their rights."""
    if kind not in KINDS:
        print(f"the server {kind or 'without a name'} makes no accounts here: make those of the services yourself")
        return False
    accounts = KINDS[kind](
        Administrator(
            os.environ["S3_ENDPOINT_URL"],
            os.environ.get("S3_REGION") or "us-east-1",
            os.environ["S3_ACCESS_KEY_ID"],
            os.environ["S3_SECRET_ACCESS_KEY"],
        )
    )
    for who, name, secret in credentials():
        if name != os.environ["S3_ACCESS_KEY_ID"]:
            accounts.make(name, secret)
            accounts.grant(name, policy(rights(who, bucket)))
    return kind == "versitygw"


def make(bucket: str) -> None:
    """Create bucket, accounts and rights: everybody may read objects, pages of every origin may read and upload."""
    public = urlsplit(os.environ["S3_PUBLIC_URL"])
    if public.port == 0:
        sys.exit(
            "S3_PORT=0 publishes S3 at a port that nobody knows beforehand, and the url of every picture would be "
            "wrong: choose a port, or say in S3_PUBLIC_URL where browsers find S3"
        )
    s3 = client(os.environ["S3_ACCESS_KEY_ID"], os.environ["S3_SECRET_ACCESS_KEY"])
    try:
        s3.create_bucket(Bucket=bucket)
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        print(f"bucket {bucket} is there already")
    kind = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"].get("server", "").lower()
    named = make_accounts(kind, bucket)
    everybody: Statement = {
        "Sid": "EverybodyReads",
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    owned = [
        {"Principal": {"AWS": [name]}, **statement}
        for who, name, _ in credentials()
        for statement in rights(who, bucket)
        if named and name != os.environ["S3_ACCESS_KEY_ID"]
    ]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy([everybody, *owned])))
    try:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [CORS]})  # type: ignore[list-item]
    except ClientError as refusal:
        print(
            f"the server keeps no CORS rules ({refusal.response['Error']['Code']}): what it answers browsers is its own"
        )
    print(f"bucket {bucket} is ready")


def check(bucket: str) -> None:
    """Exit with a sentence unless each credential that may list the bucket can do so."""
    for who, name, secret in credentials():
        if who in LISTERS:
            try:
                client(name, secret).list_objects_v2(Bucket=bucket, MaxKeys=1)
            except (ClientError, BotoCoreError) as fault:
                sys.exit(f"the credential {who}_S3_ACCESS_KEY_ID does not open the bucket {bucket}: {fault}")
    print(f"bucket {bucket} is there")


def main() -> None:
    """Run the command that the argument names."""
    work = {"make": make, "check": check}[sys.argv[1]]
    try:
        work(os.environ["S3_BUCKET"])
    except (ClientError, BotoCoreError, RefusedError) as fault:
        sys.exit(f"the S3 server at {os.environ.get('S3_ENDPOINT_URL') or 'AWS'} cannot be made ready: {fault}")


if __name__ == "__main__":
    main()
