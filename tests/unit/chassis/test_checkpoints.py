"""Checkpoints do nothing in a process of ours, whatever its settings say."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis import checkpoints

ROOT = Path(__file__).parents[3]
SHIPPED = [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("gateway/src/**/*.py")]
MODULE = ROOT / "libs/chassis/src/chassis/checkpoints.py"


def names(file: Path) -> set[str]:
    """Return all names that a module uses."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    imported = {alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    return attributes | imported | {node.id for node in nodes if isinstance(node, ast.Name)}


def test_installed_hook_learns_the_checkpoint_and_the_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(checkpoints, "_hooks", [])
    checkpoints.install(lambda *given: seen.append(given))
    checkpoints.reached(checkpoints.WRITTEN, "a/b.jpg")
    assert seen == [(checkpoints.WRITTEN, "a/b.jpg")]


def test_no_shipped_module_installs_a_hook() -> None:
    users = [file for file in SHIPPED if file != MODULE and "checkpoints" in names(file)]
    assert users, "nobody reaches a checkpoint"
    assert not [file for file in users if names(file) & {"install", "_hooks"}]


def test_checkpoints_depend_on_nothing_outside_of_them() -> None:
    imported = {node.module for node in ast.walk(ast.parse(MODULE.read_text())) if isinstance(node, ast.ImportFrom)}
    assert imported == {"collections.abc"}
    assert not names(MODULE) & {"os", "environ", "open", "Path", "importlib", "__import__"}


@pytest.mark.parametrize("service", ["auth", "catalog", "imaging", "gateway"])
def test_no_setting_mentions_checkpoints(service: str) -> None:
    folder = ROOT / (service if service == "gateway" else f"services/{service}") / "src" / service
    text = (folder / "settings.py").read_text().lower()
    assert "checkpoint" not in text
    assert "hook" not in text


def test_variables_that_name_checkpoints_install_nothing() -> None:
    hostile = {name.upper().replace(".", "_").replace("-", "_"): "die" for name in (checkpoints.WRITTEN, "checkpoints")}
    program = "from chassis import checkpoints; print(checkpoints._hooks)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **hostile}, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
