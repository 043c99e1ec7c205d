"""Every package declares what it imports, and only that."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "chassis": ROOT / "libs/chassis",
    "auth": ROOT / "services/auth",
    "catalog": ROOT / "services/catalog",
    "imaging": ROOT / "services/imaging",
    "gateway": ROOT / "gateway",
    "imghost": ROOT / "clients/python",
}
# The extras that parts of the chassis need; its other modules need none.
EXTRAS = {
    "chassis.broker": {"broker"},
    "chassis.broker.relay": {"broker", "database"},
    "chassis.database": {"database"},
    "chassis.opentelemetry_tracer": {"traces"},
    "chassis.s3": {"s3"},
    "chassis.token_keys": {"tokens"},
    "chassis.tokens": {"tokens"},
    "chassis.web": {"web"},
}
# Several distributions have modules in this package; the first that fits is meant.
NAMESPACES = {
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
}
# Declared for the files that it ships, which are read without importing it.
NEVER_IMPORTED = {"flask-swagger-ui"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_modules(folder: Path) -> set[str]:
    """Return all modules that the files in a folder import, except those only for type checkers."""
    return {module for file in folder.rglob("*.py") for module in _imports(ast.parse(file.read_text()))}


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def distributions(modules: set[str], own: str) -> set[str]:
    """Return the distributions of modules, without the standard library and the package itself."""
    known = {**packages_distributions(), "chassis": ["imghost-chassis"]}
    named = {
        module: next((NAMESPACES[each] for each in NAMESPACES if module.startswith(each)), "") for module in modules
    }
    roots = {module.partition(".")[0] for module in modules if not named[module]} - sys.stdlib_module_names - {own}
    return {normal(known[root][0]) for root in roots} | set(named.values()) - {""}


def project(name: str) -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads((PACKAGES[name] / "pyproject.toml").read_text())["project"]
    return document


def declared(requirements: list[str]) -> dict[str, set[str]]:
    """Return the distributions that requirements name, each with its extras."""
    found = [re.match(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?", requirement) for requirement in requirements]
    return {normal(match[1]): {*(match[2] or "").split(",")} - {""} for match in found if match}


def with_the_chassis(modules: set[str]) -> set[str]:
    """Return `modules`, and those of the chassis that they import in turn."""
    found, left = set[str](), set(modules)
    while left:
        module = left.pop()
        found.add(module)
        file = (PACKAGES["chassis"] / "src").joinpath(*module.split(".")).with_suffix(".py")
        if module.startswith("chassis.") and file.exists():
            left |= set(_imports(ast.parse(file.read_text()))) - found
    return found


def needed_extras(modules: set[str]) -> set[str]:
    parts = (part for module in modules for part in EXTRAS if module == part or module.startswith(f"{part}."))
    return {extra for part in parts for extra in EXTRAS[part]}


@pytest.mark.parametrize("name", PACKAGES)
def test_package_declares_what_it_imports_and_only_that(name: str) -> None:
    extras = project(name).get("optional-dependencies", {})
    requirements = [*project(name)["dependencies"], *(each for extra in extras.values() for each in extra)]
    imported = distributions(imported_modules(PACKAGES[name]), name)
    assert {*declared(requirements)} - NEVER_IMPORTED == imported


@pytest.mark.parametrize("name", [name for name in PACKAGES if name not in {"chassis", "imghost"}])
def test_service_takes_the_extras_of_the_chassis_that_it_needs(name: str) -> None:
    taken = declared(project(name)["dependencies"])["imghost-chassis"]
    assert taken == needed_extras(with_the_chassis(imported_modules(PACKAGES[name])))


def test_folders_of_the_chassis_import_what_their_extras_bring() -> None:
    chassis = project("chassis")
    source = PACKAGES["chassis"] / "src/chassis"
    always = {*declared(chassis["dependencies"])}
    for extra in ("broker", "database", "s3", "web"):
        modules = imported_modules(source / extra)
        extras = {extra, *needed_extras(modules)}
        brought = {name for each in extras for name in declared(chassis["optional-dependencies"][each])}
        assert distributions(modules, "chassis") <= always | brought, extra
