"""Uploads in one request, through the whole service: the answer can wait for the thumbs."""

import requests

from clients import ValidatingClient
from pictures import photo

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
