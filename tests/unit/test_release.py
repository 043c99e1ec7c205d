"""A release: one version, a dated part of the changelog, a tag, and checksums that fit, on a small repository."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TODAY = dt.datetime.now(dt.UTC).date().isoformat()
CHANGELOG = """# Changelog

## Unreleased

### Added

- A new thing.

## 1.2.2 (2026-01-31)

### Fixed

- An old thing.
"""


class Repository:
    """A repository with the tools of the release; docker is a script that knows every image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tools").mkdir()
        for name in ("release.py", "version.py"):
            shutil.copy(ROOT / "tools" / name, folder / "tools")
        (folder / "VERSION").write_text("1.2.3\n")
        (folder / "CHANGELOG.md").write_text(CHANGELOG)
        (folder / ".gitignore").write_text(".imghost/\nbin/\n__pycache__/\n")
        (folder / "bin").mkdir()
        docker = folder / "bin" / "docker"
        docker.write_text(f'#!/bin/sh\necho "sha256:of-$5 $(cat {folder}/bin/revision)"\n')
        docker.chmod(0o755)
        self.git("init", "--quiet")
        self.commit("all of it")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=Anna", "-c", "user.email=anna@example.org")
        done = subprocess.run(["git", *identity, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, subject: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)

    def release(self, word: str) -> str:
        """Run the tool; return what it says, or fail the test with that."""
        done = self.attempt(word)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, word: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            **{
                f"GIT_{who}_{what}": "anna@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
        }
        command = [sys.executable, "-m", "tools.release", word]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def refusal(self, word: str) -> str:
        """Run the tool, which has to refuse; return its sentence. Nothing was changed."""
        before = (self.git("rev-parse", "HEAD"), self.git("tag"), (self.folder / "CHANGELOG.md").read_text())
        done = self.attempt(word)
        assert done.returncode == 1
        assert before == (self.git("rev-parse", "HEAD"), self.git("tag"), (self.folder / "CHANGELOG.md").read_text())
        return done.stderr

    def build(self) -> None:
        """Write the bills that `make images` writes beside images, and the commit that these are labelled with."""
        (self.folder / "bin" / "revision").write_text(self.git("rev-parse", "--short=12", "HEAD"))
        folder = self.folder / ".imghost" / "sbom"
        folder.mkdir(parents=True)
        for name in ("auth", "catalog", "imaging", "gateway", "s3-setup"):
            (folder / f"imghost-{name}-1.2.3.cdx.json").write_text(json.dumps({"name": name}))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("there is no git, without which nothing is released")
    return Repository(tmp_path)


def test_release_dates_the_changelog_and_tags_the_commit(repository: Repository) -> None:
    assert repository.release("cut") == "tagged v1.2.3"
    assert (repository.folder / "CHANGELOG.md").read_text() == CHANGELOG.replace(
        "## Unreleased\n", f"## Unreleased\n\n## 1.2.3 ({TODAY})\n"
    )
    assert repository.git("log", "-1", "--format=%s") == "release: 1.2.3"
    assert repository.git("cat-file", "-t", "v1.2.3") == "tag"
    assert repository.git("rev-parse", "v1.2.3^{commit}") == repository.git("rev-parse", "HEAD")
    assert repository.git("status", "--porcelain") == ""


def test_release_that_was_interrupted_goes_on(repository: Repository) -> None:
    repository.release("cut")
    before = repository.git("rev-parse", "HEAD")
    assert repository.release("cut") == "tagged v1.2.3"
    assert repository.git("rev-parse", "HEAD") == before


def test_what_is_released_can_be_checked_by_its_sums(repository: Repository) -> None:
    repository.release("cut")
    repository.build()
    repository.release("collect")
    folder = repository.folder / ".imghost" / "release" / "1.2.3"
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    listed = {line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == {each.name for each in folder.iterdir()} - {"SHA256SUMS"}
    assert len(listed) == 3 + 5
    assert (folder / "NOTES.md").read_text() == "### Added\n\n- A new thing.\n"
    assert "imghost-s3-setup:1.2.3 sha256:of-imghost-s3-setup:1.2.3\n" in (folder / "IMAGES").read_text()
    with tarfile.open(folder / "imghost-1.2.3.tar.gz") as sources:
        assert {"imghost-1.2.3/VERSION", "imghost-1.2.3/CHANGELOG.md"} < set(sources.getnames())


def test_tree_with_changes_is_not_released(repository: Repository) -> None:
    (repository.folder / "new").touch()
    assert "something is not committed" in repository.refusal("cut")


def test_version_is_not_released_twice(repository: Repository) -> None:
    repository.release("cut")
    (repository.folder / "more").touch()
    repository.commit("more")
    assert "v1.2.3 is the tag of another commit" in repository.refusal("cut")
    assert "v1.2.3 is the tag of another commit" in repository.refusal("collect")
    repository.git("tag", "--delete", "v1.2.3")
    assert "1.2.3 is in CHANGELOG.md already" in repository.refusal("cut")


def test_nothing_new_is_not_released(repository: Repository) -> None:
    (repository.folder / "CHANGELOG.md").write_text(CHANGELOG.replace("### Added\n\n- A new thing.\n\n", ""))
    repository.commit("nothing new")
    assert "has nothing under ## Unreleased" in repository.refusal("cut")


def test_release_without_its_images_is_refused(repository: Repository) -> None:
    repository.release("cut")
    assert "make images" in repository.refusal("collect")


def test_images_of_another_commit_are_refused(repository: Repository) -> None:
    repository.build()
    before = repository.git("rev-parse", "--short=12", "HEAD")
    repository.release("cut")
    assert f"was built from {before}, not from " in repository.refusal("collect")


def test_version_file_that_holds_none_is_refused(repository: Repository) -> None:
    (repository.folder / "VERSION").write_text("next\n")
    repository.commit("no version")
    assert "VERSION holds 'next'" in repository.refusal("cut")


def test_another_version_reaches_every_place_that_says_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "k8s", copy / "k8s", ignore=shutil.ignore_patterns("secrets"))
    for name in ("libs/chassis", "services/auth", "services/catalog", "services/imaging", "gateway", "clients/python"):
        (copy / name).mkdir(parents=True)
        shutil.copy(ROOT / name / "pyproject.toml", copy / name)
    (copy / "gateway/src/gateway").mkdir(parents=True)
    shutil.copy(ROOT / "gateway/src/gateway/openapi.yaml", copy / "gateway/src/gateway")
    (copy / "tools").mkdir()
    shutil.copy(ROOT / "tools/version.py", copy / "tools")
    (copy / "VERSION").write_text("98.7.6\n")

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(copy / "tools/version.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "run make format" in run("--check").stderr
    assert run().returncode == run("--check").returncode == 0
    here = (ROOT / "VERSION").read_text().strip()
    files = [file for file in copy.rglob("*") if file.is_file() and file.name not in {"VERSION", "report.json"}]
    left = [file for file in files if here in (text := file.read_text()) or here.replace(".", "-") in text]
    assert left == []
    assert sum("98.7.6" in file.read_text() for file in files) > 15
