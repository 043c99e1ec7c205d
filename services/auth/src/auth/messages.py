"""The messages that auth sends."""

from chassis import request_ids
from chassis.envelope import Event

SOURCE = "/auth"
USER_DELETED = "user.deleted"


def user_deleted(user_id: str) -> Event:
    """Return the event that a user is gone for good, so that the other services delete what the user owns."""
    return Event(USER_DELETED, SOURCE, user_id, request_ids.current(), {"user_id": user_id})
