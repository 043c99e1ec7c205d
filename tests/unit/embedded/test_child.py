import pytest

from embedded.home import Home
from embedded.processes.child import MARK, base_environment, last_lines


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
