"""Processing images again as the operator asks: which ones, how fast, and each exactly once.

A run is a row. Its cursor moves in the transaction that queues the images up to it. So whatever ends the command, the
run goes on behind the last image that was queued, and two commands on one run queue no image twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from catalog import use_cases
from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Status
from catalog.errors import ImagesNotFoundError, RunFinishedError, RunNotFoundError
from catalog.runs import Run, Selection
from catalog.upkeep.pace import POLL_S, Pace
from chassis.clock import now
from chassis.database.database import Database
from chassis.errors import DependencyDownError


@dataclass(frozen=True)
class Step:
    """How far `run` is; the next step is due in `wait_s` seconds. `held_back` says why nothing was queued, if so."""

    run: Run
    wait_s: float
    held_back: str = ""


def select(  # noqa: PLR0913 - the options of one command
    store: OperatorsStore,
    *,
    keys: Sequence[str],
    collection: str | None,
    user_id: str | None,
    status: Status | None,
    recipe_older_than: int | None,
) -> Selection:
    """Return the selection of the images for which everything holds that is given.

    Raise `ImagesNotFoundError` or `CollectionNotFoundError`.
    """
    unknown = store.unknown_keys(keys)
    if unknown:
        raise ImagesNotFoundError(unknown)
    # By id: a collection made under the same name while the run is interrupted is another one.
    collection_id = None if collection is None else use_cases.public_collection(store, collection).collection_id
    return Selection(tuple(keys) or None, collection_id, user_id, status, recipe_older_than)


def begin(store: OperatorsStore, selection: Selection) -> Run:
    """Begin a run over `selection`; images that are registered after this need not be queued."""
    return store.add_run(selection, store.count_selected(selection))


def find_run(store: OperatorsStore, run_id: int | None) -> Run:
    """Find a run to go on with, the newest unfinished one for None. Raise `RunNotFoundError` or `RunFinishedError`."""
    found = store.newest_unfinished_run() if run_id is None else store.run(run_id)
    if found is None:
        raise RunNotFoundError(run_id)
    if found.date_finished is not None:
        raise RunFinishedError(found.run_id)
    return found


def steps(database: Database[OperatorsStore], run: Run, pace: Pace) -> Iterator[Step]:
    """Queue the images of `run` that are left, at `pace`; the caller waits between steps as each step says.

    Stopping at any point is safe. A database that does not answer holds the run back too.
    """
    while run.date_finished is None:
        try:
            room = pace.room(database)
            if not room:
                yield Step(run, POLL_S, f"{pace.in_flight} in flight")
                continue
            before = run.done
            run = database.transact(queue_batch, run.run_id, room)
        except DependencyDownError as fault:
            yield Step(run, POLL_S, fault.for_operators)
            continue
        yield Step(run, (run.done - before) / pace.rate)


def queue_batch(store: OperatorsStore, run_id: int, limit: int) -> Run:
    """Queue the next `limit` images of a run under new generations, and move its cursor behind them.

    They are fewer where few images are selected: the next batch goes on behind those that were looked at. Images that
    were deleted, or are not selected any more, are skipped. A finished run is left as it is.
    """
    run = store.run(run_id, locked=True)
    if run is None:
        raise RunNotFoundError(run_id)
    if run.date_finished is not None:
        return run
    chosen, last = store.selected(run.selection, run.cursor, limit)
    queues = store.key_queues((None, key) for _, key in chosen)
    # Only with the keys locked is it certain: a result, a user or a deletion may have come before.
    still_selected = store.still_selected(run.selection, [image_id for image_id, _ in chosen])
    renewed = [queue for queue in queues if queue.image is not None and queue.image.image_id in still_selected]
    for queue in renewed:
        if queue.image is not None:
            queue.renew(queue.image)
    store.save(*renewed)
    moved = replace(
        run,
        done=run.done + len(renewed),
        cursor=run.cursor if last is None else last,
        date_finished=now() if last is None else None,
    )
    store.update_run(moved)
    return moved
