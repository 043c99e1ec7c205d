import io
import os
import subprocess
import sys

import pytest

from embedded.processes import terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.coloured("text", terminal.RED, Screen()) == "\033[31mtext\033[0m"
    assert terminal.coloured("text", terminal.RED, io.StringIO()) == "text"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.coloured("text", terminal.RED, Screen()) == "text"


def test_a_terminal_that_went_away_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Gone())
    terminal.say("nobody reads this")


def test_output_that_nobody_reads_does_not_change_the_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "from embedded.processes.terminal import complain, say; say('nobody reads this'); complain('nor this')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=writer, env=environment, check=False)
    os.close(writer)
    assert ended.returncode == 0
