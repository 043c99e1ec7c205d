"""The envelope of every message: a CloudEvent 1.0 in structured JSON (github.com/cloudevents/spec, v1.0.2)."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from chassis import tracing

CONTENT_TYPE = "application/cloudevents+json"

_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class MalformedMessageError(Exception):
    """The message cannot be read, now or later: retrying does not help."""

    code = "malformed-message"


class _CloudEvent(BaseModel):
    """The attributes as the specification spells them; `requestid` is our extension.

    `traceparent` is that of the CloudEvents extension for distributed tracing.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Literal["1.0"]
    id: _Name
    source: _Name
    type: _Name
    subject: str = ""
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    requestid: str = ""
    traceparent: str = ""
    data: dict[str, Any]


@dataclass(frozen=True)
class Event:
    """An event. `type` is a past participle such as `image.processed`, `subject` the id of what it happened to.

    Duplicates have the same `event_id`. `request_id` is that of the client's request which started the work,
    `traceparent` the span that the event was made in, empty with tracing off.
    """

    type: str
    source: str
    subject: str
    request_id: str
    data: dict[str, Any]
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    traceparent: str = field(default_factory=lambda: tracing.current().traceparent)

    def encode(self) -> bytes:
        """Return the event as the body of a message."""
        document = _CloudEvent(
            specversion="1.0",
            id=self.event_id,
            type=self.type,
            source=self.source,
            subject=self.subject,
            time=self.time,
            requestid=self.request_id,
            traceparent=self.traceparent,
            data=self.data,
        )
        # Attributes of CloudEvents are never empty.
        return document.model_dump_json(exclude=None if self.traceparent else {"traceparent"}).encode()

    @classmethod
    def decode(cls, body: bytes) -> "Event":
        """Return the event in the body of a message. Raise `MalformedMessageError` if there is none."""
        try:
            document = _CloudEvent.model_validate_json(body)
        except ValidationError as fault:
            raise MalformedMessageError(
                f"not a CloudEvent: {fault.errors(include_url=False, include_input=False)}"
            ) from fault
        return cls(
            type=document.type,
            source=document.source,
            subject=document.subject,
            request_id=document.requestid,
            data=document.data,
            event_id=document.id,
            time=document.time,
            traceparent=document.traceparent,
        )
