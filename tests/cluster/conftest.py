"""The namespace that all tests of a session share, and the table at the end. They run with K8S_TEST=1 only.

If the session fails, what the pods are and logged is in .imghost/k8s-test. KEEP=1 takes the namespace as it is,
and leaves it so.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from cluster import report
from cluster.cluster import HOME, OURS, Cluster, keep
from cluster.report import Row
from cluster.stack import ClusterStack
from faults.trial import Trial

HERE = __name__.rpartition(".")[0]
ROWS = pytest.StashKey[list[Row]]()
Note = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("K8S_TEST"):
        return
    ours = [item for item in items if item.path.parent.name == "cluster"]
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
    """A function that says, in a sentence, what a check has found; the check is a row of the table."""
    found: list[str] = []
    yield found.append
    name = request.node.name.removeprefix("test_").replace("_", " ").replace("[", ": ").removesuffix("]")
    result = "passed" if found else "failed"
    request.config.stash[ROWS].append(Row(name, result, "; ".join(found)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    terminalreporter.section("Kubernetes")
    for line in report.table(rows):
        terminalreporter.write_line(line)
    report.keep(rows)
