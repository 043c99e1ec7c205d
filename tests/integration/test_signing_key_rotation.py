"""The key that signs tokens is replaced while the services run: no request fails, and the former key ends."""

import subprocess
import sys
import time
from pathlib import Path

import requests

from busy_clients import busy_clients
from chassis import token_keys, tokens
from chassis.token_keys import SigningKeys, VerifyingKeys
from clients import ValidatingClient
from deadlines import until
from web_stack import WebStack

ASKED_BEFORE = 20


def rotation(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command that rotates the key of the stack in `folder`."""
    files = ("--private", str(folder / "private.pem"), "--public", str(folder / "public.pem"))
    command = [str(Path(sys.executable).with_name("auth")), "rotate-signing-key", *files, *words]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def begun_rotation(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command, and wait until it has written something."""
    private = folder / "private.pem"
    before = private.read_bytes()
    command = rotation(folder, *words)
    until(lambda: private.read_bytes() != before, 30, "the rotation does not begin")
    return command


def rotate(folder: Path, *words: str) -> None:
    command = rotation(folder, *words)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 0, said


def test_no_request_fails_while_keys_follow_each_other(web_stack: WebStack) -> None:
    web_stack.start("auth", WEB_PROCESSES="2")
    web_stack.start("catalog", WEB_PROCESSES="2")
    web_stack.start("gateway", WEB_PROCESSES="2")
    key = web_stack.anna().post("/api/api-keys").json()["key"]

    def ask(client: ValidatingClient) -> int:
        return max(client.get("/api/api-keys").status, client.get("/api/collections").status)

    first = SigningKeys(web_stack.folder / "private.pem").signing().key_id
    with busy_clients(web_stack.url(), key, ask) as counts:
        until(lambda: counts.total() >= ASKED_BEFORE, 30, "nothing is answered")
        for _ in range(3):
            rotate(web_stack.folder, "--spread", "0", "--keep", "1")
    assert set(counts) == {200}, counts
    signing, verifying = SigningKeys(web_stack.folder / "private.pem"), VerifyingKeys(web_stack.folder / "public.pem")
    assert list(verifying.by_id()) == list(signing.by_id()) == [signing.signing().key_id] != [first]
    assert web_stack.anna().get("/api/collections").status == 200


def test_token_of_a_former_key_is_refused_by_services_that_run(web_stack: WebStack) -> None:
    web_stack.start("catalog")
    caller = tokens.Principal("id-of-anna", "anna", "password")
    former = f"Bearer {tokens.sign(SigningKeys(web_stack.folder / 'private.pem').signing(), 'catalog', caller)}"

    def ask() -> requests.Response:
        return requests.get(f"{web_stack.url('catalog')}/collections", headers={"Authorization": former}, timeout=10)

    assert ask().status_code == 200
    rotate(web_stack.folder, "--spread", "0", "--keep", "0")
    assert (ask().status_code, ask().json()["code"]) == (401, "token-refused")


def test_rotation_that_died_in_between_leaves_whole_files_and_the_next_one_ends_it(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("catalog")
    web_stack.start("gateway")
    private, public = web_stack.folder / "private.pem", web_stack.folder / "public.pem"
    for words in (("--spread", "60"), ("--spread", "0", "--keep", "60")):
        dying = begun_rotation(web_stack.folder, *words)
        time.sleep(0.5)
        dying.kill()
        dying.communicate()
        assert web_stack.anna().get("/api/collections").status == 200
        web_stack.make_keys()  # as each start of the stack does
        assert web_stack.anna().get("/api/collections").status == 200
    rotate(web_stack.folder, "--spread", "0", "--keep", "0")
    assert list(VerifyingKeys(public).by_id()) == [SigningKeys(private).signing().key_id]


def test_file_that_is_not_the_one_of_the_public_keys_stops_the_rotation_before_anything_is_written(
    web_stack: WebStack, tmp_path: Path
) -> None:
    private, public = web_stack.folder / "private.pem", web_stack.folder / "public.pem"
    others = tmp_path / "others.pem"
    token_keys.write_public(others, [token_keys.new_key().public_key()])
    before = private.read_bytes(), public.read_bytes(), others.read_bytes()
    for wrong in (private, others, tmp_path / "no-such.pem"):
        command = rotation(web_stack.folder, "--public", str(wrong), "--spread", "0", "--keep", "0")
        _, said = command.communicate(timeout=60)
        assert command.returncode == 1
        assert str(wrong) in said
    assert before == (private.read_bytes(), public.read_bytes(), others.read_bytes())


def test_link_to_a_file_of_keys_stays_one(web_stack: WebStack, tmp_path: Path) -> None:
    link = tmp_path / "link.pem"
    link.symlink_to(web_stack.folder / "public.pem")
    rotate(web_stack.folder, "--public", str(link), "--spread", "0", "--keep", "0")
    assert link.is_symlink()
    signing = SigningKeys(web_stack.folder / "private.pem").signing().key_id
    assert list(VerifyingKeys(web_stack.folder / "public.pem").by_id()) == [signing]


def test_second_rotation_at_the_same_time_is_refused_with_one_sentence(web_stack: WebStack) -> None:
    first = begun_rotation(web_stack.folder, "--spread", "60")
    try:
        second = rotation(web_stack.folder)
        _, said = second.communicate(timeout=60)
        assert (second.returncode, said) == (1, "Error: The key is being rotated already. Wait until that is done.\n")
    finally:
        first.kill()
        first.communicate()
