"""The namespace that all tests of a session share, and the table at the end. They run with K8S_TEST=1 only.

If the session fails, what the pods are and logged is in .imghost/k8s-test. KEEP=1 takes the namespace as it is,
and leaves it so. The report is written by a run of all of them, to the end, from an empty namespace.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from cluster import report
from cluster.cluster import HOME, OURS, Cluster, keep
from cluster.report import Row
from cluster.stack import ClusterStack
from faults.trial import Trial
from pictures import photo

ROWS = pytest.StashKey[list[Row]]()
TESTS = pytest.StashKey[int]()
ARE_ALL = pytest.StashKey[bool]()


class Note:
    """What a check has found, in sentences; the check is a row of the table."""

    def __init__(self) -> None:
        self.result = "failed"
        self.found: list[str] = []

    def __call__(self, sentence: str) -> None:
        """Say what was found: the check has passed."""
        self.result = "passed"
        self.found.append(sentence)

    def not_run(self, reason: str) -> NoReturn:
        """Skip the check, and say why."""
        self.result = "not run"
        self.found.append(reason)
        pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.parent.name == "cluster"]
    if os.environ.get("K8S_TEST"):
        files = {item.path for item in ours}
        config.stash[ARE_ALL] = files == set(Path(__file__).parent.glob("test_*.py"))
        config.stash[TESTS] = len(ours)
        return
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in set(ours)]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The namespace with the trial in it, all pods ready."""
    made = Cluster()
    if not os.environ.get("KEEP"):
        made.down()
    HOME.mkdir(parents=True, exist_ok=True)
    made.prepare()
    began = time.monotonic()
    made.kubectl("apply", "--kustomize", str(HOME / "k8s" / "overlays" / "test"))
    made.wait_until_ready()
    version = json.loads(made.kubectl("version", "--output=json"))["serverVersion"]["gitVersion"]
    if not os.environ.get("KEEP"):
        took = time.monotonic() - began
        said = f"Kubernetes {version}: all pods ready {took:.0f} s after the apply of an empty namespace"
        request.config.stash[ROWS].append(Row("one apply", "passed", said))
    yield made
    if request.session.testsfailed:
        keep("pods.txt", made.kubectl("get", "pods", "--output=wide") + made.kubectl("get", "events"))
        for name in OURS:
            options = ("--tail=-1", "--prefix", "--max-log-requests=20")
            keep(f"{name}.log", made.kubectl("logs", f"--selector=app.kubernetes.io/name={name}", *options))
    made.close()
    if not os.environ.get("KEEP"):
        made.down()


@pytest.fixture(scope="session")
def stack(cluster: Cluster) -> ClusterStack:
    """The parts of the trial at ports of this machine, with users."""
    made = ClusterStack(cluster)
    made.wait_until_serving()
    made.make_users()
    return made


@pytest.fixture
def image(stack: ClusterStack) -> tuple[str, str]:
    """The key of a ready image, and an API key of its owner."""
    user = stack.users[0]
    key = f"rollouts/{secrets.token_hex(4)}.jpg"
    stack.s3().put_object(Bucket="imghost", Key=key, Body=photo(64, 48))
    assert user.post("/api/images", json={"s3_key": key}).status == 201
    user.settled(key)
    return key, user.post("/api/api-keys", json={"description": "sender"}).json()["key"]


@pytest.fixture
def trial(stack: ClusterStack, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """A trial of the fault tests on the cluster."""
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**9))
    name = request.node.name.removeprefix("test_").replace("[", "-").removesuffix("]").replace("_", "-")
    begun = Trial(name, seed, stack, [])
    stack.wait_until_serving()
    yield begun
    if not begun.passed:
        begun.keep_ledger(HOME / f"{begun.name}.ledger")


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Iterator[Note]:
    """Takes what a check has found."""
    made = Note()
    yield made
    name = request.node.name.removeprefix("test_").replace("_", " ").replace("[", ": ").removesuffix("]")
    request.config.stash[ROWS].append(Row(name, made.result, "; ".join(made.found)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    terminalreporter.section("Kubernetes")
    for line in report.table(rows):
        terminalreporter.write_line(line)
    # One row is of the apply of an empty namespace, the others of a test each.
    if config.stash[ARE_ALL] and len(rows) == 1 + config.stash[TESTS]:
        report.write(rows)
