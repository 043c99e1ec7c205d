"""A row of a benchmark's table, and of the file that it writes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A row of the table: our value and that of a peer, in `unit`, their ratio, and the target `to_reach`.

    What could not be measured is None. `hits` is the share of answers that came from the cache of the edge.
    """

    name: str
    ours: float | None
    against: float | None
    unit: str
    ratio: float | None
    to_reach: str
    met: bool
    hits: float | None = None
