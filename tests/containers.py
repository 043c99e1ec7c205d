"""Fixtures that need a container engine: a PostgreSQL, a RabbitMQ, and the whole compose stack.

Without a container engine the tests that need one are skipped, and one line at the end says so loudly; with
IMGHOST_REQUIRE_ENGINE=1 they are errors. The images are those of `make base-images`, else the public ones.
"""

import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

ROOT = Path(__file__).parent.parent
PUBLIC_IMAGES = {
    "POSTGRES_IMAGE": "postgres:17",
    "RABBITMQ_IMAGE": "rabbitmq:4",
    "S3_IMAGE": "versity/versitygw:v1.7.0",
    "NGINX_IMAGE": "nginxinc/nginx-unprivileged:1.28",
}
NO_ENGINE = "no container engine answers (`make engine` starts one)"
COMPOSE_PROJECT = "imghost-test"
COMPOSE_LOG = ROOT / ".imghost" / "compose-test.log"
# Tests send more than a person may.
_OF_AUTH = ("AUTH_REQUESTS_A_MINUTE", "AUTH_WRITES_A_MINUTE", "AUTH_API_KEYS_PER_USER")
_OF_CATALOG = ("CATALOG_IMAGES_PER_USER", "CATALOG_BYTES_PER_USER", "CATALOG_COLLECTIONS_PER_USER")
NO_LIMITS = dict.fromkeys((*_OF_AUTH, *_OF_CATALOG), "0")
PORT, S3_PORT = "18080", "15000"


def images() -> dict[str, str]:
    """Return the names of the images, by the variables of docker-compose.yml that name them."""
    written = ROOT / ".imghost" / "images.env"
    lines = written.read_text().splitlines() if written.exists() else []
    return PUBLIC_IMAGES | dict(line.split("=", 1) for line in lines if "=" in line)


def engine_answers() -> bool:
    try:
        return subprocess.run(["docker", "version"], check=False, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip the test, or fail it where the engine is required, unless a container engine answers."""
    if not engine_answers():
        if os.environ.get("IMGHOST_REQUIRE_ENGINE") == "1":
            pytest.fail(NO_ENGINE, pytrace=False)
        pytest.skip(NO_ENGINE)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # The same place for all of them, so that pytest's summary lists them in one line.
    if report.skipped and isinstance(report.longrepr, tuple) and NO_ENGINE in report.longrepr[2]:
        report.longrepr = (__file__, 1, report.longrepr[2])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.getreports("skipped") if NO_ENGINE in str(report.longrepr)]
    if skipped:
        terminalreporter.section(f"{len(skipped)} TESTS WERE NOT RUN: {NO_ENGINE}", sep="!", red=True, bold=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session for any skipped test if IMGHOST_REQUIRE_ENGINE is set."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if os.environ.get("IMGHOST_REQUIRE_ENGINE") == "1" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def testcontainers_configured() -> None:
    """Set the variables that testcontainers reads once, when it is first imported."""
    # Its reaper would be one more image to pull; the fixtures below remove their containers themselves. Without the
    # override it connects to the address of the engine's bridge, at which ports are not always published.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    os.environ.setdefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")


@pytest.fixture(scope="session")
def postgres_url(engine: None) -> Iterator[str]:  # noqa: ARG001
    """SQLAlchemy's URL of a PostgreSQL server, for its superuser; `database_url` is a database for one test."""
    testcontainers_configured()
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    with PostgresContainer(images()["POSTGRES_IMAGE"], driver="psycopg") as container:
        yield container.get_connection_url()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy's URL of an empty database that only this test uses."""
    with empty_database(postgres_url) as url:
        yield url


@contextmanager
def empty_database(postgres_url: str) -> Iterator[str]:
    """Create an empty database in the server at `postgres_url` for the block; yield SQLAlchemy's URL of it."""
    import sqlalchemy  # noqa: PLC0415

    name = f"test_{uuid4().hex}"
    server = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with server.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    try:
        yield sqlalchemy.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def broker_url(rabbitmq_url: str) -> str:
    """AMQP URL of the broker of most tests. A module that parametrizes this name would start a broker for each test."""
    return rabbitmq_url


@pytest.fixture(scope="session")
def rabbitmq_url(engine: None) -> Iterator[str]:  # noqa: ARG001
    """AMQP URL of a RabbitMQ that all tests of the session share."""
    testcontainers_configured()
    # Not testcontainers' own RabbitMqContainer: its import warns of a deprecation, and warnings are errors here.
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    user, password = "imghost", secrets.token_hex(8)
    broker = DockerContainer(images()["RABBITMQ_IMAGE"]).with_exposed_ports(5672)
    broker.with_envs(RABBITMQ_DEFAULT_USER=user, RABBITMQ_DEFAULT_PASS=password)
    broker.waiting_for(LogMessageWaitStrategy("Server startup complete"))
    with broker as container:
        port = container.get_exposed_port(5672)
        yield f"amqp://{user}:{password}@{container.get_container_host_ip()}:{port}/%2F"


def _compose_command(*words: str) -> list[str]:
    # Only the variables given to it count: a developer's .env may name another S3, whose pictures are real.
    options = ("--file", str(ROOT / "docker-compose.yml"), "--env-file", os.devnull, "--project-name", COMPOSE_PROJECT)
    return ["docker", "compose", *options, *words]


def compose(*words: str, env: Mapping[str, str], check: bool = True) -> str:
    """Run docker compose on the project of the tests and return its output; with `check` a failure fails the test."""
    command = _compose_command(*words)
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, check=False, text=True, stdout=-1, stderr=subprocess.STDOUT
    )
    if check and done.returncode:
        last_lines = "\n".join(done.stdout.splitlines()[-30:])
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{last_lines}", pytrace=False)
    return done.stdout


def pause(container: str) -> None:
    """Freeze all processes of `container`.

    The engine gives up where one of them does not freeze in time, as on a busy machine; it is asked again then.
    """
    for _ in range(5):
        done = subprocess.run(["docker", "pause", container], check=False, text=True, capture_output=True)
        if "unable to freeze" not in done.stderr:
            break
        time.sleep(1)
    if done.returncode:
        pytest.fail(f"docker pause {container} ended with {done.returncode}:\n{done.stderr}", pytrace=False)


@pytest.fixture(scope="session")
def compose_stack(engine: None, request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:  # noqa: ARG001
    """Settings of a client of the compose stack, which is built from this checkout and started for this session.

    If a test of the session fails, the containers' logs are kept in .imghost/compose-test.log.
    """
    client = {
        "GATEWAY_URL": f"http://127.0.0.1:{PORT}",
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}",
        "S3_BUCKET": "imghost",
        "IMGHOST_USERNAME": "demo",
        "IMGHOST_PASSWORD": secrets.token_urlsafe(12),
        "AWS_ACCESS_KEY_ID": "client",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(12),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AUTH_COMMAND": f"docker exec -i {COMPOSE_PROJECT}-auth-1 auth",
        "STATUS_COMMAND": shlex.join(
            [
                *("env", *(f"{name}={value}" for name, value in images().items())),
                *_compose_command("run", "--rm", "--no-deps", "--no-TTY", "status"),
            ]
        ),
        "ELSEWHERE_COMMAND": "docker run --rm --interactive"
        f" --network {COMPOSE_PROJECT}_published imghost-auth python - http://gateway:8000 ''",
    }
    env = compose_environment(client)
    compose("down", "--volumes", env=env)  # left behind by a session that was killed
    COMPOSE_LOG.unlink(missing_ok=True)
    try:
        compose("up", "--build", "--wait", "--quiet-pull", env=env)
        yield client
    except pytest.fail.Exception as fault:
        keep_logs(env)
        said = compose("logs", "--no-color", "--tail=15", env=env, check=False)
        raise pytest.fail.Exception(f"{fault}\n{said}", pytrace=False) from None
    finally:
        if request.session.testsfailed:
            keep_logs(env)
        compose("down", "--volumes", env=env)


def compose_environment(client: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for docker compose with which the settings in `client` work."""
    first_user = {"AUTH_FIRST_USERNAME": client["IMGHOST_USERNAME"], "AUTH_FIRST_PASSWORD": client["IMGHOST_PASSWORD"]}
    administrator = {f"S3_{name}": client[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    ports = {"PORT": PORT, "S3_PORT": S3_PORT}
    return images() | NO_LIMITS | first_user | administrator | ports | {"S3_BUCKET": "imghost"}


def keep_logs(env: Mapping[str, str]) -> None:
    """Write the logs of the containers into a file, to find out why a test failed."""
    COMPOSE_LOG.parent.mkdir(exist_ok=True)
    COMPOSE_LOG.write_text(compose("logs", "--no-color", "--timestamps", env=env, check=False))
