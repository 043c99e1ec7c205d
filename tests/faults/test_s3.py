"""An S3 that is slow, drips, refuses, breaks off, restarts, or has another original by the time it is read."""

import base64
from typing import Any

import pytest
from PIL import Image

from faults.load import SIZE
from faults.trial import Trial, lasts
from pictures import encoded

BAD_S = 15.0
# Longer than imaging waits for an original, so that it gives up reading.
DRIPPING_S = 35.0


@pytest.mark.parametrize(
    ("kind", "seconds", "fields"),
    [
        pytest.param("slow", BAD_S, {"delay_s": 5.0}, id="slow"),
        pytest.param("drip", DRIPPING_S, {}, id="dripping"),
        pytest.param("refuse", BAD_S, {"share": 0.5}, id="503-for-half"),
        pytest.param("refuse", BAD_S, {}, id="503-for-all", marks=pytest.mark.short),
        pytest.param("reset", BAD_S, {}, id="reset-in-mid-body"),
    ],
)
def test_s3(trial: Trial, kind: str, seconds: float, fields: dict[str, Any]) -> None:
    def fault() -> None:
        with trial.stack.s3_behaving(kind, seed=trial.seed, **fields):
            lasts(seconds)

    trial.survives(fault)


def test_s3_object_replaced_between_message_and_read(trial: Trial) -> None:
    other = base64.b64encode(encoded(Image.new("RGB", SIZE, (200, 30, 90)), "PNG")).decode()

    def fault() -> None:
        with trial.stack.s3_behaving("replace", share=0.5, replacement=other, seed=trial.seed):
            lasts(BAD_S)

    trial.survives(fault)


@pytest.mark.short
def test_s3_restarted(trial: Trial) -> None:
    """Thumbs and originals that the server has acknowledged are there when it is back."""

    def fault() -> None:
        trial.stack.restart("s3")
        trial.stack.wait_until_healthy("s3")

    trial.survives(fault, hit={"s3"})


def test_s3_killed(trial: Trial) -> None:
    def fault() -> None:
        trial.stack.kill("s3")
        trial.stack.start("s3")
        trial.stack.wait_until_healthy("s3")

    trial.survives(fault, hit={"s3"})
