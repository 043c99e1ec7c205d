"""Processing images again as the operator asks: which ones, how fast, and each exactly once.

A run is a row. Its cursor moves in the transaction that queues the images up to it, so whatever ends the command, the
run goes on behind the last image that was queued; even two commands on one run queue no image twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from catalog import queueing, use_cases
from catalog.domain import CatalogError, Status
from chassis.clock import now
from chassis.database.database import Database
from chassis.errors import DependencyDownError

if TYPE_CHECKING:
    from catalog.adapters.operators_store import OperatorsStore

# Images of one transaction, whose keys are locked together.
BATCH = 100
# How soon a run that is held back looks again.
POLL_S = 0.25


class ImagesNotFoundError(CatalogError):
    """Keys were selected that no image has."""

    code = "image-not-found"

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"No image has the key {', '.join(keys)}.")


class RunNotFoundError(CatalogError):
    """There is no such run, or none that is unfinished."""

    code = "run-not-found"

    def __init__(self, run_id: int | None) -> None:
        super().__init__("There is no unfinished run." if run_id is None else f"There is no run {run_id}.")


class RunFinishedError(CatalogError):
    """The run has queued all of its images."""

    code = "run-finished"

    def __init__(self, run_id: int) -> None:
        super().__init__(f"Run {run_id} is finished.")


@dataclass(frozen=True)
class Selection:
    """The images for which all holds that is not None; the one with nothing given selects every image."""

    keys: tuple[str, ...] | None = None
    collection_id: str | None = None
    user_id: str | None = None
    status: Status | None = None
    recipe_older_than: int | None = None


@dataclass(frozen=True)
class Run:
    """A selection on its way: of TOTAL images when it began DONE are queued, and none up to the id CURSOR is left."""

    run_id: int
    selection: Selection
    total: int
    done: int
    cursor: str
    date_created: datetime
    date_finished: datetime | None = None


@dataclass(frozen=True)
class Pace:
    """How fast images are queued: while fewer than IN_FLIGHT keys have open jobs of anybody, at most RATE a second."""

    in_flight: int
    rate: float


@dataclass(frozen=True)
class Step:
    """Where RUN is; the next step is due in WAIT_S seconds. HELD_BACK says why none could be queued, if so."""

    run: Run
    wait_s: float
    held_back: str = ""


def select(  # noqa: PLR0913 - the options of one command
    store: "OperatorsStore",
    *,
    keys: Sequence[str],
    collection: str | None,
    user_id: str | None,
    status: Status | None,
    recipe_older_than: int | None,
) -> Selection:
    """Select images by what is given, all of it together; raises ImagesNotFoundError or CollectionNotFoundError."""
    unknown = store.unknown_keys(keys)
    if unknown:
        raise ImagesNotFoundError(unknown)
    # By id: a collection that is made anew under the name while the run is cut off is another one.
    collection_id = None if collection is None else use_cases.public_collection(store, collection).collection_id
    return Selection(tuple(keys) or None, collection_id, user_id, status, recipe_older_than)


def begin(store: "OperatorsStore", selection: Selection) -> Run:
    """Write down a run over the images that SELECTION selects now; images registered later need not be among them."""
    return store.add_run(selection, store.count_selected(selection))


def find_run(store: "OperatorsStore", run_id: int | None) -> Run:
    """Find a run to go on with, for None the newest unfinished; raises RunNotFoundError or RunFinishedError."""
    found = store.newest_unfinished_run() if run_id is None else store.run(run_id)
    if found is None:
        raise RunNotFoundError(run_id)
    if found.date_finished is not None:
        raise RunFinishedError(found.run_id)
    return found


def steps(database: Database["OperatorsStore"], run: Run, pace: Pace) -> Iterator[Step]:
    """Queue the images of RUN that are left, at PACE; whoever iterates waits as each step says.

    Leaving off at any point is safe. A database that does not answer holds the run back like anything else.
    """
    while run.date_finished is None:
        try:
            room = pace.in_flight - database.read(_open_keys, pace.in_flight)
            if room <= 0:
                yield Step(run, POLL_S, f"{pace.in_flight} in flight")
                continue
            before = run.done
            run = database.transact(queue_batch, run.run_id, min(room, BATCH, max(1, int(pace.rate))))
        except DependencyDownError as fault:
            yield Step(run, POLL_S, fault.for_operators)
            continue
        yield Step(run, (run.done - before) / pace.rate)


def queue_batch(store: "OperatorsStore", run_id: int, limit: int) -> Run:
    """Queue the next LIMIT images of a run under new generations, and move its cursor behind them.

    What was deleted, or is selected no more, is passed over. A finished run is left as it is.
    """
    run = store.run(run_id, locked=True)
    if run is None:
        raise RunNotFoundError(run_id)
    if run.date_finished is not None:
        return run
    chosen = store.selected(run.selection, run.cursor, limit)
    for key in sorted(key for _, key in chosen):
        store.lock_key(key)
    # Only now nobody else changes them: a result, a user or a deletion may have come before the lock.
    images = store.still_selected(run.selection, [image_id for image_id, _ in chosen])
    for image in images:
        store.update_image(queueing.renew(store, image))
    moved = replace(
        run,
        done=run.done + len(images),
        cursor=chosen[-1][0] if chosen else run.cursor,
        date_finished=now() if len(chosen) < limit else None,
    )
    store.update_run(moved)
    return moved


def _open_keys(store: "OperatorsStore", limit: int) -> int:
    return store.count_open_keys(limit)
