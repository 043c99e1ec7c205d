"""A flood: many images are registered while workers are killed at random; every one becomes ready, with its thumbs.

The variable FLOOD says how many.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from deadlines import until
from faults.audit import SQUARES, objects_below
from faults.load import Client
from faults.trial import Trial, lasts

COUNT = int(os.environ.get("FLOOD", "300"))
WORKERS = ("imaging", "catalog-worker", "auth-worker")
SECONDS_EACH = 0.5  # many times what an image needs
PAUSE_S = (2.0, 10.0)  # between two kills, each of which costs the images being processed an attempt


def register_all(client: Client, keys: list[str]) -> None:
    """Put and register `keys`, one after the other; send a request again if it got no answer."""
    for key in keys:
        client.put_original(key)
        while not client.send("register", key):
            lasts(0.1)


def kill_until(stop: threading.Event, trial: Trial) -> int:
    """Kill a random worker again and again until `stop` is set; return how often."""
    random, kills = Random(trial.seed), 0
    while not stop.wait(random.uniform(*PAUSE_S)):
        service = random.choice(WORKERS)
        trial.stack.kill(service)
        trial.stack.start(service)
        kills += 1
    return kills


@pytest.mark.timeout(600 + COUNT)
def test_flood(trial: Trial) -> None:
    def pending() -> int:
        [row] = trial.stack.query("catalog", "SELECT count(*) AS pending FROM images WHERE status = 'pending'")
        return int(row["pending"])

    trial.begin()
    clients = trial.load.clients
    shares = [range(first, COUNT, len(clients)) for first in range(len(clients))]
    keys = [[f"{client.prefix}/{n}.png" for n in share] for client, share in zip(clients, shares, strict=True)]
    began = time.monotonic()
    stop = threading.Event()
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        killing = pool.submit(kill_until, stop, trial)
        try:
            for registering in [pool.submit(register_all, *each) for each in zip(clients, keys, strict=True)]:
                registering.result()
            registered_s = time.monotonic() - began
            until(lambda: pending() == 0, SECONDS_EACH * COUNT + 60, "the flood is not over")
        finally:
            stop.set()
        kills = killing.result()
    ready_s = time.monotonic() - began
    for client in clients:
        client.api.close()  # idle for longer than the gateway keeps connections open
    trial.conclude(time.monotonic(), hit=WORKERS)
    total = sum(len(each) for each in keys)
    below = [key for key in objects_below(trial.s3, trial.prefix) if any(f"/t{square}/" in key for square in SQUARES)]
    assert len(below) == len(SQUARES) * total
    print(f"{total} images, {kills} kills: registered in {registered_s:.0f} s, ready after {ready_s:.0f} s")  # noqa: T201
