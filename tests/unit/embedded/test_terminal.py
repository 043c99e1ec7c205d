import io

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
