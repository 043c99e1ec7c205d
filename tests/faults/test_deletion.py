"""Deletion: thumbs are those of a key's last registration, and a deleted user leaves nothing behind."""

import threading
from dataclasses import dataclass
from random import Random

import pytest

from chassis import checkpoints
from faults.audit import objects_below
from faults.load import Client
from faults.stack import Stack
from faults.trial import Trial, lasts
from users import delete_user

WORKERS = ("imaging", "catalog-worker")
STRIKES = 8


@dataclass
class TightLoop(Client):
    """A client that registers and deletes a few keys faster than the workers can; in the end all are registered."""

    keys: int = 3

    def work_until(self, stop: threading.Event) -> None:
        """Register and delete until `stop` is set."""
        names = [f"{self.prefix}/{number}.png" for number in range(self.keys)]
        while not stop.wait(self.pace_s):
            self.turn(self.random.choice(names))
        for name in names:
            if name not in self.ledger.keys(registered=True):
                self.turn(name)

    def turn(self, key: str) -> None:
        """Delete the keys that are registered, and register the others."""
        if key in self.ledger.keys(registered=True):
            self.send("delete", key)
        else:
            self.put_original(key)
            self.send("register", key)


def strike_workers(stack: Stack, random: Random) -> None:
    """Pause and kill the workers in turns, at times that `random` draws."""
    for _ in range(STRIKES):
        service = random.choice(WORKERS)
        if random.random() < 0.5:
            stack.kill(service)
            stack.start(service)
        else:
            with stack.paused(service):
                lasts(random.uniform(0.2, 2))
        lasts(random.uniform(0.2, 1))


@pytest.mark.short
def test_register_delete_register_in_a_tight_loop(trial: Trial) -> None:
    trial.client = TightLoop
    trial.survives(lambda: strike_workers(trial.stack, Random(trial.seed)), hit=WORKERS)


def test_user_deleted(trial: Trial) -> None:
    user = trial.stack.new_user()
    prefix = f"gone/{trial.prefix}"
    gone = Client(user, trial.s3, prefix, Random(trial.seed))
    gone.make_collections()
    keys = [f"{prefix}/{number}.png" for number in range(6)]
    for key in keys:
        gone.put_original(key)
        assert gone.send("register", key)
        assert gone.send("add", key, gone.ledger.collections[0])

    def fault() -> None:
        with trial.stack.armed("auth-worker", checkpoints.CONFIRMED, "die") as file:
            gone.send("reprocess", keys[0])
            delete_user(trial.stack.settings(), user.username)
            strike_workers(trial.stack, Random(trial.seed))
            assert not file.exists(), "the relay was not struck"

    trial.survives(fault, hit={*WORKERS, "auth-worker"})
    assert user.get("/api/images").status == 401
    assert not trial.stack.query("catalog", "SELECT s3_key FROM images WHERE starts_with(s3_key, %s)", prefix)
    assert not trial.stack.query(
        "catalog", "SELECT name FROM collections WHERE name = ANY(%s)", gone.ledger.collections
    )
    assert sorted(objects_below(trial.s3, prefix)) == sorted(keys), "originals stay, thumbs go"
    user.close()
