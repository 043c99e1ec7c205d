"""The program `gateway`, which is `python -m gateway` as well."""

from chassis import program


def main() -> None:
    """Run the commands of gateway."""
    program.run("gateway.cli:main")


if __name__ == "__main__":
    main()
