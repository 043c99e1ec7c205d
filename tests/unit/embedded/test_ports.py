import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.faults import RunFailed
from embedded.parts.ports import LOOPBACK, Ports, free_ports, read_ports


@pytest.fixture(params=[LOOPBACK, ""], ids=["loopback", "every-address"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    with socket.create_server((request.param, 0)) as server:
        yield int(server.getsockname()[1])


def settings(**changes: object) -> dict[str, str]:
    gateway, s3, amqp = free_ports(3)
    return {name: str(value) for name, value in ({"PORT": gateway, "S3_PORT": s3, "AMQP_PORT": amqp} | changes).items()}


def test_free_ports_are_accepted() -> None:
    environ = settings()

    ports = read_ports(environ, private_broker=True)

    assert ports == Ports(*(int(environ[name]) for name in ("PORT", "S3_PORT", "AMQP_PORT")))


@pytest.mark.parametrize("name", ["PORT", "S3_PORT", "AMQP_PORT"])
def test_port_in_use_is_named_with_the_variable_that_changes_it(taken: int, name: str) -> None:
    with pytest.raises(RunFailed, match=rf"^port {taken} is in use; .*{name}=.*nothing was started$"):
        read_ports(settings(**{name: taken}), private_broker=True)


def test_amqp_port_does_not_matter_with_a_foreign_broker(taken: int) -> None:
    assert read_ports(settings(AMQP_PORT=taken), private_broker=False).amqp == 0


@pytest.mark.parametrize("text", ["65536", "-1", "http", "8080.0", "¹", " 8080"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(RunFailed, match=r"S3_PORT=.* is no port"):
        read_ports(settings(S3_PORT=text), private_broker=True)


def test_s3_port_does_not_matter_with_an_s3_of_ones_own(taken: int) -> None:
    assert read_ports(settings(S3_PORT=taken), private_broker=True, private_s3=False).s3 == 0


def test_0_takes_any_port_that_is_free() -> None:
    ports = read_ports({"PORT": "0", "S3_PORT": "0", "AMQP_PORT": "0"}, private_broker=True)
    assert len({ports.gateway, ports.s3, ports.amqp} - {0}) == 3


def test_one_port_for_two_servers_is_refused() -> None:
    (port,) = free_ports(1)

    with pytest.raises(RunFailed, match=f"PORT and S3_PORT are both {port}"):
        read_ports(settings(PORT=port, S3_PORT=port), private_broker=True)


def test_empty_variable_means_the_default() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.connect_ex((LOOPBACK, 8080)) == 0:
            pytest.skip("somebody uses 8080")
    assert read_ports(settings(PORT=""), private_broker=True).gateway == 8080


def test_free_ports_differ() -> None:
    first = free_ports(20)
    assert len(set(first + free_ports(20, besides=first))) == 40


def test_outgoing_connections_never_get_a_port_that_was_chosen() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if first <= 20_000 and last >= 65_534:
        pytest.skip("this machine has no other ports")
    assert not any(first <= port <= last for port in free_ports(50))


def test_any_port_does_where_all_are_for_outgoing_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = tmp_path / "ip_local_port_range"
    everything.write_text("1024\t65535\n")
    monkeypatch.setattr("embedded.parts.ports.RANGE_OF_OUTGOING_CONNECTIONS", everything)
    assert len(set(free_ports(5))) == 5
