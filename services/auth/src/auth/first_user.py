"""The first user, whom `auth migrate` makes so that a new installation can be used at once."""

from auth import domain, use_cases
from auth.adapters.store import Store
from auth.passwords import hash_password, is_password
from chassis.database.database import Database


def make(database: Database[Store], username: str | None, password: str | None) -> str:
    """Make the user if there is none at all. Return a sentence for the operator, empty if there is nothing to say.

    Raise `UnacceptableError` if there is no user and this one breaks a rule.
    """
    password = None if password is None else domain.prepare_password(password)
    if (username or password) and not database.read(Store.users):
        if username is None or password is None:
            return "no first user is made: that takes AUTH_FIRST_USERNAME and AUTH_FIRST_PASSWORD"
        domain.check_password(password)
        if made := database.transact(use_cases.create_first_user, username, hash_password(password)):
            return f"made the first user {made.username}, id {made.user_id}"
    if password is None or _is_theirs(database, username, password):
        return ""
    return (
        "AUTH_FIRST_PASSWORD is ignored, since there are users already; "
        "auth set-password changes a password, auth create-user makes another user"
    )


def _is_theirs(database: Database[Store], username: str | None, password: str) -> bool:
    """Return whether the password is still that of the user: then nobody can be misled by the setting."""
    user = database.read(Store.user, username) if username else None
    return user is not None and is_password(user.password_hash, password)
