"""What catalog does for its callers, each a function that reads like its sentence in the contract."""

from catalog.use_cases.admission import (
    NO_LIMITS,
    admit,
)
from catalog.use_cases.collections import (
    change_collection,
    create_collection,
    delete_collection,
    list_collections,
    own_collection,
    public_collection,
)
from catalog.use_cases.images import (
    change_image,
    delete_image,
    find_images,
    own_image,
    own_images,
    public_image,
    public_images,
    register_image,
    stats,
)
from catalog.use_cases.members import (
    MemberCheck,
    count_members,
    get_member,
    list_members,
    member_versions,
    newest_members,
    public_member,
    put_member,
    remove_member,
)
from catalog.use_cases.uploads import (
    begin_upload,
    hand_out_prefix,
    may_upload,
    register_upload,
    sample_prefix,
)

__all__ = [
    "NO_LIMITS",
    "MemberCheck",
    "admit",
    "begin_upload",
    "change_collection",
    "change_image",
    "count_members",
    "create_collection",
    "delete_collection",
    "delete_image",
    "find_images",
    "get_member",
    "hand_out_prefix",
    "list_collections",
    "list_members",
    "may_upload",
    "member_versions",
    "newest_members",
    "own_collection",
    "own_image",
    "own_images",
    "public_collection",
    "public_image",
    "public_images",
    "public_member",
    "put_member",
    "register_image",
    "register_upload",
    "remove_member",
    "sample_prefix",
    "stats",
]
