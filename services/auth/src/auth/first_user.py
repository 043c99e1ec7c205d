"""The first user, whom `auth migrate` makes so that a new installation can be used at once."""

from auth import domain, operators, use_cases
from auth.adapters.store import Store
from auth.domain import User
from auth.passwords import hash_password, is_password
from chassis.database.database import Database
from chassis.settings import END_OF_DEFAULTS


def make(database: Database[Store], username: str | None, password: str | None) -> list[str]:
    """Make the user if there is none at all. Return sentences for the operator, none if there is nothing to say.

    Raise `UnacceptableError` if there is no user and this one breaks a rule.
    """
    password = None if password is None else domain.prepare_password(password)
    said = []
    if (username or password) and not database.read(Store.users):
        if username is None or password is None:
            return ["no first user is made: that takes AUTH_FIRST_USERNAME and AUTH_FIRST_PASSWORD"]
        domain.check_password(password)
        password_hash = hash_password(password)
        made = operators.transact(
            database,
            "user.create",
            lambda store: use_cases.create_first_user(store, username, password_hash),
            lambda user: {"user": user.user_id, "username": user.username} if user else None,
        )
        if made:
            said.append(f"made the first user {made.username}, id {made.user_id}")
    if password is None:
        return said
    user = database.read(Store.user, username) if username else None
    if user is None or not is_password(user.password_hash, password):
        return [*said, _ignored(user)]
    if password.endswith(END_OF_DEFAULTS):
        loud = f"WARNING: {username} HAS THE DEFAULT PASSWORD, WHICH EVERYBODY CAN READ IN docker-compose.yml"
        said.append(f"{loud}; auth set-password {username} changes it")
    return said


def _ignored(user: User | None) -> str:
    """Return the sentence that the password of the settings is not that of `user`, None if there is no such user."""
    ignored = "AUTH_FIRST_PASSWORD is ignored, since it counts only where there is no user at all"
    if user is not None:
        return f"{ignored}, and {user.username} has another password; auth set-password {user.username} changes it"
    return f"{ignored}; auth create-user makes another user, auth set-password changes a password"
