"""The services on a network of IPv6: each finds the others by URLs with addresses in brackets."""

from web_stack import WebStack


def test_services_find_each_other_by_addresses_in_brackets(web_stack: WebStack) -> None:
    web_stack.host = "[::1]"
    web_stack.start_all()
    assert web_stack.url().startswith("http://[::1]:")
    assert web_stack.anna().post("/api/collections", json={"name": "holidays"}).status == 201
    assert web_stack.anna().get("/readyz").json()["shared"] == {"auth": True, "catalog": True}
