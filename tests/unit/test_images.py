"""What the container images are built from, read from their files without a container engine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ["gateway", "services/auth", "services/catalog", "services/imaging"]
IMAGES = [*SERVICES, "containers/s3-setup"]


def instructions(folder: str) -> list[str]:
    """Return the instructions of the Dockerfile in `folder`, one a line."""
    text = (ROOT / folder / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_no_source_control_no_secret_and_no_test_gets_into_an_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert admitted == {"libs", "services", "gateway", "containers/s3-setup"}
    assert "**/tests" in rules
    for folder in admitted:
        assert not [path for path in (ROOT / folder).rglob("*") if path.name in {".git", ".env"}]


@pytest.mark.parametrize("folder", IMAGES)
def test_image_takes_packages_whose_hashes_are_locked_and_no_others(folder: str) -> None:
    of_pip = re.compile(r"pip (?:--python \S+ )?(?:install|wheel) [^&]+")
    installs = [each for line in instructions(folder) for each in of_pip.findall(line)]
    assert installs
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
    lock = ROOT / folder / "requirements.lock"
    entries = re.split(r"\n(?=[a-z])", lock.read_text().strip())
    assert len(entries) > 3
    entries += (ROOT / "libs" / "requirements-build.lock").read_text().strip().split("\n\n")
    for entry in entries:
        assert "==" in entry.splitlines()[0]
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("folder", SERVICES)
def test_image_has_nothing_that_only_tests_or_developers_need(folder: str) -> None:
    names = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / folder / "requirements.lock").read_text(), re.MULTILINE))
    assert "imghost" not in " ".join(names)
    assert not names & {
        "flit-core",
        "pip",
        "setuptools",
        "wheel",
        "pytest",
        "hypothesis",
        "moto",
        "schemathesis",
        "ruff",
        "mypy",
        "pip-audit",
        "bandit",
    }


@pytest.mark.parametrize("folder", IMAGES)
def test_image_runs_as_a_user_without_rights(folder: str) -> None:
    users = [line for line in instructions(folder) if line.startswith("USER ")]
    assert users[-1:] == ["USER 10001:10001"]


def test_service_images_differ_in_their_service_only() -> None:
    """A layer that two images have in common is stored and pulled once."""
    shapes = set()
    for folder in SERVICES:
        name = folder.rsplit("/", maxsplit=1)[-1]
        lines = [line.replace(folder, "FOLDER").replace(name, "NAME") for line in instructions(folder)]
        until = next(number for number, line in enumerate(lines) if line.startswith("USER "))
        shapes.add(tuple(re.sub(r" +&& install -d .*", "", line) for line in lines[:until]))
    assert len(shapes) == 1


@pytest.mark.parametrize("folder", IMAGES)
def test_image_is_labelled_with_release_and_commit(folder: str) -> None:
    *_, arguments, label = instructions(folder)
    assert arguments == "ARG VERSION=unreleased REVISION=unknown"
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', label))
    assert set(labels) == {"title", "description", "version", "revision", "licenses"}
    assert labels["title"] == f"imghost-{folder.rsplit('/', maxsplit=1)[-1]}"
    assert (labels["version"], labels["revision"]) == ("$VERSION", "$REVISION")
