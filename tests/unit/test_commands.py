"""What the commands of every service have: their version, completion in a shell, and JSON for programs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import embedded.__main__
from chassis.commands import Commands

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


def commands_of(service: str) -> click.Group:
    group = import_module(f"{service}.cli").main
    assert isinstance(group, Commands)
    return group


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the full name of every command below `command`, with the command."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for word, below in command.commands.items():
        yield from walk(below, f"{name} {word}")


EVERY = [pair for service in SERVICES for pair in walk(commands_of(service), service)]


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_every_command_prints_json_if_asked_to(name: str, command: click.Command) -> None:
    options = {option for parameter in command.params for option in parameter.opts if parameter.name == "as_json"}
    assert options == {"--json"}, name
    (parameter,) = [each for each in command.params if each.name == "as_json"]
    assert isinstance(parameter, click.Option)
    assert parameter.is_flag


def test_the_run_of_everything_prints_json_if_asked_to() -> None:
    assert "--json" in embedded.__main__.make_parser().format_usage()


@pytest.mark.parametrize("service", SERVICES)
def test_script_for_a_shell_comes_as_json_too(service: str) -> None:
    document = json.loads(run(service, "completion", "zsh", "--json"))
    assert document == {"shell": "zsh", "script": run(service, "completion", "zsh").removesuffix("\n")}


class RefusedError(Exception):
    exit_code = 5


@pytest.mark.parametrize(("error", "status"), [(RefusedError, 5), (KeyError, 1)])
def test_status_is_that_of_the_refusal(error: type[Exception], status: int) -> None:
    @click.group(cls=Commands, package="imghost-chassis", refusals=(RefusedError, KeyError))
    def group() -> None: ...

    @group.command()
    def refuse() -> None:
        raise error("so")

    done = CliRunner().invoke(group, "refuse")
    assert (done.exit_code, done.stdout) == (status, "")
    assert done.stderr.startswith("Error: ")
