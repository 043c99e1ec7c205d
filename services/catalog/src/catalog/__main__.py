"""The program `catalog`, which is `python -m catalog` as well."""

from chassis import program


def main() -> None:
    """Run the commands of catalog."""
    program.run("catalog.cli:main")


if __name__ == "__main__":
    main()
