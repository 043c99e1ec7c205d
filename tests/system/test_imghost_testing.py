"""`imghost.testing`, as a project outside of this tree uses it: installed from a wheel, with images by tag."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from containers import ROOT, images
from pictures import photo

A_PROJECT = """
import boto3
import pytest
import requests

from imghost.testing import ImghostStack, StackError


@pytest.fixture(scope="module")
def imghost():
    with ImghostStack(tag="latest") as stack:
        yield stack


def test_pictures_are_uploaded_and_shown(imghost):
    image = imghost.client.upload("cat.jpg", title="A cat")
    assert image.status == "ready"
    assert requests.get(image.thumbs[0].url).headers["Content-Type"].startswith("image/")
    assert requests.get(f"{imghost.url}/api/i/{image.s3_key}").json()["title"] == "A cat"


def test_originals_may_be_put_by_oneself(imghost):
    s3 = boto3.client(
        "s3",
        endpoint_url=imghost.s3_endpoint_url,
        aws_access_key_id=imghost.s3_access_key_id,
        aws_secret_access_key=imghost.s3_secret_access_key,
        region_name="us-east-1",
    )
    s3.upload_file("cat.jpg", imghost.bucket, "by/hand.jpg")
    image = imghost.client.create_image("by/hand.jpg", s3_bucket=imghost.bucket)
    assert imghost.client.wait_until_ready(image).status == "ready"
    assert "job done" in imghost.logs("imaging")


def test_another_one_has_other_ports_and_pictures(imghost):
    with ImghostStack(tag="latest") as other:
        assert {other.url, other.s3_endpoint_url}.isdisjoint({imghost.url, imghost.s3_endpoint_url})
        assert list(other.client.list_images()) == []
    with pytest.raises(requests.ConnectionError):
        requests.get(other.url)


def test_a_stack_starts_once(imghost):
    with pytest.raises(StackError, match="started already"):
        imghost.start()


@pytest.mark.parametrize(("name", "value"), [("DOCKER_HOST", "unix:///nowhere.sock"), ("PATH", "/nowhere")])
def test_an_engine_that_is_not_there_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(StackError, match="(?i)docker"):
        ImghostStack().start()


def test_images_that_do_not_exist_are_named():
    with pytest.raises(StackError, match="imghost-auth:never-made"):
        ImghostStack(tag="never-made").start()
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder in which the client is installed from a wheel of it."""
    wheels, folder = tmp_path / "wheels", tmp_path / "packages"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    source = str(ROOT / "clients/python")
    build = (*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), source)
    subprocess.run(build, check=True)
    wheel = next(wheels.iterdir())
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)], check=True)
    return folder


@pytest.mark.usefixtures("compose_stack")  # builds the images
def test_another_project_tests_against_its_own_imghost(packages: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "cat.jpg").write_bytes(photo(640, 480))
    (project / "test_pictures.py").write_text(A_PROJECT)
    environment = {**os.environ, **images(), "PYTHONPATH": str(packages)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--no-header", "-p", "no:cacheprovider", "-rA"],
        cwd=project,
        env=environment,
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
    left = ("docker", "ps", "--all", "--quiet", "--filter", "name=imghost-testing-")
    assert not subprocess.run(left, check=True, capture_output=True).stdout
