"""The load of the upgrade trial: that of the fault tests, and after each request what readers ask for."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from clients import NOTHING, Answer, ValidatingClient, path
from faults.load import Client


class Unchecked(ValidatingClient):
    """A client that holds no answer against the document: that of an earlier release may lack what this one has."""

    def send(self, method: str, target: str, *, json: Any = NOTHING, **_: Any) -> Answer:
        """Send `target` exactly as given, with `json` as its body if there is any."""
        return self._exchange(method, target, *self._compose(json, None, None, {}))


@dataclass
class Reader(Client):
    """A client of the load that also reads as others do, an image in public and a page of the list.

    It registers pictures that no release makes display pictures of.
    """

    formats: tuple[str, ...] = ("PNG",)
    reads: int = 0
    unread: list[str] = field(default_factory=list)

    def connect_to(self, url: str) -> None:
        """Send requests to `url` from now on, each over a connection of its own."""
        self.api, self.keeps_connection = Unchecked(url, self.api.auth), False

    def step(self) -> bool:
        """Send one request, then the two readings; return whether the first was answered."""
        answered = super().step()
        for target in (*(path("i", key) for key in self.ledger.keys(registered=True)[-1:]), "/api/images?limit=10"):
            self.reads += 1
            try:
                told: object = self.api.get(target).status
            except OSError as fault:
                told = type(fault).__name__
            finally:
                self.api.close()
            if told != HTTPStatus.OK:
                self.unread.append(f"{target}: {told}")
        return answered
