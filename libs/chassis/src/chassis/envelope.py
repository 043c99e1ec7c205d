"""The envelope of every message: a CloudEvent 1.0 in structured JSON."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

CONTENT_TYPE = "application/cloudevents+json"


class MalformedMessageError(Exception):
    """A message that no later attempt could understand either."""

    code = "malformed-message"


@dataclass(frozen=True)
class Event:
    """Something that happened: TYPE in the past participle, SUBJECT what it happened to, DATA as the sender's model.

    `event_id` recognises duplicates; `request_id` is the work that it belongs to, from the client's request on.
    """

    type: str
    source: str
    subject: str
    request_id: str
    data: dict[str, Any]
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def encode(self) -> bytes:
        """Give the event as the bytes of a message."""
        attributes = {
            "specversion": "1.0",
            "id": self.event_id,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "time": self.time,
            "datacontenttype": "application/json",
            "requestid": self.request_id,
        }
        return JSONFormat().write(CloudEvent(attributes, self.data))

    @classmethod
    def decode(cls, body: bytes) -> "Event":
        """Read an event from the BODY of a message; raises MalformedMessageError."""
        try:
            event = JSONFormat().read(None, body)
        except (BaseCloudEventException, ValueError, TypeError, AttributeError, KeyError) as fault:
            raise MalformedMessageError(f"not a CloudEvent: {fault}") from fault
        data = event.get_data()
        if not isinstance(data, dict):
            raise MalformedMessageError("the event carries no object")
        return cls(
            type=event.get_type(),
            source=event.get_source(),
            subject=event.get_subject() or "",
            request_id=str(event.get_extension("requestid") or ""),
            data=data,
            event_id=event.get_id(),
            time=event.get_time() or datetime.now(UTC),
        )
