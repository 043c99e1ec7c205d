"""The cluster as the load and the audit of the fault tests see a stack: where its parts are, and what they show."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from botocore.config import Config
from psycopg.rows import dict_row

from clients import ValidatingClient
from cluster.cluster import NAMESPACE, OURS, S3_PORT, Cluster
from deadlines import until
from faults.stack import USERS, Stack, Started
from manifests import kubectl
from users import create_user

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SERVERS = {"postgres": 5432, "rabbitmq": 5672}


class ClusterStack(Stack):
    """The parts of the trial, each at a port of this machine."""

    def __init__(self, cluster: Cluster) -> None:
        names = ("postgres", "rabbitmq", "s3-administrator", "catalog-s3", "imaging-s3", "auth-first-user")
        secrets = {name: value for secret in names for name, value in cluster.secret(secret).items()}
        public = {"AUTH_FIRST_USERNAME", *(name for name in secrets if name.endswith("ACCESS_KEY_ID"))}
        super().__init__(environment={name: value for name, value in secrets.items() if name not in public})
        self.cluster = cluster
        self.s3_access_key_id = secrets["S3_ACCESS_KEY_ID"]
        self.ports = {name: cluster.forward(name, port) for name, port in SERVERS.items()}
        cluster.forward("s3", 5000, S3_PORT)
        self.reach_gateway()

    def reach_gateway(self) -> None:
        """Renew the port-forward to the gateway, which ends with the pod that it leads to."""
        self.gateway_port = self.cluster.forward("gateway", 8000, getattr(self, "gateway_port", 0))

    def gateway_url(self) -> str:
        """Return the address of the gateway, as seen from here."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def make_users(self) -> None:
        """Create the users of the load; one uses an API key in place of the password."""
        self.users = [create_user(self.settings()) for _ in range(USERS)]
        self.users[-1].auth = self.users[-1].post("/api/api-keys", json={"description": "load"}).json()["key"]

    def settings(self) -> Mapping[str, str]:
        """Return the settings of a client of the system tests."""
        command = f"{kubectl()} --namespace {NAMESPACE} exec --stdin"
        return {
            "GATEWAY_URL": self.gateway_url(),
            "IMGHOST_URL": self.gateway_url(),
            "IMGHOST_USERNAME": "demo",
            "IMGHOST_PASSWORD": self.environment["AUTH_FIRST_PASSWORD"],
            "AUTH_COMMAND": f"{command} deployment/auth -- auth",
            "ELSEWHERE_COMMAND": f"{command} client -- python - http://gateway:8000 ''",
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}",
            "S3_BUCKET": "imghost",
            "AWS_ACCESS_KEY_ID": self.s3_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.environment["S3_SECRET_ACCESS_KEY"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def s3(self) -> "S3Client":
        """Return a client of S3 with all rights."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{S3_PORT}",
            region_name="us-east-1",
            aws_access_key_id=self.s3_access_key_id,
            aws_secret_access_key=self.environment["S3_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=20),
        )

    def query(self, database: str, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Query a database as its superuser. Raise `psycopg.Error` if it does not answer."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.ports["postgres"],
            user="postgres",
            password=self.environment["POSTGRES_PASSWORD"],
            dbname=database,
            connect_timeout=5,
            autocommit=True,
            row_factory=dict_row,
        ) as connection:
            return connection.execute(statement, parameters or None).fetchall()

    def amqp_url(self) -> str:
        """Return the URL of the broker as seen from here."""
        return f"amqp://imghost:{self.environment['RABBITMQ_DEFAULT_PASS']}@127.0.0.1:{self.ports['rabbitmq']}/%2F"

    def execute(self, service: str, *command: str) -> str:
        """Run a command in the pod of a data service; return its output."""
        return self.cluster.execute(f"{service}-0", *command)

    def starts(self) -> set[Started]:
        """Return the last start of every container that runs."""
        return {
            Started(
                pod["metadata"]["labels"].get("app.kubernetes.io/name", ""),
                pod["metadata"]["name"],
                json.dumps(status["state"].get("running", {})),
                status["restartCount"],
            )
            for pod in self.cluster.get("pods")
            for status in pod["status"].get("containerStatuses", [])
        }

    def logs(self, since: str) -> Mapping[str, str]:
        """Return the logs of every process of ours since a moment."""
        selected = [f"--selector=app.kubernetes.io/name={name}" for name in OURS]
        options = (f"--since-time={since}", "--tail=-1", "--prefix", "--max-log-requests=20")
        return {each: self.cluster.kubectl("logs", each, *options) for each in selected}

    def wait_until_serving(self) -> None:
        """Wait until a request passes gateway, auth, catalog and the database."""
        credentials = ("demo", self.environment["AUTH_FIRST_PASSWORD"])

        def answers() -> bool:
            client = ValidatingClient(self.gateway_url(), credentials, timeout_s=5)
            try:
                return client.get("/api/images?limit=1").status == 200
            except OSError:
                self.reach_gateway()
                return False
            finally:
                client.close()

        until(answers, 120, "the gateway does not answer")
