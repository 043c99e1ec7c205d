"""What every command of `imghost` has: JSON, help, completion, and no secret among its arguments."""

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from imghost.cli import main
from imghost.cli.commands import plain


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the full name of every command below `command`, with the command."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for word, below in command.commands.items():
        yield from walk(below, f"{name} {word}")


EVERY = list(walk(main, "imghost"))


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_every_command_prints_json_if_asked_to(name: str, command: click.Command) -> None:
    assert [each.opts for each in command.params if each.name == "as_json"] == [["--json"]], name


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_no_secret_is_an_argument(name: str, command: click.Command) -> None:
    for parameter in command.params:
        if any(word in str(parameter.name) for word in ("password", "secret", "key_stdin", "token")):
            assert isinstance(parameter, click.Option), name
            assert parameter.is_flag, name


def test_help_and_version_need_no_account() -> None:
    assert "imghost, version" not in CliRunner().invoke(main, "--version").output
    for name, _ in EVERY:
        assert CliRunner().invoke(main, [*name.split()[1:], "--help"]).exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completes_the_commands(shell: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell, "--json"])
    assert f"_IMGHOST_COMPLETE={shell}_complete" in json.loads(script.output)["script"]
    completed = CliRunner().invoke(
        main,
        prog_name="imghost",
        env={"_IMGHOST_COMPLETE": "bash_complete", "COMP_WORDS": "imghost upl", "COMP_CWORD": "1"},
    )
    assert completed.output.strip() == "plain,upload"


def test_terminal_obeys_nothing_that_a_title_says() -> None:
    assert plain("a\x1b[2Jb\x07\u009bc\nd é 猫") == "a\ufffd[2Jb\ufffd\ufffdc\nd é 猫"
