"""API keys: shown once, described, revoked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from clients import Stack, ValidatingClient, path
from deadlines import until


@pytest.fixture
def created(alice: ValidatingClient) -> dict[str, Any]:
    document: dict[str, Any] = alice.post("/api/api-keys", json={"description": "before"}).json()
    return document


def test_a_key_needs_no_description(alice: ValidatingClient) -> None:
    answer = alice.post("/api/api-keys")
    assert (answer.status, answer.json()["description"], answer.json()["date_last_used"]) == (201, "", None)
    assert answer.headers["Location"] == answer.json()["uri"] == f"/api/api-keys/{answer.json()['id']}"


def test_keys_have_a_prefix_that_scanners_recognise(created: dict[str, Any], alice: ValidatingClient) -> None:
    other = alice.post("/api/api-keys").json()["key"]
    prefix = created["key"].partition("_")[0]
    assert prefix.isalpha()
    assert other.startswith(f"{prefix}_")
    assert other != created["key"]


def test_the_secret_is_shown_once(alice: ValidatingClient, created: dict[str, Any]) -> None:
    shown_again = [
        alice.get(created["uri"]),
        alice.get(path("api-keys", created["key"])),
        alice.put(created["uri"], json={"description": "after"}),
        alice.get("/api/api-keys"),
    ]
    for answer in shown_again:
        assert answer.status == 200
        assert created["key"].encode() not in answer.body
        assert "key" not in answer.json()


def test_a_path_takes_the_id_or_the_whole_key(alice: ValidatingClient, created: dict[str, Any]) -> None:
    by_id, by_key = alice.get(path("api-keys", created["id"])), alice.get(path("api-keys", created["key"]))
    assert by_id.json() == by_key.json()
    assert by_key.json()["uri"] == created["uri"]
    changed = alice.put(path("api-keys", created["key"]), json={"description": "after"})
    assert (changed.status, changed.json()["description"]) == (200, "after")
    assert alice.delete(path("api-keys", created["key"])).status == 204
    assert alice.get(created["uri"]).status == 404


def test_problems_show_the_id_where_the_secret_was_sent(alice: ValidatingClient, created: dict[str, Any]) -> None:
    target = path("api-keys", created["key"])
    problems = [
        alice.post(target.replace("_", "%5F")),
        alice.put(target, json={"description": 1}),
        alice.put(target, body=b"{", headers={"Content-Type": "application/json"}),
        alice.delete(target, headers={"If-Match": '"stale"'}),
        alice.post(target),
        alice.post(f"{target}/rotation", json={"overlap_s": -1}),
        ValidatingClient(alice.base_url).get(target),
    ]
    alice.delete(created["uri"])
    problems.append(alice.get(target))
    for answer in problems:
        assert answer.status >= 400
        assert created["key"].encode() not in answer.body
        assert answer.json()["instance"].removesuffix("/rotation") == created["uri"]


def test_put_without_description_sets_it_to_empty(alice: ValidatingClient, created: dict[str, Any]) -> None:
    assert alice.put(created["uri"], form={"description": "after"}).json()["description"] == "after"
    assert alice.put(created["uri"]).json()["description"] == ""
    assert alice.get(created["uri"]).json()["description"] == ""


@pytest.mark.parametrize("description", ["x" * 255, "🌍" * 255])
def test_a_description_has_255_characters_at_most(alice: ValidatingClient, description: str) -> None:
    answer = alice.post("/api/api-keys", json={"description": description})
    assert (answer.status, answer.json()["description"]) == (201, description)
    alice.delete(answer.json()["uri"])
    too_long = alice.post("/api/api-keys", json={"description": description + "x"})
    assert (too_long.status, too_long.faulty_fields) == (422, {"/description"})


@pytest.mark.parametrize("fields", [{"description": None}, {"description": 1}, {"key": "mine"}, {"description": "\0"}])
def test_unacceptable_fields_are_422(alice: ValidatingClient, fields: dict[str, Any]) -> None:
    assert alice.post("/api/api-keys", json=fields).code == "invalid-fields"


@pytest.mark.parametrize(
    "expires_at",
    [
        *("2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
        *("2099-02-30T00:00:00Z", "2099-01-01T25:00:00Z", "2099-01-01T00:00:60Z", "2099-01-01T00:00:00.1234567Z"),
        *(
            "2099-01-01T00:00:00",
            "2099-01-01T00:00:00+01:00",
            "2099-01-01 00:00:00Z",
            "2099-01-01",
            "٢٠٩٩-01-01T00:00:00Z",
        ),
        *(
            "",
            "never",
            "2099-01-01T00:00:00Z ",
            "2099-01-01T00:00:00Z\0",
            None,
            4_000_000_000,
            True,
            ["2099-01-01T00:00:00Z"],
        ),
    ],
)
def test_expires_at_is_a_moment_in_the_future(alice: ValidatingClient, expires_at: Any) -> None:
    answer = alice.post("/api/api-keys", json={"expires_at": expires_at})
    assert (answer.status, answer.code, answer.faulty_fields) == (422, "invalid-fields", {"/expires_at"})


def test_expiry_is_shown_and_never_changes(alice: ValidatingClient, created: dict[str, Any]) -> None:
    assert created["expires_at"] is None
    for sent in (
        {"json": {"expires_at": "2099-01-01T12:00:00.5Z"}},
        {"form": {"expires_at": "2099-01-01T12:00:00.5Z"}},
    ):
        made = alice.post("/api/api-keys", **sent)
        assert made.json()["expires_at"] == "2099-01-01T12:00:00.500000+00:00"
        assert alice.get(made.json()["uri"]).json()["expires_at"] == made.json()["expires_at"]
        changed = alice.put(made.json()["uri"], json={"expires_at": "2098-01-01T00:00:00Z"})
        assert (changed.status, changed.faulty_fields) == (422, {"/expires_at"})
        assert alice.delete(made.json()["uri"]).status == 204


def test_a_key_is_refused_once_it_has_expired(stack: Stack, alice: ValidatingClient) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=4)
    made = alice.post("/api/api-keys", json={"expires_at": soon.isoformat()}).json()
    as_bearer = ValidatingClient(stack["GATEWAY_URL"], made["key"])
    as_password = ValidatingClient(stack["GATEWAY_URL"], ("any", made["key"]))
    clients = (as_bearer, as_password)
    assert [client.get("/api/images?limit=1").status for client in clients] == [200, 200]
    until(lambda: as_bearer.get("/api/images?limit=1").status == 401, 10, "the key goes on after its end")
    assert datetime.now(UTC) >= soon - timedelta(seconds=1)
    assert [client.get("/api/images?limit=1").code for client in clients] == ["unauthorized", "unauthorized"]
    assert made["id"] in {key["id"] for key in alice.get("/api/api-keys").json()}
    assert alice.delete(made["uri"]).status == 204


def test_a_revoked_key_is_refused_on_the_next_request(stack: Stack, created: dict[str, Any]) -> None:
    """Over several connections: every web process has to refuse it at once."""
    clients = [ValidatingClient(stack["GATEWAY_URL"], created["key"]) for _ in range(8)]
    for client in clients:
        assert client.get("/api/images?limit=1").status == 200
    assert clients[0].delete(created["uri"]).status == 204
    assert [client.get("/api/images?limit=1").status for client in clients] == [401] * 8
    for client in clients:
        client.close()


def test_a_key_may_do_what_its_user_may(stack: Stack, alice: ValidatingClient, created: dict[str, Any]) -> None:
    by_key = ValidatingClient(stack["GATEWAY_URL"], created["key"])
    assert by_key.get(path("users", alice.username)).json()["type"] == "user"
    assert by_key.get(created["uri"]).json()["date_last_used"] is not None
    assert by_key.post("/api/api-keys").status == 201


@pytest.mark.parametrize("key", ["no-such", "%20", "x" * 500, "ä", "..", "%2F", "a%2Fb", "a%0A"])
def test_unknown_keys_are_404(alice: ValidatingClient, key: str) -> None:
    assert alice.get(f"/api/api-keys/{key}" if key.isascii() else path("api-keys", key)).status == 404


def test_a_key_made_with_a_key_is_its_child_and_is_revoked_with_it(stack: Stack, alice: ValidatingClient) -> None:
    parent = alice.post("/api/api-keys", json={"scopes": ["read", "keys"], "expires_at": "2098-01-01T00:00:00Z"}).json()
    child = ValidatingClient(stack["GATEWAY_URL"], parent["key"]).post("/api/api-keys").json()
    assert (parent["parent"], child["parent"]) == (None, parent["id"])
    assert (child["scopes"], child["expires_at"]) == (parent["scopes"], parent["expires_at"])
    grandchild = ValidatingClient(stack["GATEWAY_URL"], ("any", child["key"])).post("/api/api-keys").json()
    assert alice.get(grandchild["uri"]).json()["parent"] == child["id"]
    clients = [ValidatingClient(stack["GATEWAY_URL"], key["key"]) for key in (child, grandchild)]
    assert [client.get("/api/images?limit=1").status for client in clients] == [200, 200]
    assert alice.delete(parent["uri"]).status == 204
    assert [client.get("/api/images?limit=1").status for client in clients] == [401, 401]
    assert [alice.get(key["uri"]).status for key in (child, grandchild)] == [404, 404]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"scopes": ["read", "write"]}, "/scopes"),
        ({"scopes": ["upload"]}, "/scopes"),
        ({"expires_at": "2098-01-01T00:00:00.000001Z"}, "/expires_at"),
    ],
)
def test_a_child_is_never_more_than_its_parent(
    stack: Stack, alice: ValidatingClient, fields: dict[str, Any], pointer: str
) -> None:
    parent = alice.post("/api/api-keys", json={"scopes": ["read", "keys"], "expires_at": "2098-01-01T00:00:00Z"}).json()
    by_parent = ValidatingClient(stack["GATEWAY_URL"], parent["key"])
    answer = by_parent.post("/api/api-keys", json=fields)
    assert (answer.status, answer.code, answer.faulty_fields) == (422, "invalid-fields", {pointer})
    assert {error["code"] for error in answer.json()["errors"]} == {"beyond-parent"}
    assert by_parent.post("/api/api-keys", json={"scopes": ["read"]}).status == 201
    assert alice.delete(parent["uri"]).status == 204


def test_there_are_eight_generations_of_keys(stack: Stack, alice: ValidatingClient) -> None:
    first = alice.post("/api/api-keys").json()
    last = first
    for _ in range(7):
        last = ValidatingClient(stack["GATEWAY_URL"], last["key"]).post("/api/api-keys").json()
    answer = ValidatingClient(stack["GATEWAY_URL"], last["key"]).post("/api/api-keys")
    assert (answer.status, answer.code) == (403, "too-many-generations")
    assert alice.delete(first["uri"]).status == 204
    assert alice.get(last["uri"]).status == 404


def test_a_rotated_key_has_a_new_secret_and_for_a_while_the_old_one(
    stack: Stack, alice: ValidatingClient, created: dict[str, Any]
) -> None:
    tag = alice.get(created["uri"]).headers["ETag"]
    answer = alice.post(f"{created['uri']}/rotation")
    rotated = answer.json()
    assert (answer.status, rotated["id"], answer.headers["Location"]) == (200, created["id"], None)
    assert rotated["key"] != created["key"]
    left = datetime.fromisoformat(rotated["previous_secret_expires_at"]) - datetime.now(UTC)
    assert abs(left - timedelta(days=1)) < timedelta(minutes=2)
    same = {"description", "scopes", "expires_at", "parent", "date_created", "uri"}
    assert {name: rotated[name] for name in same} == {name: created[name] for name in same}
    shown = alice.get(created["uri"])
    assert "key" not in shown.json()
    assert shown.headers["ETag"] != tag
    clients = [ValidatingClient(stack["GATEWAY_URL"], key["key"]) for key in (created, rotated)]
    assert [client.get("/api/images?limit=1").status for client in clients] == [200, 200]
    assert alice.get(path("api-keys", created["key"])).status == 200
    assert alice.delete(created["uri"]).status == 204
    assert [client.get("/api/images?limit=1").status for client in clients] == [401, 401]


@pytest.mark.parametrize("options", [{"json": {"overlap_s": 0}}, {"form": {"overlap_s": "0"}}])
def test_a_leaked_secret_is_refused_at_once(
    stack: Stack, alice: ValidatingClient, created: dict[str, Any], options: dict[str, Any]
) -> None:
    leaked = [ValidatingClient(stack["GATEWAY_URL"], created["key"]) for _ in range(4)]
    assert [client.get("/api/images?limit=1").status for client in leaked] == [200] * 4
    rotated = alice.post(path("api-keys", created["key"], "rotation"), **options).json()
    assert [client.get("/api/images?limit=1").code for client in leaked] == ["unauthorized"] * 4
    assert ValidatingClient(stack["GATEWAY_URL"], rotated["key"]).get("/api/images?limit=1").status == 200
    assert alice.get(path("api-keys", created["key"])).status == 404


@pytest.mark.parametrize("overlap_s", [60, 60.0, 0, 604_800])
def test_an_overlap_is_a_whole_number_however_json_writes_it(
    alice: ValidatingClient, created: dict[str, Any], overlap_s: float
) -> None:
    before = datetime.now(UTC)
    ends = alice.post(f"{created['uri']}/rotation", json={"overlap_s": overlap_s}).json()["previous_secret_expires_at"]
    assert abs(datetime.fromisoformat(ends) - before - timedelta(seconds=overlap_s)) < timedelta(minutes=2)


@pytest.mark.parametrize("overlap_s", [-1, 604_801, 10**30, 1.5, "60", True, None, [60]])
def test_an_overlap_is_a_week_at_most(alice: ValidatingClient, created: dict[str, Any], overlap_s: Any) -> None:
    answer = alice.post(f"{created['uri']}/rotation", json={"overlap_s": overlap_s})
    assert (answer.status, answer.faulty_fields) == (422, {"/overlap_s"})
    assert alice.post(f"{created['uri']}/rotation", json={"overlap_s": 604_800}).status == 200


@pytest.mark.parametrize("overlap_s", ["", "-1", "604801", "1.5", "1e3", "٣", " 60", "9" * 40])
def test_an_overlap_in_a_form_is_a_whole_number(
    alice: ValidatingClient, created: dict[str, Any], overlap_s: str
) -> None:
    answer = alice.post(f"{created['uri']}/rotation", form={"overlap_s": overlap_s})
    assert (answer.status, answer.faulty_fields) == (422, {"/overlap_s"})


def test_a_rotation_that_is_sent_twice_happens_once_with_if_match(
    alice: ValidatingClient, created: dict[str, Any]
) -> None:
    tag = {"If-Match": alice.get(created["uri"]).headers["ETag"]}
    answers = [alice.post(f"{created['uri']}/rotation", headers=tag) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 412]


def test_a_key_rotates_no_key_that_was_not_made_with_it(
    stack: Stack, alice: ValidatingClient, bob: ValidatingClient, created: dict[str, Any]
) -> None:
    weak = alice.post("/api/api-keys", json={"scopes": ["keys"]}).json()
    by_weak = ValidatingClient(stack["GATEWAY_URL"], weak["key"])
    refused = by_weak.post(f"{created['uri']}/rotation")
    assert (refused.status, refused.code) == (403, "rotation-refused")
    assert bob.post(f"{created['uri']}/rotation").code == "api-key-not-found"
    child = by_weak.post("/api/api-keys").json()
    for key in (child, weak):
        assert by_weak.post(f"{key['uri']}/rotation").status == 200


def test_no_request_fails_while_a_key_is_rotated_again_and_again(
    stack: Stack, alice: ValidatingClient, created: dict[str, Any]
) -> None:
    """Each program takes the newest secret before a request, and may be one rotation behind when it arrives."""
    secrets, used, over = [str(created["key"])], [0] * 4, Event()

    def work(number: int) -> set[int]:
        client, seen = ValidatingClient(stack["GATEWAY_URL"]), set()
        while not over.is_set():
            newest = len(secrets)
            client.auth = secrets[newest - 1]
            seen.add(client.get("/api/images?limit=1").status)
            used[number] = newest
        client.close()
        return seen

    with ThreadPoolExecutor(len(used)) as programs:
        working = [programs.submit(work, number) for number in range(len(used))]
        try:
            for _ in range(20):
                secrets.append(alice.post(f"{created['uri']}/rotation", json={"overlap_s": 60}).json()["key"])
                until(lambda: min(used) == len(secrets), 20, "not all programs have used the new secret")
        finally:
            over.set()
        assert [each.result() for each in working] == [{200}] * len(used)
