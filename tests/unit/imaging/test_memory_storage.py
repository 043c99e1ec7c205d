import pytest

from memory_storage import MemoryStorage
from storage_contract import MAX_BYTES, StorageContract


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return MemoryStorage(MAX_BYTES)

    @pytest.fixture
    def bucket(self, storage: MemoryStorage) -> MemoryStorage:
        return storage
