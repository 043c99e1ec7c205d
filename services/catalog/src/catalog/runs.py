"""Runs of reprocessing: which images an operator has selected, and how far a run over them is."""

from dataclasses import dataclass
from datetime import datetime

from catalog.domain import Status


@dataclass(frozen=True)
class Selection:
    """The images for which everything holds that is not None; an empty selection selects every image."""

    keys: tuple[str, ...] | None = None
    collection_id: str | None = None
    user_id: str | None = None
    status: Status | None = None
    recipe_older_than: int | None = None


@dataclass(frozen=True)
class Run:
    """A run over a selection of `total` images as of its beginning, of which `done` are queued.

    Images are queued in the order of their ids; those up to the id `cursor` are done.
    """

    run_id: int
    selection: Selection
    total: int
    done: int
    cursor: str
    date_created: datetime
    date_finished: datetime | None = None
