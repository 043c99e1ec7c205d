"""Uploads in one request, through the whole service: the answer can wait for the thumbs."""

from typing import TYPE_CHECKING

import requests

from clients import Register, ValidatingClient
from deadlines import until
from pictures import photo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BOUNDARY = "a-boundary"


def a_form(content: bytes, filename: str, **fields: str) -> bytes:
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(f'name="file"; filename="{filename}"\r\n\r\n'.encode() + content)
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def test_answer_waits_until_the_image_is_ready(anna: ValidatingClient) -> None:
    content = photo()
    body = a_form(content, "my ä cat.jpg", title="A cat", wait="20")
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = anna.post("/api/uploads", body=body, headers=headers)
    assert answer.status == 201, answer.body
    image = answer.json()
    assert (image["status"], image["title"], image["bytes"]) == ("ready", "A cat", len(content))
    assert requests.get(image["url"], timeout=10).content == content
    assert all(requests.get(thumb["url"], timeout=10).ok for thumb in image["thumbs"])
    assert anna.get(image["uri"]).json() == image


def test_what_only_begins_like_a_picture_fails_and_says_so(anna: ValidatingClient) -> None:
    answer = anna.put("/api/uploads/broken.jpg?wait=20", body=photo()[:1000])
    assert answer.status == 201, answer.body
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["code"]


def test_original_that_was_uploaded_goes_with_its_image_if_asked_for(
    anna: ValidatingClient, s3: "S3Client", bucket: str
) -> None:
    first, second, third = (anna.put(f"/api/uploads/{name}.jpg?wait=20", body=photo()).json() for name in "abc")
    assert first["uploaded"]
    refused = anna.delete(f"{first['uri']}?original=false")
    assert (refused.status, refused.json()["errors"][0]["parameter"]) == (422, "original")
    stale = anna.delete(f"{first['uri']}?original=true", headers={"If-Match": '"stale"'})
    assert stale.status == 412
    assert anna.delete(f"{first['uri']}?original=true").status == 204
    operations = [
        {"op": "delete", "s3_key": second["s3_key"], "original": True},
        {"op": "delete", "s3_key": third["s3_key"]},
    ]
    results = anna.post("/api/images/batch", json={"operations": operations}).json()["results"]
    assert [each["status"] for each in results] == [204, 204]

    def left() -> set[str]:
        prefixes = [image["s3_key"].partition("/")[0] for image in (first, second, third)]
        pages = [s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/") for prefix in prefixes]
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    until(lambda: left() == {third["s3_key"]}, 20, "two originals and all thumbs are gone")
    assert anna.delete(f"{first['uri']}?original=true").code == "image-not-found"
    assert anna.post("/api/images", json={"s3_key": first["s3_key"]}).code == "original-deleted"
    assert anna.post("/api/images", json={"s3_key": third["s3_key"]}).status == 201


def test_original_that_was_not_uploaded_here_stays(
    alice: ValidatingClient, register: Register, s3: "S3Client", bucket: str, prefix: str
) -> None:
    image = register(f"{prefix}/name.jpg")
    assert not image["uploaded"]
    answer = alice.delete(f"{image['uri']}?original=true")
    assert (answer.status, answer.code) == (409, "original-not-uploaded")
    assert alice.get(image["uri"]).status == 200
    s3.head_object(Bucket=bucket, Key=image["s3_key"])
