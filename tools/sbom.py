"""Print the software bill of materials of an image as CycloneDX: its Python packages and those of its distribution.

Usage: sbom.py IMAGE VERSION    such as sbom.py imghost-auth:0.1.0 0.1.0

What is listed is what a container of the image finds, not what was meant to be installed. The serial number and the
time are left out, so that the same image has the same bill.
"""

import json
import re
import subprocess
import sys

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

# Run in a container: one JSON object of what is installed there. A distribution without dpkg lists no packages.
_LIST = """
import json, platform, subprocess
from importlib.metadata import distributions
try:
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n"]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    system = platform.freedesktop_os_release()["ID"]
except OSError:
    lines, system = [], ""
print(json.dumps({
    "python": sorted({(each.name, each.version) for each in distributions()}),
    "system": system,
    "packages": sorted(tuple(line.split()) for line in lines),
    "interpreter": platform.python_version(),
}))
"""


def bill(image: str, version: str) -> Bom:
    """Return the bill of materials of `image`, whose release is `version`.

    Raise `CalledProcessError` if no container of it runs.
    """
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=python", image, "-Ic", _LIST]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    components = [_interpreter(found["interpreter"])]
    components += [_python(name, number) for name, number in found["python"]]
    components += [_package(found["system"], *package) for package in found["packages"]]
    name = image.split(":", maxsplit=1)[0]
    subject = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref=f"{name}@{version}")
    bom = Bom(components=components, metadata=BomMetaData(component=subject))
    bom.register_dependency(subject, components)
    return bom


def _interpreter(version: str) -> Component:
    return Component(name="python", version=version, type=ComponentType.APPLICATION, bom_ref=f"python@{version}")


def _python(name: str, version: str) -> Component:
    """Return the component of a Python package; those of imghost are in no index, so that they have no address."""
    own = name.startswith("imghost-")
    purl = None if own else PackageURL("pypi", name=re.sub(r"[-_.]+", "-", name.lower()), version=version)
    return Component(name=name, version=version, purl=purl, bom_ref=f"pypi:{name}@{version}")


def _package(system: str, name: str, version: str, architecture: str) -> Component:
    purl = PackageURL("deb", system, name, version, {"arch": architecture})
    return Component(name=name, version=version, purl=purl, bom_ref=f"deb:{name}@{version}")


def as_json(bom: Bom) -> str:
    """Return `bom` as a JSON document, the same for the same content."""
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document, indent=1, sort_keys=True)


def main() -> None:
    """Print the bill of the image that the arguments name."""
    image, version = sys.argv[1:]
    try:
        print(as_json(bill(image, version)))
    except subprocess.CalledProcessError as fault:
        sys.exit(f"{image}: {fault.stderr.strip()}")


if __name__ == "__main__":
    main()
