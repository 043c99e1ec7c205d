import shlex
from pathlib import Path

import pytest

from embedded.run_env import published, render

VALUES = {"GATEWAY_URL": "http://127.0.0.1:8080", "AMQP_URL": "amqp://me:it's $5@host/%2F"}


def test_lines_survive_a_shell() -> None:
    assert dict(line.partition("=")[::2] for line in shlex.split(render(VALUES))) == VALUES


def test_plain_values_stay_plain() -> None:
    assert render({"GATEWAY_URL": "http://127.0.0.1:8080"}) == "GATEWAY_URL=http://127.0.0.1:8080\n"


def test_file_is_there_only_while_the_run_is(tmp_path: Path) -> None:
    path = tmp_path / "run.env"

    def fail() -> None:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == render(VALUES)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), published(path, VALUES):
        fail()

    assert list(tmp_path.iterdir()) == []
