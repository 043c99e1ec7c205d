"""Uploads: files and folders, a folder kept in a collection, and a folder that is watched."""

import html
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text
from watchfiles import watch as changes

from imghost import accounts
from imghost.bulk import Outcome, Uploads, pictures
from imghost.cli.commands import FAILED, connect, json_option, plain
from imghost.client import Client
from imghost.errors import NoAnswerError, UploadFailedError
from imghost.journal import Journal
from imghost.models import Image
from imghost.problems import CollectionNameTakenError, CollectionNotFoundError, TooManyError, UnavailableError

_LINKS: dict[str, Callable[[Image], str]] = {
    "url": lambda image: image.url,
    "markdown": lambda image: f"![{_label(image)}]({image.url})",
    "html": lambda image: f'<img src="{html.escape(image.url)}" alt="{html.escape(_label(image))}">',
    "bbcode": lambda image: f"[img]{image.url}[/img]",
}
_TIMEOUT_S = 300.0
_SETTLES_MS = 1000


def _label(image: Image) -> str:
    text = image.title or image.s3_key.rpartition("/")[2]
    return text.replace("[", "(").replace("]", ")").replace("\n", " ")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all uploads."""
    for option in (
        json_option,
        click.option("-q", "--quiet", is_flag=True, help="Print links only, and what fails."),
        click.option(
            "--link", type=click.Choice(list(_LINKS)), default="url", show_default=True, help="The form of links."
        ),
        click.option("--no-wait", is_flag=True, help="Do not wait until images are ready."),
        click.option("-j", "--jobs", type=click.IntRange(1, 32), default=8, show_default=True, help="Files at a time."),
    ):
        command = option(command)
    return command


def _make_sure_of(client: Client, collection: str) -> None:
    try:
        client.create_collection(collection)
    except CollectionNameTakenError as fault:
        try:
            client.get_collection(collection, images=1)
        except CollectionNotFoundError:
            raise fault from None  # it is another user's


class _Printer:
    """Prints a line for each file on standard output; failures, and the bar, on standard error."""

    def __init__(self, link: str, *, quiet: bool, as_json: bool, line_by_line: bool = False) -> None:
        self._link, self._quiet, self._as_json, self._line_by_line = _LINKS[link], quiet, as_json, line_by_line
        self._documents: list[dict[str, Any]] = []
        self.failed = 0

    def show(self, outcome: Outcome) -> None:
        """Print what became of a file."""
        if outcome.how == "failed" or outcome.image is None:
            self.failed += 1
            click.echo(plain(f"failed: {outcome.path}: {outcome.detail}"), err=True)
        elif not self._as_json:
            link = self._link(outcome.image)
            note = " (was there)" if outcome.how == "present" else ""
            click.echo(plain(link if self._quiet else f"{outcome.path}{note}: {link}"))
        if self._as_json:
            document = {
                "path": plain(str(outcome.path)),
                "outcome": outcome.how,
                "code": outcome.code,
                "detail": outcome.detail,
                "image": msgspec.to_builtins(outcome.image),
            }
            if self._line_by_line:
                click.echo(json.dumps(document, ensure_ascii=False))
            else:
                self._documents.append(document)

    def end(self) -> None:
        """Print what is left to print."""
        if self._as_json and not self._line_by_line:
            click.echo(json.dumps(self._documents, indent=2, ensure_ascii=False))

    @contextmanager
    def bar(self, files: list[Path]) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
        """Show how far all is, in a terminal; yield what counts bytes, and what counts files."""
        console = Console(stderr=True)
        columns = (BarColumn(), MofNFiles(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        hidden = self._quiet or self._as_json or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, redirect_stdout=sys.stdout.isatty()) as progress:
            task = progress.add_task("", total=sum(map(_length, files)), files=len(files), done=0)
            yield (
                lambda done: progress.advance(task, done),
                lambda: progress.update(task, done=progress.tasks[0].fields["done"] + 1),
            )


class MofNFiles(ProgressColumn):
    """How many files are done, of all."""

    def render(self, task: Task) -> Text:
        """Return the text."""
        return Text(f"{task.fields['done']}/{task.fields['files']} files")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # told when it is its turn
        return 0


def _upload_all(files: list[Path], printer: _Printer, jobs: int, collection: str | None, *, no_wait: bool) -> set[str]:
    """Upload files as who is logged in, and print what becomes of each; return the keys of their images."""
    account, _ = accounts.credentials()
    kept: set[str] = set()
    with (
        connect(_TIMEOUT_S) as client,
        Journal(accounts.folder() / "uploads.sqlite", account.name) as journal,
        printer.bar(files) as (count_bytes, count_file),
    ):
        if collection is not None:
            _make_sure_of(client, collection)
        with Uploads(
            client, journal, jobs=jobs, until_ready=not no_wait, collection=collection, on_bytes=count_bytes
        ) as uploads:
            for outcome in uploads.run(files):
                printer.show(outcome)
                count_file()
                kept |= {outcome.image.s3_key} if outcome.image else set()
    return kept


def _found(paths: tuple[Path, ...], *, recursive: bool) -> list[Path]:
    try:
        return list(pictures(paths, recursive=recursive))
    except IsADirectoryError as fault:
        raise click.UsageError(f"{fault} is a folder; for the pictures in it: --recursive") from fault
    except FileNotFoundError as fault:
        raise click.UsageError(f"{fault} is not there") from fault


_PATH = click.Path(path_type=Path)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@click.option("-r", "--recursive", is_flag=True, help="Upload the pictures in folders, and in those below.")
@click.option("-c", "--collection", metavar="NAME", help="Put them into this collection; make it if it is not there.")
@_options
@click.pass_context
def upload(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    paths: tuple[Path, ...],
    collection: str | None,
    jobs: int,
    link: str,
    *,
    recursive: bool,
    no_wait: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Upload files and print a link for each, when its image is ready.

    What is there already, by its content, is not uploaded again. If this is interrupted, or killed, run it again: it
    goes on where it was.
    """
    printer = _Printer(link, quiet=quiet, as_json=as_json)
    files = _found(paths, recursive=recursive)
    try:
        _upload_all(files, printer, jobs, collection, no_wait=no_wait)
    finally:
        printer.end()
    ctx.exit(FAILED if printer.failed else 0)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.argument("collection")
@click.option("--remove", is_flag=True, help="Take images out of it whose files are not in the folder; they stay.")
@_options
@click.pass_context
def sync(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    folder: Path,
    collection: str,
    jobs: int,
    link: str,
    *,
    remove: bool,
    no_wait: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Have the pictures below FOLDER in COLLECTION: upload those that are missing, and add all.

    Nothing is taken out of the collection but with --remove, and only if no file has failed.
    """
    printer = _Printer(link, quiet=quiet, as_json=as_json)
    try:
        kept = _upload_all(_found((folder,), recursive=True), printer, jobs, collection, no_wait=no_wait)
        if remove and not printer.failed:
            with connect() as client:
                for image in list(client.list_collection_images(collection)):
                    if image.s3_key not in kept:
                        client.remove_image_from_collection(collection, image.s3_key)
                        click.echo(plain(f"taken out: {image.s3_key}"), err=True)
    finally:
        printer.end()
    ctx.exit(FAILED if printer.failed else 0)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("-c", "--collection", metavar="NAME", help="Put them into this collection; make it if it is not there.")
@_options
def watch(  # noqa: PLR0913 - one for each option
    folder: Path, collection: str | None, jobs: int, link: str, *, no_wait: bool, quiet: bool, as_json: bool
) -> None:
    """Upload the pictures below FOLDER, and each that comes later, until it is interrupted.

    A file is uploaded when it has not changed for a second. With --json, each file is a line.
    """
    printer = _Printer(link, quiet=quiet, as_json=as_json, line_by_line=True)
    before: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    accounts.credentials()
    if not quiet:
        click.echo(f"watching {folder}; Ctrl-C ends it", err=True)
    unsettled = True
    for changed in changes(folder, rust_timeout=_SETTLES_MS, yield_on_timeout=True):
        if not changed and not unsettled:
            continue
        now = {path: _state(path) for path in _found((folder,), recursive=True)}
        settled = [path for path, state in now.items() if state == before.get(path) and state != done.get(path)]
        unsettled = any(state != before.get(path) for path, state in now.items())
        before = now
        if not settled:
            continue
        try:
            _upload_all(settled, printer, jobs, collection, no_wait=no_wait)
        except (NoAnswerError, TooManyError, UnavailableError, UploadFailedError) as fault:
            click.echo(plain(f"{fault} It is tried again."), err=True)
            unsettled = True
        else:
            done |= {path: now[path] for path in settled}


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)  # it is gone again
    return (status.st_size, status.st_mtime_ns)
