"""Clients that are generated from the API document know the types of thumbs and of problems."""

import json
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from gateway.web.docs import document

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).with_name("generated")
# The generator gets an environment of its own: it pins other versions of packages that the tests use.
HOME = ROOT / ".imghost" / "openapi-python-client"
READ = """
import json, pathlib
from imghost_api.models import Image
print(Image.from_dict(json.loads(pathlib.Path("image.json").read_text())).thumbs[3].size.width)
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program; return what it says. The test fails, with that, if the program does."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """The document in a file."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document()))
    return file


@pytest.fixture
def python() -> Path:
    """The folder of the programs of the generator's environment, which is made again when its lock has changed."""
    lock, made_of = FOLDER / "openapi-python-client.lock", HOME / "lock"
    if not made_of.exists() or made_of.read_bytes() != lock.read_bytes():
        venv.create(HOME, clear=True, with_pip=True)
        run(HOME / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement", lock)
        shutil.copyfile(lock, made_of)
    return HOME / "bin"


def test_python_client_is_typed(described: Path, python: Path, tmp_path: Path) -> None:
    package = tmp_path / "imghost_api"
    said = run(
        python / "openapi-python-client", "generate", "--path", described, "--meta", "none", "--output-path", package
    )
    # It makes nothing of feeds, and everything of the rest.
    warnings = [line for line in said.splitlines() if line.startswith("WARNING")]
    assert all("/c/{name}.atom" in line for line in warnings), said
    shutil.copy(FOLDER / "typed.py", tmp_path)
    run(python / "mypy", "--strict", "--follow-imports", "silent", "typed.py", cwd=tmp_path)
    (tmp_path / "image.json").write_text(json.dumps(document()["components"]["examples"]["Image"]["value"]))
    (tmp_path / "read.py").write_text(READ)
    assert run(python / "python", "read.py", cwd=tmp_path) == "512\n"


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed (apt install npm)")
def test_typescript_is_typed(described: Path, tmp_path: Path) -> None:
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefer-offline"]
    run(*install, cwd=FOLDER)
    programs = FOLDER / "node_modules" / ".bin"
    run(programs / "openapi-typescript", described, "--output", tmp_path / "api.d.ts", cwd=FOLDER)
    shutil.copy(FOLDER / "typed.ts", tmp_path)
    run(programs / "tsc", "--noEmit", "--strict", "typed.ts", cwd=tmp_path)
