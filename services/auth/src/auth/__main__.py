"""The program `auth`, which is `python -m auth` as well."""

from chassis import program


def main() -> None:
    """Run the commands of auth."""
    program.run("auth.cli:main")


if __name__ == "__main__":
    main()
