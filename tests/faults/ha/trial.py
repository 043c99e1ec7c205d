"""A trial on the stack with ha.yml: with uploads among the load, and with how many requests failed for how long."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar, cast

from PIL import Image

from clients import path
from deadlines import until
from faults.audit import Findings
from faults.ha.stack import HaStack
from faults.load import SIZE, Client
from faults.report import Row
from faults.trial import Trial
from pictures import encoded

UPLOADS = 0.1  # of all requests
READY_S = 40.0


@dataclass(frozen=True)
class HaRow(Row):
    """The figures of one fault. `failing_s` is the time from the first failed request until the end of the last."""

    file: ClassVar[Path] = Path(__file__).with_name("report.json")

    uploads: int
    failed: int
    failing_s: float


@dataclass
class UploadingClient(Client):
    """A client that also uploads files, which the service gives keys of its own."""

    uploaded: list[str] = field(default_factory=list)

    def step(self) -> bool:
        """Send one request; return whether it was answered."""
        return self.upload() if self.random.random() < UPLOADS else super().step()

    def upload(self) -> bool:
        """Upload a file. Without an answer nobody knows its key, so that it is not looked for."""
        picture = encoded(Image.new("RGB", SIZE), "PNG")
        headers = {"Content-Type": "image/png"}
        entry, told = self._ask("upload", "", "", "PUT", "/api/uploads/blank.png", body=picture, headers=headers)
        if entry is None:
            return False
        self.ledger.entries.append(entry)
        if told is not None and told.status == 201:
            self.uploaded.append(told.json()["s3_key"])
        return entry.acknowledged


@dataclass
class HaTrial(Trial):
    """The service with ha.yml under one fault."""

    client: type[Client] = UploadingClient

    @property
    def ha(self) -> HaStack:
        """The stack."""
        return cast("HaStack", self.stack)

    def begin(self) -> None:
        """Note the state before the fault, once each part has its copies."""
        self.ha.wait_for_standby()
        self.ha.wait_for_brokers()
        super().begin()

    def makes_an_image(self) -> None:
        """Register an image, and wait until it is ready: nothing that is away is needed for it."""
        client = self.bystander()
        key = f"{client.prefix}/meanwhile.png"
        assert client.put_original(key)
        until(lambda: client.send("register", key), READY_S, "no image can be registered")
        target = path("images", key)
        until(lambda: client.api.get(target).json()["status"] == "ready", READY_S, "no image gets ready")

    def examine(self, clients: list[Client]) -> Findings:
        """Compare what the clients were answered with what is there, what they uploaded included."""
        findings = super().examine(clients)
        for client in clients:
            for key in client.uploaded if isinstance(client, UploadingClient) else ():
                told = client.api.get(path("images", key))
                if told.status != 200 or told.json()["status"] != "ready":
                    findings.lost.append(f"{key}, which was uploaded, is {told.status}: {told.body.decode()}")
        return findings

    def _row(self, findings: Findings, heal_s: float) -> HaRow:
        failed = [entry for entry in self.load.entries() if not entry.acknowledged]
        ends = [entry.at_s + entry.took_s for entry in failed]
        uploads = sum(len(client.uploaded) for client in self.load.clients if isinstance(client, UploadingClient))
        failing_s = round(max(ends) - failed[0].at_s, 1) if failed else 0.0
        return HaRow(**asdict(super()._row(findings, heal_s)), uploads=uploads, failed=len(failed), failing_s=failing_s)
