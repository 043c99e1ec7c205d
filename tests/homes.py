"""A state folder of the embedded run for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.home import Home
from embedded.processes import leftovers


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A state folder ready for a run; whatever a test has started in it is ended afterwards."""
    home = Home(tmp_path / "a home with spaces")
    home.root.mkdir()
    home.start_afresh()
    yield home
    assert leftovers.end(home) == 0, "a process outlived the test"
