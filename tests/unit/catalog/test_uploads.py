"""The policy inside the signed post, field by field: no S3 server of the tests enforces it."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from catalog.bootstrap import make_uploads
from catalog.errors import UnacceptableKeyError
from catalog.settings import BucketSettings, ServeSettings
from catalog.uploads import CONTENT_TYPES, check_filename

PREFIX = "abcdefghijklmnopqrstuvwx"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def settings(**changes: Any) -> ServeSettings:
    values: dict[str, Any] = {
        "database_url": "sqlite:///unused.db",
        "token_public_key_file": "key.pem",
        "buckets": {"pics": BucketSettings()},
        "default_bucket": "pics",
        "s3_region": "eu-central-1",
        "s3_access_key_id": "AKIAEXAMPLE",
        "s3_secret_access_key": SECRET,
        "upload_max_bytes": 1_000_000,
    }
    return ServeSettings(**{**values, **changes})


def signed(filename: str | None = None, content_type: str | None = None, **changes: Any) -> dict[str, Any]:
    uploads = make_uploads(settings(**changes))
    assert uploads is not None
    return uploads.sign(PREFIX, filename, content_type)


def policy(form: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(form["fields"]["policy"]))
    return document


def condition(form: dict[str, Any], name: str) -> Any:
    found = [
        entry
        for entry in policy(form)["conditions"]
        if (isinstance(entry, dict) and name in entry) or (isinstance(entry, list) and entry[1] in {f"${name}", name})
    ]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def test_key_is_bound_to_the_prefix_and_is_completed_by_the_client() -> None:
    form = signed()
    assert form["fields"]["key"] == f"{PREFIX}/${{filename}}"
    assert condition(form, "key") == ["starts-with", "$key", f"{PREFIX}/"]


def test_bucket_is_bound() -> None:
    assert condition(signed(), "bucket") == {"bucket": "pics"}


def test_key_is_finished_where_the_file_name_is_known() -> None:
    form = signed("ä b.png")
    assert form["fields"]["key"] == f"{PREFIX}/ä b.png"
    assert condition(form, "key") == {"key": f"{PREFIX}/ä b.png"}


@pytest.mark.parametrize(
    ("filename", "content_type", "expected"),
    [
        (None, None, "image/jpeg"),
        ("a.JPG", None, "image/jpeg"),
        ("a.b.Webp", None, "image/webp"),
        ("a.png", "image/gif", "image/gif"),
        (None, "image/avif", "image/avif"),
        ("page.html", None, "image/jpeg"),
        ("drawing.svg", None, "image/jpeg"),
        ("no extension", None, "image/jpeg"),
    ],
)
def test_policy_names_exactly_one_type_that_is_taken(
    filename: str | None, content_type: str | None, expected: str
) -> None:
    form = signed(filename, content_type)
    assert form["fields"]["Content-Type"] == expected
    assert condition(form, "Content-Type") == {"Content-Type": expected}
    assert "starts-with" not in json.dumps(policy(form)["conditions"]).replace('["starts-with", "$key"', "")


def test_no_type_that_a_browser_would_run_is_taken() -> None:
    assert not [kind for kind in CONTENT_TYPES.values() if "svg" in kind or not kind.startswith("image/")]


@pytest.mark.parametrize("filename", ["", "a/b", "..", ".", "a\nb", "x" * 976, "a${filename}", "${filename}"])
def test_name_that_no_file_may_have_is_refused(filename: str) -> None:
    with pytest.raises(UnacceptableKeyError):
        check_filename(filename)


def test_bucket_is_addressed_as_the_operator_says() -> None:
    form = signed(s3_endpoint_url="https://s3.example.test", s3_addressing_style="virtual")
    assert form["url"].startswith("https://pics.s3.example.test")
    assert signed(s3_addressing_style="path")["url"].endswith("/pics")


def test_size_is_bound() -> None:
    limits = [entry for entry in policy(signed())["conditions"] if "content-length-range" in entry]
    assert limits == [["content-length-range", 1, 1_000_000]]


def test_form_is_valid_for_ten_minutes() -> None:
    expires = datetime.fromisoformat(policy(signed())["expiration"])
    assert timedelta(minutes=9, seconds=50) < expires - datetime.now(UTC) <= timedelta(minutes=10)


def test_credential_names_day_region_and_service() -> None:
    form = signed()
    day = datetime.now(UTC).strftime("%Y%m%d")
    assert form["fields"]["x-amz-credential"] == f"AKIAEXAMPLE/{day}/eu-central-1/s3/aws4_request"
    assert form["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    for name in ("x-amz-credential", "x-amz-algorithm", "x-amz-date"):
        assert condition(form, name) == {name: form["fields"][name]}


def test_signature_is_that_of_the_policy() -> None:
    """Signature version 4 of a POST policy, computed here from its specification."""
    form = signed()
    day = form["fields"]["x-amz-date"][:8]
    key = f"AWS4{SECRET}".encode()
    for part in (day, "eu-central-1", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    expected = hmac.digest(key, form["fields"]["policy"].encode(), hashlib.sha256).hex()
    assert form["fields"]["x-amz-signature"] == expected


def sized_put(**changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a signed PUT, and the parameters of its URL."""
    uploads = make_uploads(settings(**changes))
    assert uploads is not None
    put = uploads.sign_sized_put(f"{PREFIX}/ä b+%.png", "image/png", 1234)
    return put, dict(parse_qsl(urlsplit(put["url"]).query, strict_parsing=True))


def test_put_is_bound_to_a_key_a_type_and_a_size() -> None:
    put, parameters = sized_put()
    assert put["s3_key"] == f"{PREFIX}/ä b+%.png"
    assert urlsplit(put["url"]).path == f"/{PREFIX}/%C3%A4%20b%2B%25.png"
    assert put["headers"] == {"Content-Type": "image/png", "Content-Length": "1234"}
    assert parameters["X-Amz-SignedHeaders"] == "content-length;content-type;host"
    assert parameters["X-Amz-Expires"] == "600"


def test_signature_of_a_put_is_that_of_its_headers() -> None:
    """Signature version 4 in a query, computed here from its specification."""
    put, parameters = sized_put()
    address = urlsplit(put["url"])
    query, _, signature = address.query.rpartition("&X-Amz-Signature=")
    headers = ["content-length:1234", "content-type:image/png", f"host:{address.netloc}", ""]
    names = parameters["X-Amz-SignedHeaders"]
    canonical = "\n".join(["PUT", address.path, query, *headers, names, "UNSIGNED-PAYLOAD"])
    scope = parameters["X-Amz-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    said = "\n".join(["AWS4-HMAC-SHA256", parameters["X-Amz-Date"], scope, digest])
    assert hmac.digest(key, said.encode(), hashlib.sha256).hex() == signature


def test_put_goes_where_browsers_find_s3() -> None:
    put, _ = sized_put(s3_endpoint_url="https://s3.example.test", s3_internal_endpoint_url="http://s3:5000")
    assert urlsplit(put["url"]).netloc.endswith("s3.example.test")


def test_nothing_else_is_allowed() -> None:
    """No ACL, no metadata, no redirect: S3 refuses fields that are no condition."""
    assert len(policy(signed())["conditions"]) == 7
    assert set(signed()["fields"]) == {
        "key",
        "Content-Type",
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
    }


def test_secret_is_not_in_the_form() -> None:
    assert SECRET not in json.dumps(signed())


def test_url_is_that_of_the_endpoint_as_browsers_reach_it() -> None:
    assert signed(s3_endpoint_url="http://127.0.0.1:5000")["url"] == "http://127.0.0.1:5000/pics"
    assert "pics" in signed()["url"]
    assert "amazonaws.com" in signed()["url"]


@pytest.mark.parametrize("missing", ["default_bucket", "s3_access_key_id", "s3_secret_access_key"])
def test_without_bucket_or_credential_there_are_no_uploads(missing: str) -> None:
    assert make_uploads(settings(**{missing: None})) is None
