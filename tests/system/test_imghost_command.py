"""The command `imghost` on a running stack: log in, upload many files, be killed in between, go on."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clients import NewUser, Stack, ValidatingClient
from deadlines import until
from imghost import Client
from imghost.bulk import pictures
from imghost.problems import UnauthorizedError
from pictures import photo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILES = 48
NO_KEY_RING = "keyring.backends.fail.Keyring"


@dataclass(frozen=True)
class Shell:
    """Runs the command as one user would, with files of its own; `user` is who logs in."""

    home: Path
    url: str
    user: ValidatingClient
    key_ring: str = NO_KEY_RING

    @property
    def password(self) -> str:
        assert isinstance(self.user.auth, tuple)
        return self.user.auth[1]

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        tests = str(Path(__file__).parents[1])
        inherited["PYTHONPATH"] = os.pathsep.join(filter(None, (inherited.get("PYTHONPATH"), tests)))
        return {
            **inherited,
            "HOME": str(self.home),
            "IMGHOST_HOME": str(self.home / "imghost"),
            "KEY_RING_FILE": str(self.home / "key-ring.json"),
            "PYTHON_KEYRING_BACKEND": self.key_ring,
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "imghost", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A job in the background of a shell passes it on that Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads are about
        )

    def run(self, *words: str, status: int = 0, said: str = "", **variables: str) -> str:
        """Run the command with `said` on its standard input; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "imghost", *words],
            env=self.environment | variables,
            input=said,
            capture_output=True,
            check=False,
            text=True,
            timeout=240,
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *words: str, **options: Any) -> Any:
        return json.loads(self.run(*words, "--json", **options))

    def login(self, *words: str) -> str:
        return self.run("login", self.url, "-u", self.user.username, "--password-stdin", *words, said=self.password)


@pytest.fixture
def shell(stack: Stack, new_user: NewUser, tmp_path: Path) -> Shell:
    """A user who is logged in."""
    home = tmp_path / "home"
    home.mkdir()
    shell = Shell(home, stack["GATEWAY_URL"], new_user())
    shell.login()
    return shell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures in it and below, and what is no picture to upload."""
    folder = tmp_path / "photos"
    (folder / "below" / ".hidden").mkdir(parents=True)
    for number in range(FILES):
        path = folder / ("below" if number % 3 == 0 else "") / f"{number:03} a+b.jpg"
        path.write_bytes(photo(200 + number, 100))
    (folder / "notes.txt").write_text("no picture")
    (folder / "below" / ".hidden" / "x.jpg").write_bytes(photo(64, 48))
    (folder / "below" / "back").symlink_to(folder)
    return folder


def client_of(shell: Shell) -> Client:
    return Client(shell.url, username=shell.user.username, password=shell.password)


def test_login_keeps_a_key_of_this_machine_and_never_the_password(shell: Shell) -> None:
    file = shell.home / "imghost" / "account.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    account = json.loads(file.read_text())
    assert shell.password not in file.read_text()
    with Client(shell.url, api_key=account["api_key"]) as client:
        key = client.get_api_key(account["key_id"])
    assert key.scopes == ("read", "write", "upload")
    assert key.expires_at is not None
    assert key.description.startswith("imghost on ")
    whoami = shell.json("whoami")
    assert whoami["user"]["username"] == shell.user.username
    assert account["api_key"] not in json.dumps(whoami)


def test_secret_lies_in_the_key_ring_where_there_is_one(stack: Stack, new_user: NewUser, tmp_path: Path) -> None:
    shell = Shell(tmp_path, stack["GATEWAY_URL"], new_user(), key_ring="file_key_ring.FileKeyRing")
    assert "key ring" in shell.login()
    assert "api_key" not in json.loads((tmp_path / "imghost" / "account.json").read_text())
    assert "imgh_" in (tmp_path / "key-ring.json").read_text()
    shell.run("whoami")
    shell.run("logout")
    assert "imgh_" not in (tmp_path / "key-ring.json").read_text()


def test_key_ring_that_keeps_nothing_is_none(stack: Stack, new_user: NewUser, tmp_path: Path) -> None:
    shell = Shell(tmp_path, stack["GATEWAY_URL"], new_user(), key_ring="keyring.backends.null.Keyring")
    assert "account.json" in shell.login()
    shell.run("whoami")


def test_file_with_the_secret_that_others_can_read_is_refused(shell: Shell) -> None:
    (shell.home / "imghost" / "account.json").chmod(0o644)
    assert "chmod 600" in shell.run("ls", status=6)


def test_logout_revokes_the_key(shell: Shell) -> None:
    api_key = json.loads((shell.home / "imghost" / "account.json").read_text())["api_key"]
    shell.run("logout")
    with Client(shell.url, api_key=api_key) as client, pytest.raises(UnauthorizedError):
        client.get_stats()
    assert "imghost login" in shell.run("ls", status=6)


def test_next_login_revokes_the_key_of_the_one_before(shell: Shell) -> None:
    former = json.loads((shell.home / "imghost" / "account.json").read_text())["api_key"]
    shell.login()
    with Client(shell.url, api_key=former) as client, pytest.raises(UnauthorizedError):
        client.get_stats()
    shell.run("whoami")


def test_api_key_is_taken_from_standard_input_or_the_environment(shell: Shell) -> None:
    with client_of(shell) as client:
        api_key = client.create_api_key("CI", scopes=("read",)).key
    shell.run("logout")
    assert shell.run("ls", IMGHOST_URL=shell.url, IMGHOST_API_KEY=api_key) == ""
    shell.run("login", shell.url, "-u", shell.user.username, "--key-stdin", said=api_key)
    assert shell.json("whoami")["api_key"]["description"] == "CI"
    assert "scope" in shell.run("collections", "create", "x", status=1)
    shell.run("logout")  # others may use the key, too
    assert shell.run("ls", IMGHOST_URL=shell.url, IMGHOST_API_KEY=api_key) == ""


def test_wrong_password_is_told_and_keeps_who_is_logged_in(shell: Shell) -> None:
    words = ("login", shell.url, "-u", shell.user.username, "--password-stdin")
    shell.run(*words, said="wrong password", status=6)
    shell.run("whoami")


def test_service_that_is_not_there_has_a_status_of_its_own(shell: Shell) -> None:
    words = ("login", "http://127.0.0.1:9", "-u", "x", "--password-stdin")
    assert "does not answer" in shell.run(*words, said="x", status=7)


def uploaded(s3: "S3Client", bucket: str, keys: list[str]) -> Counter[str]:
    """Return how many originals there are of each name that `keys` have."""
    names = {key.rpartition("/")[2] for key in keys}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    every = [item["Key"].split("/") for page in pages for item in page.get("Contents", [])]
    return Counter(parts[-1] for parts in every if len(parts) == 2 and parts[-1] in names)


def test_upload_that_was_killed_goes_on_and_uploads_nothing_twice(
    shell: Shell, folder: Path, s3: "S3Client", bucket: str
) -> None:
    for path in folder.rglob("*.jpg"):  # names that no other test has
        path.rename(path.with_name(f"{shell.user.username} {path.name}"))
    with client_of(shell) as client:
        process = shell.start("upload", "-r", str(folder), "--jobs", "4", "--collection", shell.user.username)
        until(lambda: len(list(client.list_images())) >= FILES // 4, 60, "no quarter was registered")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(list(client.list_images())) < FILES
        outcomes = shell.json("upload", "-r", str(folder), "--collection", shell.user.username)
        images = list(client.list_images())
        assert [outcome["outcome"] for outcome in outcomes if outcome["outcome"] == "failed"] == []
        assert len(outcomes) == len(images) == len({image.sha256 for image in images}) == FILES
        assert {image.status for image in images} == {"ready"}
        originals = uploaded(s3, bucket, [image.s3_key for image in images])
        assert len(originals) == FILES
        assert {*originals.values()} == {1}
        members = [image.s3_key for image in client.list_collection_images(shell.user.username)]
        keys = {outcome["path"]: outcome["image"]["s3_key"] for outcome in outcomes}
        assert members == [keys[str(path)] for path in pictures([folder], recursive=True)]
        again = shell.json("upload", "-r", str(folder))
        assert {outcome["outcome"] for outcome in again} == {"present"}
        (shell.home / "imghost" / "uploads.sqlite").unlink()  # the service knows them, too
        again = shell.json("upload", "-r", str(folder))
        assert {outcome["outcome"] for outcome in again} == {"present"}
        assert len(list(client.list_images())) == FILES


def test_upload_prints_a_link_for_each_file_and_tells_what_failed(shell: Shell, tmp_path: Path) -> None:
    good, same, bad = tmp_path / "good [1].jpg", tmp_path / "same.jpg", tmp_path / "bad.jpg"
    good.write_bytes(photo(99, 98))
    same.write_bytes(photo(99, 98))
    bad.write_text("no picture")
    (link,) = shell.run("upload", "--quiet", str(good)).splitlines()
    (image,) = shell.json("ls")
    assert link == image["url"]
    (line,) = shell.run("upload", str(same)).splitlines()
    assert line == f"{same} (was there): {link}"
    assert shell.run("upload", "--quiet", "--link", "markdown", str(good)) == f"![good (1).jpg]({link})\n"
    said = shell.run("upload", str(bad), str(good), status=1)
    assert f"failed: {bad}: " in said
    assert link in said
    assert "--recursive" in shell.run("upload", str(tmp_path), status=2)
    shell.run("upload", str(tmp_path / "none.jpg"), status=2)


def test_deleted_image_is_uploaded_again(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(photo(77, 76))
    (first,) = shell.json("upload", str(path))
    shell.run("rm", "--yes", first["image"]["s3_key"])
    (second,) = shell.json("upload", str(path))
    assert second["outcome"] == "uploaded"
    assert second["image"]["s3_key"] != first["image"]["s3_key"]


def test_folder_is_kept_in_a_collection(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    for number in (2, 1, 3):
        (folder / f"{number}.png").write_bytes(photo(50 + number, 40, "PNG"))
    name = shell.user.username
    shell.run("sync", str(folder), name)

    def members() -> list[str]:
        return [image["s3_key"].rpartition("/")[2] for image in shell.json("collections", "show", name)]

    assert members() == ["1.png", "2.png", "3.png"]
    (folder / "1.png").unlink()
    (folder / "4.png").write_bytes(photo(60, 40, "PNG"))
    shell.run("sync", str(folder), name)
    assert members() == ["1.png", "2.png", "3.png", "4.png"]
    shell.run("sync", "--remove", str(folder), name)
    assert members() == ["2.png", "3.png", "4.png"]
    assert len(shell.json("ls")) == 4


def test_collection_of_another_user_is_told(shell: Shell, stack: Stack, new_user: NewUser, tmp_path: Path) -> None:
    other = new_user()
    with Client(stack["GATEWAY_URL"], username=other.username, password=str(other.auth and other.auth[1])) as client:
        client.create_collection(other.username)
    path = tmp_path / "x.jpg"
    path.write_bytes(photo(70, 71))
    shell.run("upload", str(path), "-c", other.username, status=4)
    assert shell.json("ls") == []


def test_folder_is_watched_until_it_is_interrupted(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "before.jpg").write_bytes(photo(81, 80))
    process = shell.start("watch", str(folder), "--json")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["path"].endswith("before.jpg")
        (folder / "later.jpg").write_bytes(photo(82, 80))
        assert json.loads(process.stdout.readline())["path"].endswith("later.jpg")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(shell.json("ls")) == 2


def test_images_are_found_shown_changed_and_deleted(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "my cat.jpg"
    path.write_bytes(photo(300, 200))
    (outcome,) = shell.json("upload", str(path))
    key = outcome["image"]["s3_key"]
    etag = shell.json("show", key)["etag"]
    assert "Mitzi" in shell.run("edit", key, "--title", "Mitzi", "--if-match", etag)
    shell.run("edit", key, "--title", "Other", "--if-match", etag, status=5)
    assert "300 x 200" in shell.run("show", key)
    assert [each["title"] for each in shell.json("ls", "mitzi", "--status", "ready", "--format", "jpeg")] == ["Mitzi"]
    assert shell.json("ls", "dog") == []
    shell.run("edit", key, "--title", "\x1b[2Jgone")
    assert "\x1b" not in shell.run("ls")
    shell.run("show", "none", status=3)
    shell.run("rm", "--yes", key)
    shell.run("rm", "--yes", key, status=3)


def test_collections_are_made_changed_filled_and_deleted(shell: Shell, tmp_path: Path) -> None:
    keys = []
    for number in range(3):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(photo(120 + number, 90))
        keys.append(shell.json("upload", str(path))[0]["image"]["s3_key"])
    name = shell.user.username
    shell.run("collections", "create", name, "--title", "Cats")
    shell.run("collections", "create", name, status=4)
    shell.run("collections", "add", name, *keys)
    shell.run("collections", "add", name, keys[2], keys[1], "--after", "")
    assert [each["s3_key"] for each in shell.json("collections", "show", name)] == [keys[2], keys[1], keys[0]]
    assert shell.json("collections", "edit", name, "--cover", keys[1])["cover"] == keys[1]
    assert shell.json("collections", "edit", name, "--cover", "")["cover"] is None
    shell.run("collections", "remove", name, keys[0], keys[1])
    assert len(shell.json("collections", "show", name)) == 1
    assert [each["title"] for each in shell.json("collections", "ls")] == ["Cats"]
    shell.run("collections", "rm", "--yes", name)
    shell.run("collections", "show", name, status=3)


def test_keys_take_the_password_unless_the_key_may_make_keys(shell: Shell) -> None:
    assert "--password-stdin" in shell.run("keys", "create", status=2)
    made = shell.json("keys", "create", "--scope", "read", "--days", "7", "--password-stdin", said=shell.password)
    assert made["scopes"] == ["read"]
    with Client(shell.url, api_key=made["key"]) as client:
        assert client.get_stats().bytes == 0
    assert made["key"] not in shell.run("keys", "ls", "--password-stdin", said=shell.password)
    rotated = shell.json("keys", "rotate", made["id"], "--password-stdin", said=shell.password)
    assert rotated["key"] != made["key"]
    shell.run("keys", "rm", "--yes", made["id"], "--password-stdin", said=shell.password)
    shell.login("--scope", "read", "--scope", "keys")
    assert made["id"] not in shell.run("keys", "ls")
    own = shell.json("keys", "show")["id"]
    shell.run("keys", "rotate", own, "--overlap", "0")
    assert shell.json("keys", "show")["id"] == own
