"""Wheels are what images install: whatever a service reads at run time is in its wheel."""

import os
import re
import zipfile
from pathlib import Path

import flit_core.buildapi
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("libs/chassis", "services/auth", "services/catalog", "services/imaging", "gateway", "clients/python")


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_holds_every_file_of_the_package(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / package)
    wheel = tmp_path / flit_core.buildapi.build_wheel(os.fspath(tmp_path))
    files = {path.relative_to("src").as_posix() for path in Path("src").rglob("*") if path.is_file()}
    needed = {name for name in files if "__pycache__" not in name}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert needed <= held


@pytest.mark.parametrize("service", ["auth", "catalog"])
def test_migrations_lie_in_the_package_and_are_numbered_without_a_gap(service: str) -> None:
    versions = ROOT / "services" / service / "src" / service / "migrations" / "versions"
    names = sorted(path.name for path in versions.glob("*.py"))
    assert names
    for number, name in enumerate(names, start=1):
        assert re.fullmatch(rf"{number:04}_[a-z0-9_]+\.py", name)
