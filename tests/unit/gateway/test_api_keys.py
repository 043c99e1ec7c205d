from auth import keys
from gateway import api_keys


def test_whole_key_is_identified_by_the_id_and_digest_that_auth_stores() -> None:
    key = keys.new_key()
    presented = keys.parse_key(key)
    assert presented is not None
    assert api_keys.name(key) == {"id": presented.key_id, "digest": presented.digest}


def test_anything_else_is_taken_for_an_id() -> None:
    assert api_keys.name("abc") == {"id": "abc"}


def test_secret_of_a_key_in_a_path_is_hidden() -> None:
    key = keys.new_key()
    assert api_keys.hide(f"/api/api-keys/{key}") == f"/api/api-keys/{key[5:21]}"
    assert api_keys.SECRET.sub("", f"GET /api/api-keys/{key}") == f"GET /api/api-keys/{key[:22]}"


def test_secret_of_a_key_is_hidden_however_the_path_encodes_it() -> None:
    key = keys.new_key()
    encoded = "".join(f"%{byte:02x}" for byte in key.encode())
    for spelled in (encoded, key.replace("_", "%5F"), key[:30] + encoded[90:], key[:-1] + encoded[-3:]):
        assert api_keys.hide(f"/api/api-keys/{spelled}") == f"/api/api-keys/{key[5:21]}"


def test_other_paths_are_shown_unchanged() -> None:
    for path in ("/api/i/a%2Fb", "/api/i/imgh_%FF", "/api/i/%zz"):
        assert api_keys.hide(path) == path
