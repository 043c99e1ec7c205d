"""The lines of the README for curl, taken from it and pasted into `sh`, with files of all kinds of names."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from clients import Stack
from pictures import photo
from users import create_user

README = Path(__file__).parents[2] / "README.md"
NAMES = ["my cat.jpg", "a+b.jpg", "R&D.jpg", "100%25.jpg", "what?.jpg", "tag#1.jpg", "é.jpg", "it's; a, {b} [c].jpg"]
PROGRAMS = ("curl", "jq")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"one of {', '.join(PROGRAMS)} is not installed"
)


def blocks() -> list[str]:
    """Return the blocks of shell lines of the section "Use it"."""
    section = README.read_text(encoding="utf-8").partition("\n## Use it\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_the_readme_work_as_pasted(plain_stack: Stack, tmp_path: Path, name: str) -> None:
    given, *lines = blocks()
    assert re.findall("^([A-Za-z]+)=", given, re.MULTILINE) == ["G", "U", "file"]
    user = create_user(plain_stack)
    assert isinstance(user.auth, tuple)
    values = {"G": user.base_url, "U": ":".join(user.auth), "file": name}
    pasted = "".join([*(f"{each}={shlex.quote(value)}\n" for each, value in values.items()), *lines])
    (tmp_path / name).write_bytes(photo(64, 48))
    # Each curl says how its request was answered, wherever its output goes.
    (tmp_path / ".curlrc").write_text('write-out = "%{stderr}%{http_code} %{method} %{url}\\n"\nshow-error\n')
    done = subprocess.run(
        ["sh", "-eu"], input=pasted, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "CURL_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    # The password is another one now, and all keys are revoked.
    user.auth = (user.username, "another long password")
    try:
        assert done.returncode == 0, done.stderr
        answered = done.stderr.splitlines()
        assert len(answered) == len(re.findall(r"\bcurl -", "".join(lines))), done.stderr
        assert [line for line in answered if not re.match("20[0-9] ", line)] == [], done.stdout
        assert '"problem":' not in done.stdout  # none of the operations of the batch was refused
        images = user.get("/api/images").json()
        assert {image["s3_key"].partition("/")[2] for image in images} == {name}
        assert user.get("/api/collections/cats").json()["title"] == "My cats"
        assert user.get("/api/api-keys").json() == []
    finally:
        user.delete("/api/collections/cats")  # its name is free for the next
