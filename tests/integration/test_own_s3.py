import re

import pytest

from embedded.faults import RunFailed
from embedded.parts import own_s3
from embedded.parts.s3 import Storage
from s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, s3_client

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_s3_of_ones_own_is_read_from_the_names_that_every_client_knows() -> None:
    found = own_s3.read(KEYS | {"S3_ENDPOINT_URL": "http://s3.example/", "S3_BUCKET": "pics"})
    assert found == Storage("http://s3.example", "id", "secret", "pics", "us-east-1")
    assert found.bucket_url == "http://s3.example/pics/"


def test_bucket_without_an_endpoint_is_at_aws() -> None:
    found = own_s3.read(KEYS | {"S3_BUCKET": "pics", "AWS_DEFAULT_REGION": "eu-central-1"})
    assert found is not None
    assert found.bucket_url == "https://s3.eu-central-1.amazonaws.com/pics/"


def test_nothing_named_means_the_embedded_one() -> None:
    assert own_s3.read(KEYS | {"S3_ENDPOINT_URL": "", "S3_BUCKET": ""}) is None


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"S3_ENDPOINT_URL": "http://s3.example", **KEYS}, "S3_BUCKET"),
        ({"S3_BUCKET": "pics"}, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(RunFailed, match=rf"and {missing} is not set; nothing was started$"):
        own_s3.read(environ)


def test_bucket_that_is_there_is_left_as_it_is(kept_s3: str) -> None:
    s3 = s3_client(kept_s3)
    s3.create_bucket(Bucket="own-bucket")
    own_s3.require(storage(kept_s3, bucket="own-bucket"))
    assert "Contents" not in s3.list_objects_v2(Bucket="own-bucket")
    s3.delete_bucket(Bucket="own-bucket")


def storage(url: str, secret: str | None = None, bucket: str = "missing") -> Storage:
    return Storage(url, ACCESS_KEY_ID, secret or SECRET_ACCESS_KEY, bucket)


def test_what_is_in_the_way_is_one_sentence(kept_s3: str) -> None:
    faults = {
        "there is no bucket missing at http": storage(kept_s3),
        "does not open the bucket missing for the credential: SignatureDoesNotMatch": storage(kept_s3, "wrong-secret"),
        "no S3 answers at http://127.0.0.1:9 (S3_ENDPOINT_URL)": storage("http://127.0.0.1:9"),
        "no S3 can be asked at s3.example": storage("s3.example"),
        "for the bucket no/name": storage(kept_s3, bucket="no/name"),
    }
    for sentence, named in faults.items():
        with pytest.raises(RunFailed, match=f"{re.escape(sentence)}.*; nothing was started$"):
            own_s3.require(named)
