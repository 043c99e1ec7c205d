"""Write the tables of settings in README.md from the code. With `--check`, only check whether they are up to date."""

import re
import sys
from pathlib import Path

from auth.settings import MigrateSettings as AuthMigrateSettings
from auth.settings import ServeSettings as AuthServeSettings
from auth.settings import WorkerSettings as AuthWorkerSettings
from catalog.settings import MigrateSettings as CatalogMigrateSettings
from catalog.settings import ReconcileSettings, StatusSettings
from catalog.settings import ServeSettings as CatalogServeSettings
from catalog.settings import WorkerSettings as CatalogWorkerSettings
from chassis.settings import ProcessSettings, rows
from gateway.settings import GatewaySettings
from imaging.settings import ImagingSettings

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
SERVICES: dict[str, tuple[type[ProcessSettings], ...]] = {
    "gateway": (GatewaySettings,),
    "auth": (AuthServeSettings, AuthWorkerSettings, AuthMigrateSettings),
    "catalog": (CatalogServeSettings, CatalogWorkerSettings, CatalogMigrateSettings, StatusSettings, ReconcileSettings),
    "imaging": (ImagingSettings,),
}


def tables() -> str:
    """Return the tables of all services as Markdown."""
    parts = []
    for service, kinds in SERVICES.items():
        lines = {row[0]: row for kind in kinds for row in rows(kind)}
        parts.append(f"### {service}\n\n| Variable | Default | Meaning |\n| --- | --- | --- |")
        parts[-1] += "".join(
            f"\n| `{name}` | {f'`{default}`' if default and default != 'required' else default} | {meaning} |"
            for name, default, meaning in lines.values()
        )
    return "\n\n".join(parts)


def main() -> None:
    """Update README.md; with `--check`, exit with code 1 if it is out of date."""
    text = README.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    fresh = pattern.sub(lambda _: f"{BEGIN}\n\n{tables()}\n\n{END}", text)
    if fresh == text:
        return
    if "--check" in sys.argv:
        sys.exit("the tables of settings in README.md are not those of the code: run make format")
    README.write_text(fresh)


if __name__ == "__main__":
    main()
