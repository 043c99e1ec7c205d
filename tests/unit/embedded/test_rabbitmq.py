from pathlib import Path

import pytest

from embedded.faults import RunFailed
from embedded.home import Home
from embedded.parts import broker, rabbitmq
from embedded.parts.ports import free_ports

PORTS = rabbitmq.BrokerPorts(amqp=15690, distribution=15691, name_service=15692)


def test_everything_listens_on_this_machine_only(home: Home) -> None:
    name_service, server = rabbitmq.children(home, Path("/usr/lib/rabbitmq-server"), PORTS, "secret")

    assert "listeners.tcp.local = 127.0.0.1:15690" in rabbitmq.configuration(15690, "secret").splitlines()
    assert "inet_dist_use_interface {127,0,0,1}" in server.environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    assert name_service.command == ("epmd", "-address", "127.0.0.1", "-port", "15692")


def test_nothing_is_shared_with_another_broker(home: Home) -> None:
    _, server = rabbitmq.children(home, Path("/usr/lib/rabbitmq-server"), PORTS, "secret")

    folders = {value for value in server.environment.values() if value.startswith("/") and ":" not in value}
    assert all(Path(folder).is_relative_to(home.root) for folder in folders)
    assert server.environment["RABBITMQ_NODENAME"] == "imghost-15690@localhost"
    assert server.environment["ERL_EPMD_PORT"] == "15692"
    assert "-start_epmd false" in server.environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]


def test_password_is_in_no_command_line_and_in_no_readable_file(home: Home) -> None:
    children = rabbitmq.children(home, Path("/usr/lib/rabbitmq-server"), PORTS, "secret")

    assert not any("secret" in word for child in children for word in child.command)
    holders = [path for path in home.run.rglob("*") if path.is_file() and "secret" in path.read_text()]
    assert [path.stat().st_mode & 0o077 for path in holders] == [0]


def test_missing_script_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rabbitmq.find_script([tmp_path / "missing"]) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "rabbitmq-server").touch()
    assert rabbitmq.find_script([tmp_path / "rabbitmq-server"]) is None, "Erlang is missing"


def test_foreign_broker_that_is_not_there_is_named_without_its_password() -> None:
    (port,) = free_ports(1)

    with pytest.raises(RunFailed, match=rf"no RabbitMQ lets us in at amqp://127\.0\.0\.1:{port}/v \(AMQP_URL\)"):
        broker.require(f"amqp://me:secret@127.0.0.1:{port}/v")


@pytest.mark.parametrize("text", ["nonsense", "amqp://host:notaport/", "amqp://h:1/?heartbeat=often"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(RunFailed, match="AMQP_URL"):
        broker.require(text)
