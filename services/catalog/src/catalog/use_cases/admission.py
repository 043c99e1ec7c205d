"""Who may do anything at all."""

from catalog.adapters.store import Store
from catalog.domain import Limits
from catalog.errors import UserGoneError
from chassis.tokens import Principal

NO_LIMITS = Limits()


def admit(store: Store, caller: Principal) -> None:
    """Hold off the deletion of `caller` for this transaction. Raise `UserGoneError` if they were deleted already."""
    store.share_user(caller.user_id)
    if store.is_deleted_user(caller.user_id):
        raise UserGoneError
