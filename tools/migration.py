"""Write the migration that brings a service's schema to the tables of its code.

Usage: migration.py SERVICE NAME   Alembic compares the tables with the schema that the migrations so far lead to, on an
empty SQLite database that is made for this: nothing has to run.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from chassis.database.database import Database

RUFF = Path(sys.executable).with_name("ruff")


def main() -> None:
    """Write the next migration of a service; Alembic prints where it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("service", choices=("auth", "catalog"))
    parser.add_argument("name", help="what the migration does, as in 0002_dead_letters_and_runs.py")
    arguments = parser.parse_args()
    bootstrap = importlib.import_module(f"{arguments.service}.bootstrap")
    settings = importlib.import_module(f"{arguments.service}.settings")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/empty.db"
        database = bootstrap.make_database(settings.DatabaseSettings(database_url=url))
        write(database, bootstrap.MIGRATIONS, arguments.name)
        database.engine.dispose()


def write(database: Database[Any], migrations: Path, name: str) -> Path:
    """Write into `migrations` the migration `name`, which brings an empty `database` to the tables of the code."""
    replace(database, migrations=migrations).migrate()
    config = Config(attributes={"connection": None})
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("truncate_slug_length", "100")
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with database.engine.connect() as config.attributes["connection"]:
        command.revision(config, name.replace("_", " ").capitalize(), autogenerate=True, rev_id=f"{number:04}")
    (file,) = migrations.glob(f"versions/{number:04}_*.py")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "# ###" not in line))  # Alembic's own remarks
    for order in ("check", "--fix"), ("format",):
        subprocess.run([RUFF, *order, "--quiet", file], check=False)  # what ruff cannot mend, `make lint` reports
    return file


if __name__ == "__main__":
    main()
