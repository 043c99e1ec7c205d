import io
import os
import pty
import subprocess
import sys

import pytest

from catalog.upkeep import progress


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown("queued", 10, every_s=0) as shown:
        shown.reached(3)
        shown.reached(3, "waiting: 8 in flight")
    with progress.shown("objects", None, every_s=0) as shown:
        shown.reached(1000)
    with progress.shown("quiet", None, every_s=1000) as shown:
        shown.reached(1000)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "queued: 3 of 10",
        "queued: 3 of 10, waiting: 8 in flight",
        "objects: 1000",
    ]


@pytest.mark.parametrize(("total", "figure"), [("10", "3/10"), ("None", " 3")])
def test_on_a_terminal_there_is_a_bar_that_says_why_it_waits(total: str, figure: str) -> None:
    code = f"from catalog.upkeep.progress import shown\nwith shown('queued', {total}) as bar: bar.reached(3, 'why')"
    terminal, end = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], check=True, stderr=end, stdout=subprocess.PIPE)
    os.close(end)
    with io.FileIO(terminal) as screen:
        said = screen.read(10_000).decode()
    assert done.stdout == b""
    assert "queued (why)" in said
    assert figure in said
