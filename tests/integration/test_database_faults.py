"""What an operator reads if the database is not what the settings say: one sentence, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

import auth.cli
import catalog.cli
from chassis import token_keys
from deadlines import until
from poolers import Pooler

SECRET = "hidden-password"
COMMANDS = [
    ("auth", "migrate"),
    ("auth", "list-users"),
    ("auth", "list-users", "--json"),
    ("auth", "create-user", "anna", "--password-stdin"),
    ("auth", "set-password", "anna", "--password-stdin"),
    ("auth", "delete-user", "anna", "--yes"),
    ("catalog", "migrate"),
    ("catalog", "dead-letters", "list"),
    ("catalog", "dead-letters", "replay", "1"),
    ("catalog", "reprocess", "--all"),
]
MAINS = {"auth": auth.cli.main, "catalog": catalog.cli.main}
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs a command of a service against the database at a URL."""

    def invoke(url: str, service: str, *words: str, **variables: str) -> Result:
        for name, value in {"DATABASE_URL": url, "LOG_LEVEL": "error", **variables}.items():
            monkeypatch.setenv(f"{service.upper()}_{name}", value)
        return CliRunner().invoke(MAINS[service], words, input="a password\n")

    return invoke


def changed(url: str, **parts: str | int) -> str:
    return sa.make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


def told_in_one_line(ended: Result) -> str:
    """Return the one line that a failed command has printed."""
    assert ended.exit_code == 1, ended.output
    (line,) = ended.output.splitlines()
    assert line.startswith("Error: ")
    assert SECRET not in line
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_database_that_is_away_is_one_line(run: Run, command: tuple[str, ...]) -> None:
    ended = run(f"postgresql+psycopg://nobody:{SECRET}@127.0.0.1:9/nothing", *command)
    assert "The database cannot be used" in told_in_one_line(ended)
    assert "Connection refused" in ended.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_password_that_was_changed_is_one_line(run: Run, command: tuple[str, ...], database_url: str) -> None:
    said = told_in_one_line(run(changed(database_url, password=SECRET), *command))
    assert 'password authentication failed for user "' in said
    assert "keeps the password of its first start" in said
    assert "ALTER ROLE" in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_database_that_does_not_exist_is_one_line(run: Run, command: tuple[str, ...], database_url: str) -> None:
    assert "does not exist" in told_in_one_line(run(changed(database_url, database="nothing"), *command))


@pytest.mark.parametrize("command", [each for each in COMMANDS if "migrate" not in each], ids=" ".join)
def test_database_that_was_not_migrated_is_one_line(run: Run, command: tuple[str, ...], any_database_url: str) -> None:
    assert told_in_one_line(run(any_database_url, *command)).endswith("run migrate first")


@pytest.mark.parametrize("service", MAINS)
def test_role_that_may_make_no_tables_is_one_line(run: Run, service: str, database_url: str) -> None:
    server = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
    role = f"{sa.make_url(database_url).database}_guest"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'guest'")
        try:
            said = told_in_one_line(run(changed(database_url, username=role, password="guest"), service, "migrate"))
        finally:
            connection.exec_driver_sql(f"DROP ROLE {role}")
    server.dispose()
    assert "permission denied" in said


@pytest.mark.parametrize("service", MAINS)
def test_folder_of_a_file_that_is_not_there_is_one_line(run: Run, service: str, tmp_path: Path) -> None:
    assert "unable to open" in told_in_one_line(run(f"sqlite:///{tmp_path}/nowhere/a.db", service, "migrate"))


@pytest.mark.parametrize("service", MAINS)
def test_schema_of_a_later_release_is_left_as_it_is(run: Run, service: str, any_database_url: str) -> None:
    assert run(any_database_url, service, "migrate").exit_code == 0
    engine = sa.create_engine(any_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    ended = run(any_database_url, service, "migrate")
    assert ended.exit_code == 0
    assert ended.output == (
        "the schema is of a later release (revision 9999), which this one works with: nothing to do\n"
    )
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


# --- processes that keep running ---


def environment(folder: Path, service: str, url: str, **variables: str) -> dict[str, str]:
    """Return the environment of a process of `service`, with free ports."""
    private, public = folder / "private.pem", folder / "public.pem"
    token_keys.create_files(private, public)
    settings = {
        "DATABASE_URL": url,
        "BROKER_URL": f"amqp://imghost:{SECRET}@127.0.0.1:9/",
        "OPS_PORT": "0",
        "LISTEN_HOST": "127.0.0.1",
        "LISTEN_PORT": "18099",
        "TOKEN_PRIVATE_KEY_FILE": str(private),
        "TOKEN_PUBLIC_KEY_FILE": str(public),
        "BUCKETS": '{"pics": {}}',
        **variables,
    }
    return {**os.environ, **{f"{service.upper()}_{name}": value for name, value in settings.items()}}


def program(service: str) -> str:
    return str(Path(sys.executable).with_name(service))


@pytest.mark.parametrize("service", MAINS)
@pytest.mark.parametrize("kind", ["serve", "worker"])
def test_process_that_stays_says_it_in_one_line_each_time_and_goes_on(
    service: str, kind: str, database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    env = environment(tmp_path, service, changed(database_url, password=SECRET))
    with log.open("wb") as output:
        process = subprocess.Popen([program(service), kind], env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        reason = "password authentication failed for user"
        until(lambda: reason in log.read_text(), 30, "it says nothing of the database")
        if kind == "worker":
            until(lambda: log.read_text().count(reason) > 1, 30, "it does not try again")
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)
    said = log.read_text()
    assert "Traceback" not in said
    assert SECRET not in said


@pytest.mark.parametrize("ignores_options", [False, True])
@pytest.mark.parametrize("service", MAINS)
@pytest.mark.parametrize("kind", ["serve", "worker"])
def test_pooler_that_the_settings_do_not_tell_of_is_named_at_start(
    service: str, kind: str, database_url: str, pooler: Pooler, tmp_path: Path, *, ignores_options: bool
) -> None:
    behind = pooler(**({"ignore_startup_parameters": "options"} if ignores_options else {}))
    ended = subprocess.run(
        [program(service), kind],
        env=environment(tmp_path, service, behind(database_url)),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"set {service.upper()}_DATABASE_POOLER=true" in line
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_pooler_that_the_settings_do_not_tell_of_is_one_line(
    run: Run, command: tuple[str, ...], database_url: str, pooler: Pooler
) -> None:
    said = told_in_one_line(run(pooler()(database_url), *command))
    assert f"{command[0].upper()}_DATABASE_POOLER=true" in said
    assert f"{command[0].upper()}_DATABASE_DIRECT_URL" in said


@pytest.mark.parametrize("service", MAINS)
def test_migrate_takes_the_direct_url(run: Run, service: str, database_url: str, pooler: Pooler) -> None:
    behind = pooler()(database_url)
    variables = {"DATABASE_POOLER": "true", "DATABASE_DIRECT_URL": database_url}
    ended = run(behind, service, "migrate", **variables)
    assert (ended.exit_code, ended.output) == (0, "")
    words = ("list-users",) if service == "auth" else ("dead-letters", "list")
    assert run(behind, service, *words, **variables).exit_code == 0
