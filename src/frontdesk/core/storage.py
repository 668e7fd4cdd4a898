"""Where files are kept: in a folder that web and workers share, or in a bucket that speaks S3.

A key begins with the id of the tenant the file is of. What a file is, and whose, stands in a row;
here are only its bytes.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from frontdesk.core import ids
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.core.settings import StorageSettings

T = TypeVar("T")

_PIECE_BYTES = 256 * 1024
# More would hold up web and workers alike while a bucket does not answer.
_TIMEOUT_SECONDS = 20
_MISSING = ("NoSuchKey", "404", "NotFound")


class NotKept(Exception):
    """There is no file under that key."""


class Storage(Protocol):
    """Keeps files by key. All of it may raise `Unavailable`: the same may succeed later."""

    async def put(self, key: str, file: Path) -> None:
        """Keep a copy of a file; what was under the key before is gone."""

    async def open(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a file from `start` on, in pieces; raises `NotKept`."""

    async def delete(self, key: str) -> None:
        """Forget a file; again changes nothing."""

    async def delete_all(self, prefix: str) -> None:
        """Forget every file whose key begins with `prefix/`."""


class Files:
    """The storage of this process, as its settings say: `resources.keep(Files).storage`."""

    def __init__(self, resources: Resources) -> None:
        settings = resources.settings.storage
        self.storage: Storage = (
            Bucket(settings) if settings.s3_bucket else Folder(Path(settings.folder))
        )


def storage_of(resources: Resources) -> Storage:
    """Where this process keeps files."""
    return resources.keep(Files).storage


async def try_out(storage: Storage) -> None:
    """Keep a small file, read it again and forget it: what the desk does with every file.

    Raises:
        Unavailable: one of them does not work, or what was read is not what was kept.
    """
    key, content = f"{ids.NIL}/checks/{ids.new()}", os.urandom(64)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        await storage.put(key, Path(file.name))
    try:
        read = b"".join([piece async for piece in await storage.open(key)])
    except NotKept:
        read = b""
    await storage.delete(key)
    if read != content:
        raise Unavailable("The store of files gave back something else than it was given.")


class Folder:
    """Files in a folder of this machine, or one that all machines mount."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, key: str, file: Path) -> None:
        """Keep a copy of a file, whole or not at all."""
        await _off_the_loop(self._put, key, file)

    def _put(self, key: str, file: Path) -> None:
        place = self._place(key)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = place.with_name(f"{place.name}.{ids.new().hex}.partial")
        try:
            with file.open("rb") as source, partial.open("xb") as copy:
                os.chmod(copy.fileno(), 0o600)
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)

    async def open(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a file, in pieces; raises `NotKept`. It is held open only while it is read."""
        place = self._place(key)
        if not await _off_the_loop(place.is_file):
            raise NotKept(key)

        async def pieces() -> AsyncIterator[bytes]:
            with place.open("rb") as file:
                file.seek(start)
                async for piece in _pieces(file.read, length):
                    yield piece

        return pieces()

    async def delete(self, key: str) -> None:
        """Forget a file."""
        await _off_the_loop(lambda: self._place(key).unlink(missing_ok=True))

    async def delete_all(self, prefix: str) -> None:
        """Forget a folder of files."""
        await _off_the_loop(shutil.rmtree, self._place(prefix), onerror=_unless_gone)

    def _place(self, key: str) -> Path:
        # Keys are ids of ours; this only keeps a mistake from becoming a way out.
        parts = key.split("/")
        if not all(parts) or {".", ".."} & set(parts):
            raise ValueError(f"{key!r} is no key")
        return self._path.joinpath(*parts)


class Bucket:
    """Files in a bucket of S3, or of what speaks its protocol.

    boto3 comes with LiteLLM. It blocks, so it works in threads; and it loads slowly, so it is
    imported with the first file.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        settings = self._settings
        secret = settings.s3_secret_access_key
        return boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            # Without them the machine's own role is used, as Amazon's libraries find it.
            aws_access_key_id=settings.s3_access_key_id,
            aws_secret_access_key=secret and secret.get_secret_value(),
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 3},
                # Others than Amazon know neither the newer checksums nor names of buckets as hosts.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
            ),
        )

    async def put(self, key: str, file: Path) -> None:
        """Keep a copy of a file."""
        await self._ask(self._put, key, file)

    def _put(self, key: str, file: Path) -> None:
        with file.open("rb") as body:
            self._client.put_object(Bucket=self._settings.s3_bucket, Key=key, Body=body)

    async def open(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a file, in pieces; raises `NotKept`."""
        last = "" if length is None else start + length - 1
        asked = {"Range": f"bytes={start}-{last}"} if start or length is not None else {}
        answer = await self._ask(
            lambda: self._client.get_object(Bucket=self._settings.s3_bucket, Key=key, **asked)
        )
        return _pieces(answer["Body"].read, length)

    async def delete(self, key: str) -> None:
        """Forget a file."""
        await self._ask(
            lambda: self._client.delete_object(Bucket=self._settings.s3_bucket, Key=key)
        )

    async def delete_all(self, prefix: str) -> None:
        """Forget every file under a prefix."""
        await self._ask(self._delete_all, prefix)

    def _delete_all(self, prefix: str) -> None:
        """By pages of the list, a thousand at once."""
        bucket = self._settings.s3_bucket
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{prefix}/"):
            listed = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if listed:
                told = self._client.delete_objects(
                    Bucket=bucket, Delete={"Objects": listed, "Quiet": True}
                )
                if told.get("Errors"):
                    raise Unavailable("The store of files refused.", retry_after_seconds=30)

    async def _ask(self, act: Callable[..., T], *values: Any) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.to_thread(act, *values)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise NotKept(str(error)) from None
            raise Unavailable("The store of files refused.", retry_after_seconds=30) from error
        except BotoCoreError as error:
            raise Unavailable("The store of files can't be reached.") from error


async def _pieces(read: Callable[[int], bytes], length: int | None) -> AsyncIterator[bytes]:
    left = length
    while left is None or left > 0:
        wanted = _PIECE_BYTES if left is None else min(_PIECE_BYTES, left)
        piece = await asyncio.to_thread(read, wanted)
        if not piece:
            return
        left = None if left is None else left - len(piece)
        yield piece


def _unless_gone(_: object, __: object, told: Any) -> None:
    """What `rmtree` does about an error, told as `sys.exc_info` does."""
    if not isinstance(told[1], FileNotFoundError):
        raise told[1]


async def _off_the_loop(act: Callable[..., T], *values: Any, **named: Any) -> T:
    try:
        return await asyncio.to_thread(act, *values, **named)
    except OSError as error:
        raise Unavailable("The folder of files can't be used.", retry_after_seconds=30) from error
