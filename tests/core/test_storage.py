"""Files in a folder and in a bucket: the same by key, whole or in part, and gone when deleted."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from frontdesk.core.errors import Unavailable
from frontdesk.core.settings import StorageSettings
from frontdesk.core.storage import Bucket, Folder, NotKept, Storage

MISSING = b"<Error><Code>NoSuchKey</Code></Error>"


class FakeBucket(BaseHTTPRequestHandler):
    """As much of S3 as is used: objects by path, parts of them, a list by prefix."""

    objects: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256")
        self.objects[unquote(self.path)] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if query := parse_qs(parts.query):
            start = f"{parts.path}/{query['prefix'][0]}"
            keys = [k.removeprefix(f"{parts.path}/") for k in self.objects if k.startswith(start)]
            listed = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
            self._answer(200, f"<ListBucketResult>{listed}</ListBucketResult>".encode())
        elif (body := self.objects.get(unquote(self.path))) is None:
            self._answer(404, MISSING)
        elif asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            self._answer(206, body[int(first) : int(last or len(body)) + 1])
        else:
            self._answer(200, body)

    def do_DELETE(self) -> None:
        self.objects.pop(unquote(self.path), None)
        self._answer(204, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        for key in re.findall("<Key>(.*?)</Key>", body):
            self.objects.pop(f"{urlsplit(self.path).path}/{key}")
        self._answer(200, b"<DeleteResult></DeleteResult>")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeBucket)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    settings = {
        "s3_bucket": "frontdesk",
        "s3_endpoint_url": f"http://127.0.0.1:{server.server_port}",
        "s3_region": "eu-central-1",
        "s3_access_key_id": "an-id",
        "s3_secret_access_key": "a-secret",
    }
    made = Bucket(StorageSettings.model_validate(settings))
    yield made
    made._client.close()
    server.shutdown()
    server.server_close()
    thread.join()


async def _read(storage: Storage, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in await storage.open(key, start, length)])


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_a_file_is_kept_read_in_parts_and_deleted(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storage: Storage = (
        Folder(tmp_path / "kept") if kind == "folder" else request.getfixturevalue("bucket")
    )
    source = tmp_path / "source"
    content = bytes(range(256)) * 2_000
    source.write_bytes(content)
    await storage.put("t1/media/a", source)
    source.write_bytes(b"second")
    await storage.put("t1/media/b", source)
    await storage.put("t2/media/c", source)
    assert await _read(storage, "t1/media/a") == content
    assert await _read(storage, "t1/media/a", 300_000, 7) == content[300_000:300_007]
    assert await _read(storage, "t1/media/b", 2) == b"cond"
    await storage.delete("t1/media/a")
    await storage.delete("t1/media/a")
    with pytest.raises(NotKept):
        await storage.open("t1/media/a")
    await storage.delete_all("t1")
    await storage.delete_all("t1")
    with pytest.raises(NotKept):
        await storage.open("t1/media/b")
    assert await _read(storage, "t2/media/c") == b"second"


async def test_a_folder_that_can_not_be_used_is_told_and_no_key_leads_out_of_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(Unavailable):
        await Folder(tmp_path / "file").put("t1/a", tmp_path / "file")
    (tmp_path / "t1").symlink_to(tmp_path)
    with pytest.raises(Unavailable):
        await Folder(tmp_path).delete_all("t1")
    for key in ("../a", "t1//a", "t1/../../a", "/etc/passwd"):
        with pytest.raises(ValueError, match="no key"):
            await Folder(tmp_path).put(key, tmp_path / "file")
