"""What a reconciliation found, as text or as JSON."""

import json
from collections import Counter
from dataclasses import dataclass, field

import click

from catalog.upkeep.findings import DifferingThumbs, Finding, MissingThumbs, OrphanThumb, Outcome, Stuck

KEYS_SHOWN = 10

_NAMES = {
    Stuck.kind: "keys stuck",
    MissingThumbs.kind: "images with missing thumbs",
    DifferingThumbs.kind: "images whose thumbs do not match the catalog",
    OrphanThumb.kind: "orphan thumbs",
}
_MENDED = dict.fromkeys(_NAMES, "queued again") | {OrphanThumb.kind: "deleted"}


@dataclass
class Report:
    """Counts of findings and outcomes. Keys are printed as they are found, or the first few of each kind at the end."""

    as_json: bool
    verbose: bool
    found: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    keys: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in _NAMES})
    foreign: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding, outcome: Outcome | None) -> None:
        """Add `finding` and what became of it, None if nothing was tried."""
        kind = finding.kind
        self.found[kind] += 1
        if outcome is not None:
            self.outcomes[kind, outcome] += 1
        if self.as_json:
            click.echo(json.dumps({"kind": kind, "s3_key": finding.key, "outcome": outcome or "found"}))
        elif self.verbose:
            click.echo(f"{kind}  {outcome or 'found'}  {finding.key}")
        elif len(self.keys[kind]) < KEYS_SHOWN:
            self.keys[kind].append(finding.key)

    def left(self) -> int:
        """Return how many findings are still wrong."""
        good = (Outcome.MENDED, Outcome.ALREADY_FINE)
        return self.found.total() - sum(self.outcomes[kind, outcome] for kind in _NAMES for outcome in good)

    def conclude(self) -> None:
        """Print the counts."""
        if self.as_json:
            counts = {kind: self._counts(kind) for kind in _NAMES}
            click.echo(json.dumps({"kind": "counts", "counts": counts, "thumbs_of_other_installations": self.foreign}))
            return
        for kind, name in _NAMES.items():
            became = self._became(kind)
            click.echo(f"{self.found[kind]} {name}" + (f": {became}" if became else ""))
            for key in self.keys[kind]:
                click.echo(f"  {key}")
            more = self.found[kind] - len(self.keys[kind])
            if more and not self.verbose:
                click.echo(f"  and {more} more; --verbose shows them")
        for installation_id, count in sorted(self.foreign.items()):
            click.echo(f"{count} thumbs of another installation, {installation_id}, which are left alone")

    def _counts(self, kind: str) -> dict[str, int]:
        return {"found": self.found[kind], **{outcome: self.outcomes[kind, outcome] for outcome in Outcome}}

    def _became(self, kind: str) -> str:
        words = {
            Outcome.MENDED: _MENDED[kind],
            Outcome.ALREADY_FINE: "fine by then",
            Outcome.SKIPPED: "skipped for now",
        }
        told = {word: self.outcomes[kind, outcome] for outcome, word in words.items()}
        return ", ".join(f"{count} {word}" for word, count in told.items() if count)
