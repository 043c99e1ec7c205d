"""Room for what clients send, in memory or on disk: so much of all together, and of each user a quarter of that."""

from collections import Counter

from gateway.errors import OverloadedError

_PART_OF_A_USER = 4


class Room:
    """Room for `most` bytes in one web process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    def take(self, user_id: str, size: int) -> None:
        """Take room for `size` bytes of a user. Raise `OverloadedError` if there is none; then nothing is taken."""
        of_user = self._taken[user_id] + size
        if of_user > self._most // _PART_OF_A_USER or self._taken.total() + size > self._most:
            raise OverloadedError
        self._taken[user_id] = of_user

    def give_back(self, user_id: str, size: int) -> None:
        """Give back room for `size` bytes that was taken for a user."""
        self._taken[user_id] -= size
        if not self._taken[user_id]:
            del self._taken[user_id]
