"""A wrong setting, a missing secret, a database that cannot be reached: the pod says so, and the service goes on."""

import json

import pytest

from cluster.cluster import NAME, Cluster, Document
from cluster.conftest import Note
from cluster.stack import ClusterStack
from deadlines import until
from pictures import photo

SOON_S = 90.0


def newest(cluster: Cluster, name: str) -> Document:
    """Return the pod of a process that was made last."""
    return max(cluster.pods(name), key=lambda pod: (pod["metadata"]["creationTimestamp"], not _is_ready(pod)))


def _is_ready(pod: Document) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def said_by(pod: Document) -> str:
    """Return what a pod says of why it does not run."""
    [status] = pod["status"].get("containerStatuses") or [{}]
    states = [
        status.get(each, {}).get(kind, {}) for each in ("state", "lastState") for kind in ("waiting", "terminated")
    ]
    return " ".join(state.get("message", "") for state in states)


def wait_for(cluster: Cluster, name: str, sentence: str) -> str:
    """Wait until the newest pod of a process says `sentence`, in its status or its log; it must not be ready."""

    def says() -> str | None:
        pod = newest(cluster, name)
        if _is_ready(pod):
            return None
        started = bool(pod["status"].get("containerStatuses"))
        log = (
            cluster.kubectl("logs", pod["metadata"]["name"], "--tail=50")
            if started and "waiting" not in json.dumps(pod["status"]["containerStatuses"][0]["state"])
            else ""
        )
        return sentence if sentence in said_by(pod) + log else None

    return until(says, SOON_S, f"no pod of {name} says {sentence!r}")


def heals(cluster: Cluster, stack: ClusterStack) -> None:
    """Wait until all is as it was, and served."""
    cluster.wait_until_ready()
    stack.wait_until_serving()


def test_wrong_setting_is_one_sentence_and_the_old_pods_go_on(
    cluster: Cluster, stack: ClusterStack, note: Note
) -> None:
    cluster.prepare({"catalog": {"CATALOG_PAGE_BYTES": "1"}})
    cluster.apply()
    try:
        wait_for(cluster, "catalog", "CATALOG_PAGE_BYTES: Input should be greater than or equal to")
        assert stack.users[0].get("/api/images").status == 200
    finally:
        cluster.prepare()
        cluster.apply()
    heals(cluster, stack)
    note("bad settings: CATALOG_PAGE_BYTES: …; requests are served by the old pods; heals with the setting")


def test_missing_secret_is_named_and_the_old_pods_go_on(cluster: Cluster, stack: ClusterStack, note: Note) -> None:
    path = "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef/key"
    patch = [{"op": "replace", "path": path, "value": "NOT_THERE"}]
    with cluster.patched("deployment/auth", patch):
        wait_for(cluster, "auth", "couldn't find key NOT_THERE in Secret")
        assert stack.users[0].get("/api/images").status == 200
    heals(cluster, stack)
    note("couldn't find key … in Secret …; requests are served by the old pods; heals with the secret")


@pytest.mark.parametrize("name", ["catalog", "catalog-worker"])
def test_unreachable_database_is_logged_and_no_pod_restarts(
    cluster: Cluster, stack: ClusterStack, note: Note, name: str
) -> None:
    before = {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in cluster.pods(name)
    }
    edges = [{"op": "replace", "path": "/spec/ingress", "value": []}]
    with cluster.patched("networkpolicy/postgres", edges):
        cluster.kubectl("rollout", "restart", f"deployment/{name}")
        wait_for(cluster, name, "database does not answer")
        old = [pod for pod in cluster.pods(name) if pod["metadata"]["name"] in before]
        assert old
        assert all(map(_is_ready, old))
    heals(cluster, stack)
    for pod in cluster.pods(name):
        assert pod["metadata"]["labels"][NAME] == name
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    note("the new pod waits unready and logs why, the old ones stay ready; heals by itself, no restart")


@pytest.mark.parametrize("name", ["catalog", "catalog-worker"])
def test_older_schema_is_waited_for_and_a_newer_one_is_worked_with(
    cluster: Cluster, stack: ClusterStack, note: Note, name: str
) -> None:
    [row] = stack.query("catalog", "SELECT version_num FROM alembic_version")
    here = row["version_num"]

    def pretend(revision: str) -> None:
        stack.query("catalog", "UPDATE alembic_version SET version_num = %s RETURNING version_num", revision)

    pretend("0001")
    try:
        cluster.kubectl("rollout", "restart", f"deployment/{name}")
        wait_for(cluster, name, "waiting for the schema")
        assert stack.users[0].get("/api/images").status == 200
        pretend("of-a-later-release")
        heals(cluster, stack)
    finally:
        pretend(here)
    heals(cluster, stack)
    assert {pod["status"]["containerStatuses"][0]["restartCount"] for pod in cluster.pods(name)} == {0}
    note("the new pod waits unready for an older schema and logs it; it gets ready on a newer one; no restart")


def test_bucket_that_refuses_is_one_line_and_its_pictures_wait(
    cluster: Cluster, stack: ClusterStack, note: Note
) -> None:
    path = "/spec/template/spec/containers/0/env/2/valueFrom/secretKeyRef"
    patch = [{"op": "replace", "path": path, "value": {"name": "s3-administrator", "key": "S3_SECRET_ACCESS_KEY"}}]
    user, key = stack.users[0], "bad-input/picture.jpg"
    with cluster.patched("deployment/imaging", patch):
        cluster.wait_until_ready()
        stack.s3().put_object(Bucket="imghost", Key=key, Body=photo(64, 48))
        assert user.post("/api/images", json={"s3_key": key}).status in {201, 409}
        user.put(f"/api/images/{key}", json={"reprocess": True})
        until(
            lambda: "S3 refuses a bucket, its jobs wait" in cluster.kubectl("logs", "deployment/imaging", "--tail=50"),
            SOON_S,
            "imaging does not say that S3 refuses the bucket",
        )
        assert _is_ready(newest(cluster, "imaging"))
        assert user.get(f"/api/images/{key}").json()["status"] == "pending"
    heals(cluster, stack)
    assert user.settled(key, 120)["status"] == "ready"
    note("S3 refuses a bucket, its jobs wait; the picture is ready when the credential is right again")
