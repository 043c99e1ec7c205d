"""What the commands of every service have: their version, and completion in a shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVICES = ["auth", "catalog", "gateway", "imaging"]


def run(service: str, *words: str, **environment: str) -> str:
    """Run the installed command of a service; return its output."""
    command = [str(Path(sys.executable).with_name(service)), *words]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], **environment}, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_version_is_told_without_any_settings(service: str) -> None:
    name, version = run(service, "--version").split()
    assert name == service
    assert version[0].isdigit()


@pytest.mark.parametrize("service", SERVICES)
def test_shell_completes_the_commands(service: str) -> None:
    variable = f"_{service.upper()}_COMPLETE"
    assert f"{variable}=bash_complete" in run(service, "completion", "bash")
    completed = run(service, COMP_WORDS=f"{service} ser", COMP_CWORD="1", **{variable: "bash_complete"})
    assert completed.strip() == ("plain,serve" if service != "imaging" else "")
    completed = run(service, COMP_WORDS=f"{service} compl", COMP_CWORD="1", **{variable: "bash_complete"})
    assert completed.strip() == "plain,completion"
