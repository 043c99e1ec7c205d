"""Many clients that read long pages at once take neither the gateway's memory nor catalog's."""

import pytest

import page_readers
from web_stack import WebStack

MIB = 1024**2


@pytest.mark.parametrize("description", [page_readers.LONG, page_readers.ORDINARY], ids=["long", "ordinary"])
def test_fifty_readers_of_a_collection_take_little_memory(web_stack: WebStack, description: str) -> None:
    page_readers.fill(web_stack.folder / "catalog.db", "c", description)
    web_stack.start_all()
    pids = {service: web_stack.processes[service].pid for service in ("gateway", "catalog")}
    figures = page_readers.read(web_stack.url(), pids, "c", readers=50, for_s=6)
    assert figures.failed == 0
    assert figures.page_bytes <= MIB
    assert figures.not_modified_bytes == 0
    assert {name: peak for name, peak in figures.peak_bytes.items() if peak >= 150 * MIB} == {}
