"""The images of a release as `make images` builds them: what containers of them find, and what is told of them."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from containers import images

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "auth": "services/auth",
    "catalog": "services/catalog",
    "imaging": "services/imaging",
    "gateway": "gateway",
    "s3-setup": "containers/s3-setup",
}
VERSION = re.findall(r'^version = "(.*)"$', (ROOT / "gateway" / "pyproject.toml").read_text(), re.MULTILINE)[0]


@pytest.fixture(scope="module")
def built(engine: None) -> str:  # noqa: ARG001
    """What `make images` prints."""
    done = subprocess.run([ROOT / "tools" / "images.sh", "build"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# Run in a container, as root, who sees everything.
LOOK = r"""
import importlib.util, json, pathlib, shutil
files = [path for top in ("/opt/imghost", "/app") for path in pathlib.Path(top).rglob("*")]
modules = [path for path in files if path.suffix == ".py" and "site-packages" in path.parts]
compiled = lambda module: pathlib.Path(importlib.util.cache_from_source(module)).exists()
found = {
    "importable": [name for name in NAMES if importlib.util.find_spec(name)],
    "commands": [name for name in ("gcc", "cc", "make", "pip", "pip3") if shutil.which(name)],
    "tests": [str(path) for path in files if path.is_dir() and path.name == "tests"],
    "not compiled": [str(path) for path in modules if not compiled(path)],
    "not of root": [str(path) for path in files if path.lstat().st_uid],
}
print(json.dumps({what: each for what, each in found.items() if each}))
"""
BUILD_TOOLS = ["pip", "ensurepip", "setuptools", "wheel", "flit_core"]


@pytest.mark.parametrize("name", FOLDERS)
def test_image_has_no_build_tools_and_no_tests_and_its_modules_are_compiled(built: str, name: str) -> None:
    assert re.search(rf"^imghost-{name} +{VERSION} .* MB ", built, re.MULTILINE)
    script = LOOK.replace("NAMES", repr(BUILD_TOOLS))
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        "--user=0",
        "--entrypoint=python",
        f"imghost-{name}:{VERSION}",
    ]
    done = subprocess.run([*command, "-Ic", script], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {}


@pytest.mark.parametrize("name", FOLDERS)
def test_labels_and_user_are_those_of_the_release(built: str, name: str) -> None:
    found = subprocess.run(["docker", "image", "inspect", f"imghost-{name}:{VERSION}"], check=True, capture_output=True)
    config = json.loads(found.stdout)[0]["Config"]
    assert config["User"] == "10001:10001"
    revision = config["Labels"]["org.opencontainers.image.revision"]
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?", revision)
    assert f"{VERSION}-{revision}" in built
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"


@pytest.mark.parametrize("name", FOLDERS)
def test_bill_of_materials_lists_what_is_locked_and_what_the_base_image_brought(built: str, name: str) -> None:
    assert built
    text = (ROOT / ".imghost" / "sbom" / f"imghost-{name}-{VERSION}.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    listed = {(re.sub(r"[-_.]+", "-", each["name"].lower()), each["version"]) for each in document["components"]}
    # Those with a marker are for other Pythons.
    lock = (ROOT / FOLDERS[name] / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9._-]+)==(\S+) \\$", lock, re.MULTILINE))
    assert len(locked) > 3
    assert locked <= listed
    assert "python" in {each["name"] for each in document["components"]}
    if "standin" in images().get("PYTHON_IMAGE", ""):
        assert any(each.get("purl", "").startswith("pkg:deb/debian/") for each in document["components"])


def test_images_are_pushed_to_the_registry_that_is_named(built: str) -> None:
    assert built
    done = subprocess.run([ROOT / "tools" / "images.sh", "push"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "images: say where to: make push REGISTRY=registry.example/team\n"
