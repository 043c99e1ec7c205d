import pytest

from catalog.buckets import Bucket, Buckets, aws_url
from catalog.errors import BucketMissingError, BucketNotAllowedError, KeyNotAllowedError

OPEN = Bucket(aws_url("open"), ("",), {"anna/": "id-anna", "anna/shared/": "id-bert"})
NARROW = Bucket("https://cdn.test/", ("public/", "more/"), {"anna/": "id-anna"})
BUCKETS = Buckets({"open": OPEN, "narrow": NARROW}, "open")


def test_bucket_may_be_left_out_where_there_is_a_default() -> None:
    assert BUCKETS.choose(None) == "open"
    with pytest.raises(BucketMissingError):
        Buckets({"open": OPEN}, None).choose(None)


@pytest.mark.parametrize("name", ["", "other", "OPEN", "open/"])
def test_bucket_that_is_not_listed_is_refused(name: str) -> None:
    with pytest.raises(BucketNotAllowedError):
        BUCKETS.choose(name)


@pytest.mark.parametrize(
    ("bucket", "key", "user"),
    [
        ("open", "any/thing", "id-bert"),
        ("open", "anna/a", "id-anna"),
        ("open", "anna", "id-bert"),
        ("open", "anna/shared/a", "id-bert"),
        ("narrow", "public/a", "id-bert"),
        ("narrow", "anna/a", "id-anna"),
    ],
)
def test_allowed_keys(bucket: str, key: str, user: str) -> None:
    BUCKETS.check(bucket, key, user)


@pytest.mark.parametrize(
    ("bucket", "key", "user"),
    [
        ("open", "anna/a", "id-bert"),
        ("open", "anna/shared/a", "id-anna"),
        ("narrow", "a", "id-anna"),
        ("narrow", "publica", "id-anna"),
        ("narrow", "anna/a", "id-bert"),
    ],
)
def test_keys_under_anothers_prefix_or_none_are_refused(bucket: str, key: str, user: str) -> None:
    with pytest.raises(KeyNotAllowedError):
        BUCKETS.check(bucket, key, user)


def test_urls_lead_to_aws_unless_the_operator_maps_the_bucket() -> None:
    assert BUCKETS.url("open", "01V9PaTx/my_image.jpg") == "https://s3.amazonaws.com/open/01V9PaTx/my_image.jpg"
    assert BUCKETS.url("narrow", "a b/ä?.jpg") == "https://cdn.test/a%20b/%C3%A4%3F.jpg"
    assert BUCKETS.url("open", "A-z0.9_~/+%") == "https://s3.amazonaws.com/open/A-z0.9_~/%2B%25"
