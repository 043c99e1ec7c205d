import subprocess

import pytest

from embedded.child import MARK, Child, base_environment, last_lines
from embedded.home import Home


def run(child: Child, home: Home) -> int:
    return subprocess.run(
        ["/bin/sh", "-c", child.shell_line(home)], env=dict(child.environment), check=False
    ).returncode


def test_output_of_both_kinds_goes_to_the_log(home: Home) -> None:
    child = Child("toy", ("sh", "-c", "echo 'out & about'; echo wrong >&2; exit 3"), base_environment(home))

    assert run(child, home) == 3
    assert last_lines(child.log(home)) == ["out & about", "wrong"]


def test_command_waits_for_what_it_needs(home: Home) -> None:
    flag = home.run / "it's there"
    first_try_fails = ("sh", "-c", 'test -e "$0" || { touch "$0"; false; }', str(flag))
    child = Child("toy", ("echo", "after"), base_environment(home), wait_for=first_try_fails)

    assert run(child, home) == 0
    assert flag.exists()
    assert last_lines(child.log(home)) == ["after"]


def test_callers_environment_stays_outside(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "PYTHONSTARTUP", "RABBITMQ_NODENAME", "DATABASE_URL"):
        monkeypatch.setenv(name, "not for the children")

    environment = base_environment(home)

    assert "not for the children" not in environment.values()
    assert environment[MARK] == str(home.root)


def test_last_lines_are_the_last_and_few(home: Home) -> None:
    log = home.logs / "long.log"
    log.write_text("".join(f"{number}\n\n" for number in range(30_000)))

    assert last_lines(log, 3) == ["29997", "29998", "29999"]
    assert last_lines(home.logs / "missing.log") == []
