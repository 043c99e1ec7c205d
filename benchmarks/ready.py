"""How long a picture takes from its registration to ready, and what many at once take: `make bench-ready`.

The whole service runs in containers, with the images of `make images`. First pictures of 2 MP are registered one after
another, with nothing beside: told is the time from 201 to ready, without that in which imaging has read, rendered and
written. Then many are there at once: told is the CPU time of our own processes for each, and how much of the time the
decoders had nothing to do. The table goes to benchmarks/results/ready.json.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tabulate import tabulate

from benchmarks.capacity import PROCESSES, Meter
from benchmarks.deletions import Service
from benchmarks.figures import Figure
from benchmarks.photos import encoded, photo
from imghost import Client
from imghost.testing import ImghostStack

RESULTS = Path(__file__).parent / "results" / "ready.json"
ALONE, BURST = 100, 300
LOOK_S = 0.005
OURS = ("gateway", "auth", "catalog", "catalog-worker", "imaging")
STAGE, DECODE = "imghost_image_stage_duration_seconds_sum", "imghost_decode_duration_seconds_sum"
_SHOW = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9000/metrics').read().decode())"


class Imaging:
    """What imaging tells of itself."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def samples(self) -> Mapping[str, float]:
        """Return the samples of its metrics, by the name and the stage; those of all formats are added up."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self._service.run("imaging", "python", "-c", _SHOW)):
            for sample in family.samples:
                name = sample.name + sample.labels.get("stage", "")
                found[name] = found.get(name, 0.0) + sample.value
        return found

    def worked_s(self) -> float:
        """Return for how many seconds it has read, decoded and written."""
        samples = self.samples()
        return sum(samples.get(STAGE + stage, 0.0) for stage in ("read", "decode", "write"))


def measure(service: Service) -> Iterator[Figure]:
    """Yield the figures, one after another."""
    _, _, client = service.make_user()
    data = encoded(photo(1920, 1080), "JPEG", quality=85)
    yield from alone(service, client, data)
    yield from burst(service, client, data)


def alone(service: Service, client: Client, data: bytes) -> Iterator[Figure]:
    """Yield the figures of pictures that come one after another."""
    imaging, took_ms, rest_ms = Imaging(service), list[float](), list[float]()
    keys = [f"alone/{number}.jpg" for number in range(ALONE)]
    service.put(keys, data)
    for key in keys:
        before = imaging.worked_s()
        client.create_image(key)
        began = time.monotonic()
        while client.get_image(key).status == "pending":
            time.sleep(LOOK_S)
        took_ms.append(1000 * (time.monotonic() - began))
        rest_ms.append(took_ms[-1] - 1000 * (imaging.worked_s() - before))
    for name, place, most in (("median", ALONE // 2, 50), ("99 of 100", ALONE - 2, 150)):
        ours, whole = sorted(rest_ms)[place], sorted(took_ms)[place]
        yield Figure(f"201 to ready, {name}, but for read, render, write", ours, whole, "ms, of all", None,
                     f"at most {most} ms", ours <= most)  # fmt: skip


def burst(service: Service, client: Client, data: bytes) -> Iterator[Figure]:
    """Yield the figures of many pictures at once."""
    imaging, meter = Imaging(service), Meter(service.stack.project)
    keys = [f"burst/{number}.jpg" for number in range(BURST)]
    service.put(keys, data)
    meter.rest()
    before, began = imaging.samples(), time.monotonic()
    lasted: list[float] = []

    def end() -> None:
        while next(client.list_images(status="pending"), None) is not None:
            time.sleep(0.1)
        lasted.append(time.monotonic() - began)

    cost = meter.cost("burst", BURST, lambda number: client.create_image(keys[number]), end)
    after = imaging.samples()
    idle = 1 - (after[DECODE] - before[DECODE]) / (lasted[0] * after["imghost_decoders"])
    ours, others = (sum(cost.cpu_ms[name] for name in names) for names in (OURS, set(PROCESSES) - set(OURS)))
    yield Figure(f"burst of {BURST}: CPU of our own processes for an image, beside that of others", ours, others, "ms",
                 None, "at most 30 ms", ours <= 30)  # fmt: skip
    yield Figure(f"burst of {BURST}: decoders idle", 100 * idle, None, "%", None, "at most 5 %", idle <= 0.05)
    rate = BURST / lasted[0]
    yield Figure(f"burst of {BURST}: images ready", rate, None, "a second", None, "told only", met=True)


def main() -> None:
    """Measure, print the table, and write the file."""
    with ImghostStack() as stack:
        figures = list(measure(Service(stack)))
    rows = [[f.name, f.ours, f.against, f.unit, f.to_reach, "yes" if f.met else "NO"] for f in figures]
    print(tabulate(rows, headers=["figure", "ours", "beside", "unit", "to reach", "met"]))  # noqa: T201
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
