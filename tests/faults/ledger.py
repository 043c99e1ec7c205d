"""The ledger of one client: every request with its answer, and what must be in the service according to them.

A request that got no answer, or a 5xx, may or may not have been executed, and may still be; the ledger then allows both
states, and the client does not use the key again. All else is exact, because no other client uses the same keys and
collections.
"""

from dataclasses import dataclass, field

ANSWERED = range(200, 500)


@dataclass(frozen=True)
class Entry:
    """A request and its answer: a status, or the name of the error if there was no answer."""

    at_s: float
    took_s: float
    operation: str
    s3_key: str
    collection: str
    answer: int | str

    @property
    def acknowledged(self) -> bool:
        """Return whether the service has answered what it did."""
        return self.answer in ANSWERED


@dataclass
class Record:
    """What may be true of a key: whether it is registered, and which collections its image may be a member of.

    `reprocessed` counts the requests for reprocessing since the registration; each raises the generation by one.
    """

    registered: set[bool] = field(default_factory=lambda: {False})
    member: dict[str, set[bool]] = field(default_factory=dict)
    date_created: str = ""
    reprocessed: int = 0
    uncertain: bool = False

    @property
    def is_registered(self) -> bool:
        """Return whether the key is certainly registered."""
        return self.registered == {True}


@dataclass
class Ledger:
    """What one client knows about its keys."""

    records: dict[str, Record] = field(default_factory=dict)
    collections: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    def keys(self, *, registered: bool) -> list[str]:
        """Return the keys that are certainly registered, or certainly not."""
        return [
            key for key, record in self.records.items() if not record.uncertain and record.registered == {registered}
        ]

    def note(self, entry: Entry, expected: int, date_created: str = "") -> None:
        """Enter a request; `expected` is the status of its answer if the service has lost nothing."""
        self.entries.append(entry)
        record = self.records.setdefault(entry.s3_key, Record())
        if not entry.acknowledged:
            self._doubt(record, entry)
        elif entry.answer == expected:
            self._believe(record, entry, date_created)
        else:
            self.breaches.append(f"{entry.operation} {entry.s3_key}: {entry.answer} where {expected} was due")
            record.uncertain = True

    def _believe(self, record: Record, entry: Entry, date_created: str) -> None:
        if entry.operation != "register" and date_created not in {"", record.date_created}:
            self.breaches.append(f"{entry.operation} {entry.s3_key} shows a registration of {date_created}")
        match entry.operation:
            case "register":
                record.registered, record.member, record.date_created = {True}, {}, date_created
                record.reprocessed = 0
            case "reprocess":
                record.reprocessed += 1
            case "delete":
                record.registered, record.member = {False}, {}
            case "add":
                record.member[entry.collection] = {True}
            case "remove":
                record.member[entry.collection] = {False}

    def _doubt(self, record: Record, entry: Entry) -> None:
        match entry.operation:
            case "register":
                record.registered, record.date_created, record.uncertain = {False, True}, "", True
                record.reprocessed = 0
            case "delete":
                record.registered, record.uncertain = {False, True}, True
                record.member = {name: {False} | states for name, states in record.member.items()}
            case "add" | "remove":
                record.member[entry.collection] = {False, True}
                record.uncertain = True
