"""Who may do what: the status of every operation of the API document for everybody who may call it.

`EXPECTED` has a row for each operation. tests/integration/test_access.py tries all of it; docs/access.md shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ACTORS = {
    "nobody": "no credentials",
    "wrong": "a key that does not exist",
    "guesser": "the owner's name with a wrong password",
    "other": "the password of another user",
    "owner": "the owner's password",
    "read": "a key of the owner's with the scope `read`",
    "write": "… `write`",
    "upload": "… `upload`",
    "keys": "… `keys`",
    "child": "a key that was made with a key of the owner's, with all scopes",
    "revoked": "a revoked key",
    "expired": "a key that has expired",
    "deleted": "the password of a deleted user",
    "disabled": "the password of a disabled user",
}
SCOPES = ("read", "write", "upload", "keys")
# Those whose credentials open nothing, whatever they ask for.
STRANGERS = ("nobody", "wrong", "guesser", "revoked", "expired", "deleted")


@dataclass(frozen=True)
class Row:
    """The statuses of one operation on a resource of the owner's.

    `done` is for the owner and for keys with one of `scopes` (None: for everybody, credentials or not), `other` for
    another user, and `exceptions` for the actors it names.
    """

    done: int
    scopes: tuple[str, ...] | None
    other: int
    exceptions: Mapping[str, int] = field(default_factory=dict)

    def status(self, actor: str) -> int:
        """Return the status of the answer to `actor`."""
        if actor in self.exceptions:
            return self.exceptions[actor]
        if self.scopes is None or actor == "owner":
            return self.done
        if actor in STRANGERS:
            return 401
        if actor == "other":
            return self.other
        if actor == "disabled":
            return 403
        return self.done if actor == "child" or actor in self.scopes else 403


def _public(done: int = 200) -> Row:
    return Row(done, None, done)


def _private(done: int, *scopes: str, other: int = 404, **exceptions: int) -> Row:
    return Row(done, scopes, other, exceptions)


# A key changes no password and gets no other key's rights, whatever its scopes.
_NO_KEY = dict.fromkeys((*SCOPES, "child"), 403)

EXPECTED: dict[str, Row] = {
    "get_public_image": _public(),
    "head_public_image": _public(),
    "preflight_public_image": _public(204),
    "get_public_collection": _public(),
    "head_public_collection": _public(),
    "preflight_public_collection": _public(204),
    "list_images": _private(200, "read", other=200),
    "head_images": _private(200, "read", other=200),
    "create_image": _private(201, "upload", "write", other=201),
    "carry_out_batch": _private(200, "upload", "write", other=200),
    "get_stats": _private(200, "read", other=200),
    "head_stats": _private(200, "read", other=200),
    "get_image": _private(200, "read"),
    "head_image": _private(200, "read"),
    "update_image": _private(200, "write"),
    "delete_image": _private(204, "write"),
    "list_collections": _private(200, "read", other=200),
    "head_collections": _private(200, "read", other=200),
    "create_collection": _private(201, "write", other=201),
    "get_collection": _private(200, "read"),
    "head_collection": _private(200, "read"),
    "update_collection": _private(200, "write"),
    "delete_collection": _private(204, "write"),
    "list_collection_images": _private(200, "read"),
    "head_collection_images": _private(200, "read"),
    "add_images_to_collection": _private(200, "write"),
    "get_collection_image": _private(200, "read"),
    "head_collection_image": _private(200, "read"),
    "add_image_to_collection": _private(200, "write"),
    "remove_image_from_collection": _private(204, "write"),
    "list_api_keys": _private(200, "keys", other=200),
    "head_api_keys": _private(200, "keys", other=200),
    "create_api_key": _private(201, "keys", other=201),
    "get_api_key": _private(200, "keys"),
    "head_api_key": _private(200, "keys"),
    # A key that was made with one of the owner's; none of the actors is that one, or descends from it.
    "update_api_key": _private(200, "keys", child=403),
    "delete_api_key": _private(204, "keys", child=403),
    "rotate_api_key": _private(200, **_NO_KEY),
    "sign_post": _private(200, "upload", other=200),
    "head_signed_post": _private(200, "upload", other=200),
    "sign_put": _private(200, "upload", other=200),
    "upload_image": _private(415, "upload", other=415),
    "upload_file": _private(422, "upload", other=422),
    "get_user": _private(200, "read"),
    "head_user": _private(200, "read"),
    "change_password": _private(200, **_NO_KEY),
    "get_oembed": _public(),
    "head_oembed": _public(),
    "preflight_oembed": _public(204),
    "get_image_page": _public(),
    "head_image_page": _public(),
    "get_collection_feed": _public(),
    "head_collection_feed": _public(),
    "get_collection_page": _public(),
    "head_collection_page": _public(),
    "get_collection_image_page": _public(),
    "head_collection_image_page": _public(),
    "get_page_asset": _public(),
    "head_page_asset": _public(),
    "healthz": _public(),
    "head_healthz": _public(),
    "readyz": _public(),
    "head_readyz": _public(),
    "get_openapi": _public(),
    "head_openapi": _public(),
    "preflight_openapi": _public(204),
    "get_docs": _public(),
    "head_docs": _public(),
    "get_problems": _public(),
    "head_problems": _public(),
    "get_problem": _public(),
    "head_problem": _public(),
    "get_docs_asset": _public(),
    "head_docs_asset": _public(),
    "get_console": _public(),
    "head_console": _public(),
    "get_console_asset": _public(),
    "head_console_asset": _public(),
}

# The same where the key that is named is the caller's own. The password is no key.
OF_ITSELF: dict[str, Row] = {
    "get_api_key": _private(200, *SCOPES),
    "head_api_key": _private(200, *SCOPES),
    "update_api_key": _private(200, "keys"),
    "delete_api_key": _private(204, *SCOPES),
    "rotate_api_key": _private(200, "keys"),
}

RELATIVES = {
    "itself": "that key",
    "parent": "the key that it was made with",
    "sibling": "another key that was made with that one",
    "stranger": "a key that was made with the password",
    "descendant": "a key that was made with one that was made with it",
}
# The same where a child, a key that was made with another one, with the scope `keys`, names one of its `RELATIVES`.
OF_CHILD: dict[str, dict[str, int]] = {
    "get_api_key": dict.fromkeys(RELATIVES, 200),
    "head_api_key": dict.fromkeys(RELATIVES, 200),
    "update_api_key": {**dict.fromkeys(RELATIVES, 403), "itself": 200, "descendant": 200},
    "delete_api_key": {**dict.fromkeys(RELATIVES, 403), "itself": 204, "descendant": 204},
    "rotate_api_key": {**dict.fromkeys(RELATIVES, 403), "itself": 200, "descendant": 200},
}
