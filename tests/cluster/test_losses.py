"""Pods deleted and scaled under load, with the ledger of the fault tests: nothing is lost and nothing done twice."""

import pytest
from botocore.exceptions import ClientError

from cluster.cluster import OURS, Cluster
from cluster.conftest import Note
from cluster.stack import ClusterStack
from deadlines import until
from faults.load import Client
from faults.trial import Trial
from manifests import DATA_SERVICES

# PostgreSQL would wait for its clients on SIGTERM; on SIGQUIT it ends at once, as in a crash.
ENDS = {"postgres": "QUIT"}


class UploadsLater(Client):
    """A client that takes a refusal of S3 for an S3 that is away: while one starts, it knows nobody yet."""

    def put_original(self, key: str) -> bool:
        try:
            return super().put_original(key)
        except ClientError:
            return False


def figures(trial: Trial) -> str:
    [row] = trial.rows
    return (
        f"{row.operations} operations, {row.acknowledged} acknowledged, {row.lost} lost, {row.duplicated} done twice, "
        f"at rest after {row.heal_s} s"
    )


@pytest.mark.parametrize("name", OURS)
def test_deleted_pods_lose_nothing(cluster: Cluster, stack: ClusterStack, trial: Trial, note: Note, name: str) -> None:
    def delete_each() -> None:
        for pod in cluster.pods(name):
            cluster.delete(pod["metadata"]["name"])
            cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=300s")
            if name == "gateway":
                stack.reach_gateway()

    trial.survives(delete_each, hit=[name])
    note(figures(trial))


@pytest.mark.parametrize("name", sorted(DATA_SERVICES))
def test_data_services_that_end_lose_nothing(cluster: Cluster, trial: Trial, note: Note, name: str) -> None:
    """Of the trial's volumes the container finds all again; they are gone with the pod, which is not deleted here."""
    pod = f"{name}-0"

    def restarts() -> int:
        [status] = cluster.pods(name)[0]["status"]["containerStatuses"]
        return int(status["restartCount"])

    before = restarts()

    def end() -> None:
        cluster.execute(pod, "sh", "-c", f"kill -{ENDS.get(name, 'TERM')} 1")
        until(lambda: restarts() > before, 60, f"the container of {pod} does not end")
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=120s")

    trial.client = UploadsLater
    trial.survives(end, hit=[name])
    note(figures(trial))


def test_imaging_scaled_1_3_0_1_with_work_in_flight_loses_nothing(cluster: Cluster, trial: Trial, note: Note) -> None:
    def scale() -> None:
        for count in (3, 0, 1):
            cluster.kubectl("scale", "deployment/imaging", f"--replicas={count}")
            cluster.kubectl("rollout", "status", "deployment/imaging", "--timeout=300s")
            trial.load.wait_for_answers(30)

    trial.survives(scale, hit=["imaging"])
    note(figures(trial))
