"""A spray of guessed passwords takes the service away from nobody who has a key, or comes from elsewhere."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from clients import NewUser, Stack
from raw_http import SOON_S

GUESSER = Path(__file__).parents[1] / "guesser.py"


def test_guesses_hold_up_no_key_of_their_source_and_no_password_of_another(stack: Stack, new_user: NewUser) -> None:
    if "ELSEWHERE_COMMAND" not in stack:
        pytest.skip("the stack does not say how to run Python at another address (ELSEWHERE_COMMAND)")
    user = new_user()
    key = user.post("/api/api-keys").json()["key"]
    command = [*shlex.split(stack["ELSEWHERE_COMMAND"]), key]
    done = subprocess.run(command, input=GUESSER.read_bytes(), check=True, stdout=subprocess.PIPE, timeout=60)
    found = json.loads(done.stdout)
    assert set(found["key"]) == {"200"}, found
    assert found["longest_s"] < SOON_S, found
    assert {"401", "503"} <= set(found["guesses"]) <= {"401", "429", "503"}, found
    assert new_user().get("/api/images").status == 200
