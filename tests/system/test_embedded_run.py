"""`make run` itself: what it prints works, it disturbs no other process, and however it ends, nothing is left."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from PIL import Image

from clients import ValidatingClient
from embedded.home import Home
from embedded.parts import rabbitmq
from embedded.processes import leftovers
from pictures import photo
from s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, s3_client
from stacks import REPOSITORY, EmbeddedRun, start_embedded

PORTS = {"PORT": 18181, "S3_PORT": 15101, "AMQP_PORT": 15681}
SETTINGS = [
    "GATEWAY_URL", "S3_ENDPOINT_URL", "S3_BUCKET", "AMQP_URL", "IMGHOST_USERNAME", "IMGHOST_PASSWORD",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION",
    "CATALOG_DATABASE_URL", "CATALOG_BROKER_URL", "CATALOG_STATUS_URLS",
]  # fmt: skip
STOPS_WITHIN_S = 12.0

pytestmark = pytest.mark.skipif(rabbitmq.find_script() is None, reason="RabbitMQ is not installed on this machine")
Start = Callable[..., EmbeddedRun]


def living(home: Path) -> list[int]:
    return leftovers.find(Home(home))


def processes_by_command(text: str) -> list[int]:
    """Return all processes with `text` in their command line, whoever started them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def child_pid(home: Path, name: str, command: str) -> int:
    """Return the process of one child, by the log that its output goes to."""
    log = str(home / "run" / "logs" / f"{name}.log")
    for pid in living(home):
        try:
            if str(Path(f"/proc/{pid}/fd/1").readlink()) == log and command in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        except OSError:
            continue
    return pytest.fail(f"{name} does not run")


def assert_nothing_is_left(run: EmbeddedRun) -> None:
    assert living(run.home) == []
    assert processes_by_command(str(run.home)) == []
    assert not (run.home / "run.env").exists()
    for port in PORTS.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"somebody still listens on {port}"


def last_line(run: EmbeddedRun) -> str:
    """Return the run's own last line; lines of logs that follow a failure are indented."""
    return [line for line in run.said().splitlines() if line and not line.startswith(" ")][-1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[EmbeddedRun] = []

    def start(
        *arguments: str, home: Path | None = None, command: tuple[str, ...] = (), **environment: str
    ) -> EmbeddedRun:
        run = start_embedded(
            home or tmp_path / "home",
            tmp_path / f"output-{len(runs)}",
            PORTS,
            *arguments,
            command=command,
            **environment,
        )
        runs.append(run)
        return run

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.wait_for_end()


def test_what_it_shows_works_and_ctrl_c_ends_all_of_it(start: Start) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed on this machine")
    run = start(command=("make", "--no-print-directory", "run"))
    settings = run.wait_until_ready()
    said = run.said()

    assert list(settings) == SETTINGS
    assert (run.home / "run.env").stat().st_mode & 0o777 == 0o600
    assert settings["GATEWAY_URL"] == "http://127.0.0.1:18181"
    assert settings["S3_ENDPOINT_URL"] == "http://127.0.0.1:15101"
    assert "starts fresh" in said
    assert "WARNING" not in said
    assert len(said.splitlines()) < 80

    sample = json.loads(said[said.index("\n{") : said.index("\n}") + 2])
    assert sample["status"] == "ready"
    assert sample["size"] == {"width": 1600, "height": 1067}
    for url in [sample["url"], *(thumb["url"] for thumb in sample["thumbs"])]:
        with Image.open(io.BytesIO(requests.get(url, timeout=10).content)) as picture:
            picture.load()

    private, public = (json.loads(answer_of(line)) for line in re.findall(r"^  (curl .*)$", said, re.MULTILINE))
    assert [image["s3_key"] for image in private] == [sample["s3_key"]]
    assert public == sample
    page = re.search(r"http://\S+/api/docs", said)
    assert page is not None
    assert requests.get(page[0], timeout=10).headers["Content-Type"].startswith("text/html")

    second = start(home=run.home)
    assert second.wait_for_end() == 1
    assert re.fullmatch(r"imghost: already running here as process \d+ .*nothing was changed\n", second.said())
    assert requests.get(f"{settings['GATEWAY_URL']}/readyz", timeout=10).ok

    assert len(living(run.home)) > 10
    os.killpg(run.process.pid, signal.SIGINT)
    run.wait_for_end(STOPS_WITHIN_S)
    assert "SIGINT: everything is stopped" in run.said()
    assert_nothing_is_left(run)


def answer_of(line: str) -> str:
    command = line.replace("curl ", "curl --silent --show-error --fail ", 1)
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout  # noqa: S602 - as pasted


@pytest.mark.parametrize(
    ("name", "command"), [("rabbitmq", "beam"), ("gateway", "gateway"), ("imaging-worker", "imaging")]
)
def test_dead_child_is_named_and_everything_is_stopped(start: Start, name: str, command: str) -> None:
    run = start("--no-sample")
    run.wait_until_ready()

    os.kill(child_pid(run.home, name, command), signal.SIGKILL)

    assert run.wait_for_end() == 1
    assert last_line(run).startswith(f"imghost: {name} ended unexpectedly")
    assert_nothing_is_left(run)


def test_closed_terminal_ends_all_of_it(start: Start) -> None:
    master, slave = os.openpty()
    # The run leads a session without a terminal, so that the first terminal it opens becomes its own.
    # Where the tests themselves run under nohup, it would ignore the signal of a closed terminal, as it should.
    hears = ("env", "--default-signal=HUP")
    run = start(command=(*hears, "sh", "-c", f"exec {sys.executable} -m embedded <>{os.ttyname(slave)} >&0 2>&0"))
    while not living(run.home):
        assert run.process.poll() is None
        time.sleep(0.05)

    os.close(slave)
    os.close(master)

    assert run.wait_for_end(STOPS_WITHIN_S) == 0, "the signal was not understood"
    assert_nothing_is_left(run)


def test_launcher_that_is_killed_leaves_nothing_behind(start: Start) -> None:
    run = start("--no-sample")
    run.wait_until_ready()

    run.process.kill()

    run.wait_for_end()
    deadline = time.monotonic() + STOPS_WITHIN_S
    while living(run.home) and time.monotonic() < deadline:
        time.sleep(0.1)
    (run.home / "run.env").unlink(missing_ok=True)  # that file is what nobody is left to remove
    assert_nothing_is_left(run)


def test_stop_while_it_starts_leaves_nothing_behind(start: Start) -> None:
    run = start()
    run.wait_for_line("starting RabbitMQ")

    run.process.send_signal(signal.SIGTERM)

    assert run.wait_for_end(STOPS_WITHIN_S) == 0
    assert last_line(run) == "SIGTERM: everything is stopped"
    assert_nothing_is_left(run)


@pytest.mark.parametrize("name", PORTS)
def test_port_in_use_is_one_line_and_nothing_is_started(start: Start, name: str) -> None:
    with socket.create_server(("127.0.0.1", PORTS[name])):
        run = start()
        assert run.wait_for_end() == 1

    assert re.fullmatch(rf"imghost: port {PORTS[name]} is in use; .*{name}=.*nothing was started\n", run.said())
    assert not (run.home / "run").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(file: Path, mib: int) -> None:
    """Write `mib` mebibytes, or until the disk is full."""
    with suppress(OSError), file.open("wb", buffering=0) as output:
        for _ in range(mib):
            output.write(bytes(1024 * 1024))


def test_with_an_s3_of_ones_own_pictures_stay_and_no_other_s3_is_started(start: Start, kept_s3: str) -> None:
    s3 = s3_client(kept_s3)
    s3.create_bucket(Bucket="of-a-person")
    own = {
        "S3_ENDPOINT_URL": kept_s3,
        "S3_BUCKET": "of-a-person",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    }
    run = start(PORT="0", **own)
    settings = run.wait_until_ready()
    said = run.said()
    assert f"Pictures go into the bucket of-a-person of {kept_s3} and stay there." in said
    assert "forgets" not in said
    assert "starting RabbitMQ, making" in said
    assert {name: settings[name] for name in own} == own
    assert "s3.log" not in {log.name for log in (run.home / "run" / "logs").iterdir()}
    assert s3.list_objects_v2(Bucket="of-a-person")["KeyCount"] == 0, "something was put in without need"

    s3.put_object(Bucket="of-a-person", Key="a/lake.jpg", Body=photo(64, 48))
    user = ValidatingClient(settings["GATEWAY_URL"], (settings["IMGHOST_USERNAME"], settings["IMGHOST_PASSWORD"]))
    assert user.post("/api/images", json={"s3_key": "a/lake.jpg"}).status == 201
    assert user.settled("a/lake.jpg")["url"] == f"{kept_s3}/of-a-person/a/lake.jpg"
    user.close()
    run.process.terminate()
    assert run.wait_for_end() == 0
    left = [found["Key"] for found in s3.list_objects_v2(Bucket="of-a-person")["Contents"]]
    assert left == ["a/lake.jpg", *(f"a/t{square}/lake.jpg" for square in (128, 256, 512, 64))]
    for key in left:
        s3.delete_object(Bucket="of-a-person", Key=key)
    s3.delete_bucket(Bucket="of-a-person")


def test_s3_of_ones_own_that_is_not_there_is_one_line_and_nothing_is_started(start: Start) -> None:
    run = start(
        S3_ENDPOINT_URL="http://127.0.0.1:9", S3_BUCKET="pics", AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="secret"
    )
    assert run.wait_for_end() == 1
    assert run.said() == "imghost: no S3 answers at http://127.0.0.1:9 (S3_ENDPOINT_URL); nothing was started\n"
    assert not (run.home / "run").exists()


def test_full_disk_is_one_line_and_everything_is_stopped(start: Start, small_disk: Path) -> None:
    home, ballast = small_disk / "home", small_disk / "ballast"
    for taken_mib in (150, 1000):
        fill(ballast, taken_mib)
        refused = start(home=home)
        assert refused.wait_for_end() == 1
        assert re.fullmatch(r"imghost: the disk of \S+ is full: \d+ MiB free.*\n", refused.said())
    assert not (home / "run").exists()

    ballast.unlink()
    run = start("--no-sample", home=home)
    run.wait_until_ready()
    fill(ballast, 1000)

    assert run.wait_for_end() == 1
    assert re.fullmatch(r"imghost: the disk of \S+ is full: \d+ MiB free.*", last_line(run))
    assert_nothing_is_left(run)


def test_json_says_how_to_use_the_run_and_nothing_else_is_on_standard_output(tmp_path: Path) -> None:
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in {"AMQP_URL", "S3_ENDPOINT_URL", "S3_BUCKET"}
        },
        **dict.fromkeys(PORTS, "0"),
        "PYTHONPATH": str(REPOSITORY / "embedded" / "src"),
        "IMGHOST_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "embedded", "--once", "--no-sample", "--json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=150)
    document = json.loads(done.stdout)
    assert document["url"].startswith("http://127.0.0.1:")
    assert (document["username"], document["sample"]) == ("demo", None)
    assert document["password"] in done.stderr
