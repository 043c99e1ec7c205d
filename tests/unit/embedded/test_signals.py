import os
import signal
import sys

import pytest

from embedded.faults import StopRequested
from embedded.processes.signals import require_no_stop, stops_are_exceptions


class _Interrupted:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(1000))  # the handler runs here


def test_stop_whose_exception_was_dropped_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with stops_are_exceptions():
        interrupted = _Interrupted()
        del interrupted  # Python drops what __del__ raises
        assert dropped
        with pytest.raises(StopRequested):
            require_no_stop()
    with stops_are_exceptions():
        require_no_stop()
