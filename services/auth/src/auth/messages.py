"""The messages that auth sends."""

from chassis import request_ids
from chassis.envelope import Event

SOURCE = "/auth"
USER_DELETED = "user.deleted"


def user_deleted(user_id: str) -> Event:
    """Tell that USER_ID is gone for good, so that whoever holds something of theirs lets go of it."""
    return Event(USER_DELETED, SOURCE, user_id, request_ids.current(), {"user_id": user_id})
