"""The client: a method for each operation of the API, of the same name, and a few that do what people want.

The examples are run as tests, with a `client`, the `key` of an image, and `cat.jpg` in the working directory.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from imghost import batches, forms
from imghost.batches import Operation, Result, ResultsDocument
from imghost.errors import ImageFailedError, StillPendingError
from imghost.forms import Progress
from imghost.models import (
    UNCHANGED,
    ApiKey,
    Collection,
    CollectionWithImages,
    ContentType,
    Health,
    Image,
    NewApiKey,
    PublicCollection,
    PublicImage,
    Readiness,
    Scope,
    SignedPost,
    SignedPut,
    Sort,
    Stats,
    Status,
    Unchanged,
    User,
)
from imghost.names import file_name
from imghost.problems import SecretNotKeptError
from imghost.transport import Answer, Params, Transport, authentication

Item = TypeVar("Item")
Shown = TypeVar("Shown", PublicCollection, CollectionWithImages)

TIMEOUT_S = 60.0
READY_WITHIN_S = 120.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


class Client:
    """A client of the imghost at `url`, with an API key, or a username and password, or without for what is public.

    Each call ends within `timeout_s` seconds, repeats included, but for uploads: those are given up after a minute
    without progress. What is harmless to repeat is repeated, a POST always with its idempotency key. Several threads
    may share a client. Used as a context manager it closes its connections.

    Every method raises `ProblemError`, most often one of its subclasses, for what the service refuses, and
    `NoAnswerError` if it does not answer.

    >>> client = Client(url, api_key=api_key)
    >>> client.readyz().status
    'ready'
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._transport = Transport(url, authentication(api_key, username, password), timeout_s)

    @property
    def url(self) -> str:
        """The address of the gateway."""
        return self._transport.url

    def close(self) -> None:
        """Close all connections; the client can be used again."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- pictures ----------------------------------------------------------------------------------------------------

    def upload(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "",
        description: str = "",
        ready_within_s: float = READY_WITHIN_S,
        progress: Progress | None = None,
    ) -> Image:
        """Upload a file, register it, wait until it is ready, and return the image.

        The name of the file becomes the last part of its key. `progress` is called with the bytes sent so far.

        Raise `UploadFailedError` if S3 does not take it, `ImageFailedError` if it is no picture that can be processed,
        and `StillPendingError` if it is not ready in time.

        >>> image = client.upload("cat.jpg", title="A cat")
        >>> image.status, image.title, image.content_type
        ('ready', 'A cat', 'image/jpeg')
        >>> [thumb.size.width for thumb in image.thumbs]
        [64, 128, 256, 512]
        """
        form = self.sign_post(Path(path).name)
        self.send_form(form, path, progress=progress)
        image = self.create_image(form.fields["key"], title=title, description=description)
        return self.wait_until_ready(image, within_s=ready_within_s)

    def send_form(self, form: SignedPost, path: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Put a file into S3 by a form of `sign_post`. The same form may be sent again.

        Raise `UploadFailedError` if S3 does not take it, and `FileChangedError` if it becomes shorter meanwhile.

        >>> form = client.sign_post("cat.jpg")
        >>> client.send_form(form, "cat.jpg")
        >>> client.create_image(form.fields["key"], title="A cat").status
        'pending'
        """
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            forms.send(self._transport.session, form, file, size, progress)

    def wait_until_ready(self, image: Image | str, *, within_s: float = READY_WITHIN_S) -> Image:
        """Wait until an image, or the one with this key, is ready, and return it.

        Raise `ImageFailedError` if it has failed, and `StillPendingError` after `within_s` seconds.

        >>> image = client.wait_until_ready(client.update_image(key, reprocess=True))
        >>> image.status
        'ready'
        """
        ends = time.monotonic() + within_s
        image = self.get_image(image) if isinstance(image, str) else image
        pause_s = _FIRST_PAUSE_S
        while image.status == "pending":
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise StillPendingError(image, within_s)
            time.sleep(min(pause_s, left_s))
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
            image = self.get_image(image.s3_key)
        if image.status == "failed":
            raise ImageFailedError(image)
        return image

    def sign_post(self, filename: str, content_type: ContentType | None = None) -> SignedPost:
        """Return a form by which a file of this name can be put into S3 within ten minutes.

        What no key may have, such as a slash, is replaced in the name. S3 serves the file with `content_type`; if it is
        None, with that of the name's extension.

        >>> client.sign_post("what? a+b 100%25 é.jpg").fields["key"].partition("/")[2]
        'what? a+b 100%25 é.jpg'
        """
        params = {"filename": file_name(filename), "content_type": content_type}
        return self._transport.send("GET", "/api/signed-post", params=params).read(SignedPost)

    def sign_put(
        self,
        filename: str,
        bytes: int,  # noqa: A002 - as in the API
        content_type: ContentType | None = None,
    ) -> SignedPut:
        """Return an address to which a file of this name and size can be sent within ten minutes.

        For S3 servers that take no forms. What no key may have is replaced in the name; `content_type` is as for
        `sign_post`.

        >>> client.sign_put("cat.jpg", 482133).headers["Content-Length"]
        '482133'
        """
        body = {"filename": file_name(filename), "bytes": bytes}
        body |= {"content_type": content_type} if content_type is not None else {}
        return self._transport.send("POST", "/api/signed-put", body=body, once=True).read(SignedPut)

    def create_image(
        self, s3_key: str, *, s3_bucket: str | None = None, title: str = "", description: str = ""
    ) -> Image:
        """Register a picture that is in S3, and return its image, which is pending.

        Raise `ImageExistsError` if the key is registered already.
        """
        body = {"s3_key": s3_key, "title": title, "description": description}
        body |= {"s3_bucket": s3_bucket} if s3_bucket is not None else {}
        return self._transport.send("POST", "/api/images", body=body, once=True).entity(Image)

    def get_image(self, s3_key: str) -> Image:
        """Return one of your images. Raise `ImageNotFoundError` if there is none with this key.

        >>> client.get_image(key).s3_key == key
        True
        """
        return self._transport.send("GET", _path("images", s3_key)).entity(Image)

    def list_images(  # noqa: PLR0913 - what the API can filter by
        self,
        *,
        status: Status | None = None,
        q: str | None = None,
        collection: str | None = None,
        content_type: ContentType | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        sort: Sort | None = None,
        sha256: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[Image]:
        """Yield your images that fulfil everything that is asked for, newest first, a page at a time.

        `q` are words of title, description and key. Times without a zone are those of this machine.

        >>> next(client.list_images(q="cat", status="ready")).title
        'A cat'
        """
        params = {
            "status": status,
            "q": q,
            "collection": collection,
            "content_type": content_type,
            "created_after": _time(created_after),
            "created_before": _time(created_before),
            "sort": sort,
            "sha256": sha256,
            "limit": page_size,
        }
        return self._items("/api/images", Image, params)

    def update_image(
        self,
        s3_key: str,
        *,
        title: str | None = None,
        description: str | None = None,
        reprocess: bool = False,
        if_match: str | None = None,
    ) -> Image:
        """Change the fields that are given, or have the picture processed again; return the image.

        Raise `StaleError` if `if_match` is given and is not the `etag` that the image has now.

        >>> image = client.get_image(key)
        >>> client.update_image(key, description="Asleep.", if_match=image.etag).description
        'Asleep.'
        >>> client.update_image(key, description="Awake.", if_match=image.etag)
        Traceback (most recent call last):
        imghost.problems.StaleError: ...
        """
        body: dict[str, Any] = {"title": title, "description": description, "reprocess": reprocess or None}
        answer = self._transport.send("PUT", _path("images", s3_key), body=_given(body), if_match=if_match)
        return answer.entity(Image)

    def delete_image(self, s3_key: str, *, original: bool = False, if_match: str | None = None) -> None:
        """Delete an image and its thumbs. The original stays in S3, unless `original` says that it goes too.

        Raise `OriginalNotUploadedError` then if the image is not `uploaded`. No image can be registered at its key
        until a day later.
        """
        params = {"original": "true"} if original else None
        self._transport.send("DELETE", _path("images", s3_key), params=params, if_match=if_match)

    def carry_out_batch(self, operations: Sequence[Operation]) -> list[Result]:
        """Carry out up to 500 operations in one request; return their results, in the same order.

        What is refused is in the result, and keeps no other operation from being carried out. Operations for which the
        service had no time are sent again, as long as it begins some of them.

        >>> from imghost.batches import ChangeOperation, DeleteOperation
        >>> changed, deleted = client.carry_out_batch([ChangeOperation(key, title="A cat"), DeleteOperation("none")])
        >>> changed.image.title, deleted.problem.code
        ('A cat', 'image-not-found')
        """
        results: list[Result | None] = [None] * len(operations)
        left = list(range(len(operations)))
        while left:
            body = {"operations": [batches.document(operations[index]) for index in left]}
            for index, result in zip(left, self._results("/api/images/batch", body), strict=True):
                results[index] = result
            before, left = len(left), [index for index in left if batches.was_not_begun(results[index])]
            if len(left) == before:
                break
        return [result for result in results if result is not None]

    def _results(self, path: str, body: dict[str, Any]) -> list[Result]:
        answer = self._transport.send("POST", path, body=body, once=True)
        return [each.result() for each in answer.read(ResultsDocument).results]

    def get_stats(self) -> Stats:
        """Return how many images you have.

        >>> client.get_stats().images.ready > 0
        True
        """
        return self._transport.send("GET", "/api/stats").entity(Stats)

    # --- collections -------------------------------------------------------------------------------------------------

    def list_collections(self, *, page_size: int | None = None) -> Iterator[Collection]:
        """Yield your collections, newest first."""
        return self._items("/api/collections", Collection, {"limit": page_size})

    def create_collection(self, name: str) -> CollectionWithImages:
        """Make a collection. Raise `CollectionNameTakenError` if you or somebody else has one of this name.

        >>> client.create_collection("cats").images
        ()
        >>> client.add_image_to_collection("cats", key).s3_key == key
        True
        >>> client.update_collection("cats", title="My cats", cover=key).title
        'My cats'
        >>> client.delete_collection("cats")
        """
        answer = self._transport.send("POST", "/api/collections", body={"name": name}, once=True)
        return answer.entity(CollectionWithImages)

    def get_collection(self, name: str, *, images: int | None = None) -> CollectionWithImages:
        """Return one of your collections with at most this many images; with all of them, if it is None."""
        return self._collection(_path("collections", name), CollectionWithImages, images)

    def update_collection(  # noqa: PLR0913 - what the API can change
        self,
        name: str,
        *,
        new_name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        cover: str | Unchanged | None = UNCHANGED,
        if_match: str | None = None,
    ) -> Collection:
        """Change the fields that are given. `cover` is the key of one of its images, or None for no cover."""
        body = _given({"name": new_name, "title": title, "description": description})
        if not isinstance(cover, Unchanged):
            body["cover"] = cover
        answer = self._transport.send("PUT", _path("collections", name), body=body, if_match=if_match)
        return answer.entity(Collection)

    def delete_collection(self, name: str, *, if_match: str | None = None) -> None:
        """Delete a collection. Its images stay."""
        self._transport.send("DELETE", _path("collections", name), if_match=if_match)

    def list_collection_images(self, name: str, *, page_size: int | None = None) -> Iterator[Image]:
        """Yield the images of a collection in its order."""
        return self._items(_path("collections", name, "images"), Image, {"limit": page_size})

    def get_collection_image(self, name: str, s3_key: str) -> Image:
        """Return an image, if it is in the collection. Raise `ImageNotFoundError` if not."""
        return self._transport.send("GET", _path("collections", name, "images", s3_key)).entity(Image)

    def add_image_to_collection(
        self, name: str, s3_key: str, *, after: str | Unchanged | None = UNCHANGED, if_match: str | None = None
    ) -> Image:
        """Put an image into a collection, or move it there: behind the image `after`, or before all others if None.

        Without `after` it becomes the last one, or stays where it is.
        """
        body = {} if isinstance(after, Unchanged) else {"after": after}
        path = _path("collections", name, "images", s3_key)
        return self._transport.send("PUT", path, body=body, if_match=if_match, repeatable=if_match is None).entity(
            Image
        )

    def add_images_to_collection(self, name: str, s3_keys: Sequence[str]) -> list[Result]:
        """Put up to 500 images behind all others, in this order; those that are in it stay where they are.

        Return the result of each, which may be a problem.
        """
        return self._results(_path("collections", name, "images"), {"s3_keys": list(s3_keys)})

    def remove_image_from_collection(self, name: str, s3_key: str, *, if_match: str | None = None) -> None:
        """Take an image out of a collection; without `if_match` also if it is not in it."""
        path = _path("collections", name, "images", s3_key)
        self._transport.send("DELETE", path, if_match=if_match, repeatable=if_match is None)

    # --- API keys, and the user --------------------------------------------------------------------------------------

    def list_api_keys(self, *, page_size: int | None = None) -> Iterator[ApiKey]:
        """Yield your API keys, newest first, without their secrets."""
        return self._items("/api/api-keys", ApiKey, {"limit": page_size})

    def create_api_key(
        self,
        description: str = "",
        *,
        scopes: "tuple[Scope, ...] | None" = None,
        expires_at: datetime | None = None,
    ) -> NewApiKey:
        """Make an API key; its secret is in `key`. With all scopes, and without an end, unless they are given.

        If the answer is lost, the key of which nobody knows the secret is revoked, and another one is made.

        >>> client.create_api_key("backup", scopes=("read",)).scopes
        ('read',)
        """
        body = _given({"description": description, "scopes": scopes, "expires_at": _time(expires_at)})
        while True:
            try:
                return self._transport.send("POST", "/api/api-keys", body=body, once=True).entity(NewApiKey)
            except SecretNotKeptError as fault:
                if fault.location is None:
                    raise
                self._transport.send("DELETE", fault.location)

    def get_api_key(self, key: str) -> ApiKey:
        """Return one of your API keys by its id, or by the whole key."""
        return self._transport.send("GET", _path("api-keys", key)).entity(ApiKey)

    def update_api_key(self, key: str, *, description: str = "", if_match: str | None = None) -> ApiKey:
        """Replace the description of an API key."""
        body = {"description": description}
        return self._transport.send("PUT", _path("api-keys", key), body=body, if_match=if_match).entity(ApiKey)

    def delete_api_key(self, key: str, *, if_match: str | None = None) -> None:
        """Revoke an API key, and those that were made with it, from the next request on."""
        self._transport.send("DELETE", _path("api-keys", key), if_match=if_match)

    def rotate_api_key(self, key: str, *, overlap_s: int | None = None, if_match: str | None = None) -> NewApiKey:
        """Give an API key a new secret. The old one is accepted for `overlap_s` more seconds, a day if it is None.

        Raise `SecretNotKeptError` if the answer was lost; then the key has a secret that nobody knows.
        """
        body = _given({"overlap_s": overlap_s})
        path = f"{_path('api-keys', key)}/rotation"
        return self._transport.send("POST", path, body=body, if_match=if_match, once=True).entity(NewApiKey)

    def get_user(self, username: str) -> User:
        """Return yourself, with what you have and may have."""
        return self._transport.send("GET", _path("users", username)).entity(User)

    def change_password(
        self,
        username: str,
        current_password: str,
        password: str,
        *,
        revoke_api_keys: bool = False,
        if_match: str | None = None,
    ) -> User:
        """Change your password. This takes a client with username and password, which then has the old one."""
        body: dict[str, Any] = {"current_password": current_password, "password": password}
        body["revoke_api_keys"] = revoke_api_keys
        return self._transport.send("PUT", _path("users", username), body=body, if_match=if_match).entity(User)

    # --- what everybody may see --------------------------------------------------------------------------------------

    def get_public_image(self, s3_key: str) -> PublicImage:
        """Return an image as everybody sees it.

        >>> client.get_public_image(key).title
        'A cat'
        """
        return self._transport.send("GET", _path("i", s3_key)).entity(PublicImage)

    def get_public_collection(self, name: str, *, images: int | None = None) -> PublicCollection:
        """Return a collection as everybody sees it, with at most this many images; with all, if it is None."""
        return self._collection(_path("c", name), PublicCollection, images)

    def healthz(self) -> Health:
        """Return that the gateway is alive."""
        return self._transport.send("GET", "/healthz").read(Health)

    def readyz(self) -> Readiness:
        """Return whether the gateway is ready, and which services behind it answer."""
        return self._transport.send("GET", "/readyz").read(Readiness)

    def get_openapi(self) -> dict[str, Any]:
        """Return the API document."""
        return self._transport.send("GET", "/api/openapi.json").read(dict[str, Any])

    # -----------------------------------------------------------------------------------------------------------------

    def _pages(self, path: str, params: Params) -> Iterator[Answer]:
        answer = self._transport.send("GET", path, params=params)
        yield answer
        while answer.next_page is not None:  # however few items the page has
            answer = self._transport.send("GET", answer.next_page)
            yield answer

    def _items(self, path: str, item: type[Item], params: Params) -> Iterator[Item]:
        for page in self._pages(path, params):
            yield from page.read(list[item])  # type: ignore[valid-type]

    def _collection(self, path: str, shape: type[Shown], most: int | None) -> Shown:
        """Return a collection with its images; its `etag` is that of the first page, which will do for `if_match`."""
        pages = self._pages(path, {"limit": None if most is None else max(1, min(most, 1000))})
        collection = next(pages).entity(shape)
        found: list[Any] = list(collection.images)
        for page in pages if most is None or len(found) < most else ():
            found += page.read(shape).images
            if most is not None and len(found) >= most:
                break
        return replace(collection, images=tuple(found[:most]))


def _path(*segments: str) -> str:
    """Return a path below /api; every byte of its segments but `A-Za-z0-9-._~/` is percent-encoded."""
    return "/api/" + "/".join(quote(segment) for segment in segments)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
