"""Forms that put files into S3: what is sent, and what becomes of a file or an S3 that does not do its part."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from imghost import Client, FileChangedError, SignedPost, UploadFailedError
from imghost.bulk import pictures
from imghost.forms import FormBody
from recording_gateway import RecordingGateway, recording_gateway

CONTENT = bytes(range(256)) * 1000
DONE = b"HTTP/1.1 204 X\r\n\r\n"
BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
REFUSAL = b"<Error><Code>EntityTooLarge</Code><Message>Too large.</Message></Error>"
REFUSED = b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)


@pytest.fixture
def s3() -> Iterator[RecordingGateway]:
    with recording_gateway() as recorded:
        yield recorded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.jpg"
    path.write_bytes(CONTENT)
    return path


def send(s3: RecordingGateway, path: Path) -> None:
    with Client("http://127.0.0.1:9", api_key="imgh_a_b") as client:
        client.send_form(SignedPost(s3.url, {"key": "k/x.jpg"}), path)


def test_body_has_the_fields_then_the_file_and_is_as_long_as_it_says() -> None:
    told: list[int] = []
    body = FormBody({"key": "k/é \r\n.jpg", "policy": "p"}, io.BytesIO(CONTENT), len(CONTENT), told.append)
    sent = b"".join(body)
    assert len(sent) == len(body)
    boundary = body.content_type.partition("boundary=")[2].encode()
    _, key, policy, file, end = sent.split(b"--" + boundary)
    assert key.endswith("\r\n\r\nk/é \r\n.jpg\r\n".encode())
    assert b'name="policy"' in policy
    assert b'name="file"' in file
    assert file.endswith(b"\r\n\r\n" + CONTENT + b"\r\n")
    assert end == b"--\r\n"
    assert told[-1] == len(CONTENT)


@pytest.mark.parametrize("size", [0, 1])
def test_small_files_are_sent_whole(size: int) -> None:
    assert b"\r\n\r\n" + CONTENT[:size] + b"\r\n--" in b"".join(FormBody({}, io.BytesIO(CONTENT), size, None))


def test_file_that_became_shorter_is_told() -> None:
    with pytest.raises(FileChangedError):
        b"".join(FormBody({}, io.BytesIO(CONTENT), len(CONTENT) + 1, None))


def test_form_is_sent_again_where_s3_was_busy_or_its_answer_lost(s3: RecordingGateway, path: Path) -> None:
    s3.answers = [BUSY, b"", DONE]
    send(s3, path)
    assert len(s3.heads) == 3


def test_no_credentials_of_imghost_go_to_s3(s3: RecordingGateway, path: Path) -> None:
    s3.answers = [DONE]
    send(s3, path)
    assert "authorization" not in s3.headers()


def test_refusal_of_s3_is_told_with_its_code(s3: RecordingGateway, path: Path) -> None:
    s3.answers = [REFUSED]
    with pytest.raises(UploadFailedError, match="Too large") as refusal:
        send(s3, path)
    assert refusal.value.code == "EntityTooLarge"
    assert len(s3.heads) == 1


def test_s3_that_does_not_answer_has_no_code(path: Path) -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(UploadFailedError) as failure:
        client.send_form(SignedPost("http://127.0.0.1:9", {"key": "k"}), path)
    assert failure.value.code == ""


def test_pictures_of_folders_come_in_order_without_hidden_ones_and_circles(tmp_path: Path) -> None:
    (tmp_path / "b" / ".git").mkdir(parents=True)
    for name in ("c.jpg", "a.PNG", "b/x.gif", "b/.y.gif", "b/.git/z.jpg", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in pictures([tmp_path], recursive=True)]
    assert found == ["a.PNG", "b/x.gif", "c.jpg"]
    assert list(pictures([tmp_path / "notes.txt"], recursive=False)) == [tmp_path / "notes.txt"]
