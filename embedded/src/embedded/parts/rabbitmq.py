"""A RabbitMQ for this run alone: it shares no node, data, port, cookie or name service with another on the machine.

Works with RabbitMQ 3.10 to 4.x. Everything listens on 127.0.0.1. Its name service, epmd, is a child of the run, because
Erlang would start one in the background that outlives the run.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.home import Home
from embedded.parts.ports import LOOPBACK
from embedded.processes.child import Child, base_environment

USER = VHOST = "imghost"
DISK_FREE_LIMIT_MIB = 50
MEMORY_LIMIT_MIB = 512
LOG_SEGMENT_BYTES = 32 * 1024 * 1024
"""Size of a file of the quorum queues' write-ahead log; the default of 512 MiB fills small disks."""

# The script itself, not the wrapper of the packages in /usr/sbin, which switches to another user.
SCRIPTS = (
    Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Path("/opt/rabbitmq/sbin/rabbitmq-server"),
    Path("/usr/local/opt/rabbitmq/sbin/rabbitmq-server"),
    Path("/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server"),
)


def find_script(candidates: Sequence[Path] = SCRIPTS) -> Path | None:
    """Return the script that starts RabbitMQ, or None if it or Erlang is not installed."""
    if not (shutil.which("epmd") and shutil.which("erl")):
        return None
    return next((path for path in candidates if path.is_file()), None)


def amqp_url(port: int, password: str) -> str:
    """Return the URL by which clients reach the private broker."""
    return f"amqp://{USER}:{password}@{LOOPBACK}:{port}/{VHOST}"


def configuration(port: int, password: str) -> str:
    """Return rabbitmq.conf. The password keeps other users of the machine out."""
    return "\n".join(
        (
            f"listeners.tcp.local = {LOOPBACK}:{port}",
            f"default_user = {USER}",
            f"default_pass = {password}",
            f"default_vhost = {VHOST}",
            f"disk_free_limit.absolute = {DISK_FREE_LIMIT_MIB}MB",
            f"vm_memory_high_watermark.absolute = {MEMORY_LIMIT_MIB}MB",
            "log.console = true",
            "log.console.level = info",
            "log.console.use_colors = off",
            "log.file = false",
            "",
        )
    )


@dataclass(frozen=True)
class BrokerPorts:
    """The ports for clients, for other Erlang nodes, and of the name service."""

    amqp: int
    distribution: int
    name_service: int


def children(home: Home, script: Path, ports: BrokerPorts, password: str) -> tuple[Child, Child]:
    """Write the broker's files under the state folder; return the name service, and the server, which needs that."""
    folder = home.run / "rabbitmq"
    for part in (folder, folder / "conf.d", folder / "data", folder / "schema", folder / "generated"):
        part.mkdir(mode=0o700)
    files = {
        "rabbitmq.conf": configuration(ports.amqp, password),
        "advanced.config": f"[{{ra, [{{wal_max_size_bytes, {LOG_SEGMENT_BYTES}}}]}}].\n",
        "enabled_plugins": "[].\n",
        "rabbitmq-env.conf": "",
    }
    for name, text in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text, encoding="utf-8")
    erlang = base_environment(home) | {
        "HOME": str(folder),  # Erlang keeps its cookie there
        "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(ports.name_service),
    }
    broker = erlang | {
        "RABBITMQ_NODENAME": f"imghost-{ports.amqp}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(home.logs),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    name_service = ("epmd", "-address", LOOPBACK, "-port", str(ports.name_service))
    return Child("epmd", name_service, erlang), Child("rabbitmq", (str(script),), broker)
