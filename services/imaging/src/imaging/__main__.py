"""The program `imaging`, which is `python -m imaging` as well."""

from chassis import program


def main() -> None:
    """Run the commands of imaging."""
    program.run("imaging.cli:main")


if __name__ == "__main__":
    main()
