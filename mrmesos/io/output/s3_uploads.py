"""Part files on S3: uploaded by attempts, made visible by the job's commit, never renamed.

S3 has no rename, and a copy moves every byte again. So an attempt uploads its file in parts under
its final name, but does not complete the upload: until somebody does, nothing is to be seen. It
leaves a small ticket below `_temporary` with what completing takes. The job's commit completes the
winners' uploads, and aborts all others. (The idea is that of Hadoop's S3A committers.)
"""

from __future__ import annotations

import io
import posixpath
from typing import Any

import msgspec

from mrmesos.io.fs.retry import retrying
from mrmesos.io.output.output_dir import TEMPORARY

SCHEMES = frozenset({"s3", "s3a"})
PART_BYTES = 16 << 20
"""S3 wants at least 5 MiB of all parts but the last."""
PARTS_MAX = 10_000
LARGE_AFTER, LARGE_PART_BYTES = 1000, 64 << 20
"""Later parts are larger: 10,000 parts are the most, and so some 590 GB."""
MARKER = "_job"
"""Below `_temporary`: a job is at work here. It holds the name of that job, if it has one."""


class MultipartUpload(msgspec.Struct, frozen=True):
    """A ticket: an upload that only has to be completed. `parts` are ETags in order."""

    id: str
    parts: tuple[str, ...]
    size: int


class Uploads:
    """The uploads of one output directory, `output` as a path of `fs`, an s3fs filesystem.

    All methods may be called by several threads, and raise what s3fs raises.
    """

    def __init__(self, fs: Any, output: str) -> None:
        self._fs, self.output = fs, output
        self.marker = posixpath.join(output, TEMPORARY, MARKER)

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """A file of an attempt, `<output>/_temporary/<attempt>/<name>`, for writing."""
        inside = posixpath.relpath(path, posixpath.join(self.output, TEMPORARY))
        name = inside.partition("/")[2]
        if mode != "wb" or inside.startswith("..") or not name:
            raise ValueError(f"{path}: attempts write files of their own, mode 'wb'")
        return _Writer(self, path, posixpath.join(self.output, name))

    def mkdir(self, path: str, create_parents: bool = True) -> None:
        """Directories are only names, but a job that has ended takes no more files."""
        if not create_parents and not self._fs.exists(self.marker):
            raise FileNotFoundError(f"{path}: the job has ended")

    def unstrip_protocol(self, path: str) -> str:
        """See fsspec."""
        return str(self._fs.unstrip_protocol(path))

    def begin(self) -> None:
        """A job is at work from now on, until `_temporary` is removed."""
        self._fs.pipe_file(self.marker, b"")

    def ticket(self, path: str) -> MultipartUpload:
        """What an attempt left at `path`."""
        return msgspec.json.decode(self._fs.cat_file(path), type=MultipartUpload)

    def complete(self, target: str, upload: MultipartUpload) -> None:
        """Make the file visible, all of it at once. May be repeated.

        Raises FileNotFoundError where the upload is lost.
        """
        parts = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(upload.parts, 1)]
        try:
            self._call(
                "complete_multipart_upload",
                target,
                UploadId=upload.id,
                MultipartUpload={"Parts": parts},
            )
        except FileNotFoundError:
            # The try before this one may have done it and lost only the answer.
            self._fs.invalidate_cache()
            if self._fs.info(target)["size"] != upload.size:
                raise

    def abort(self, target: str, upload_id: str) -> bool:
        """Give the parts back. False where it was completed or aborted before."""
        try:
            self._call("abort_multipart_upload", target, UploadId=upload_id)
        except FileNotFoundError:
            return False
        return True

    def abort_all(self) -> None:
        """Abort all uploads below the output that are not completed: those of losing attempts."""
        bucket, prefix, _ = self._fs.split_path(self.output)
        more: dict[str, str] = {}
        while True:
            found = self._fs.call_s3(
                "list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/", **more
            )
            for upload in found.get("Uploads", ()):
                self.abort(f"{bucket}/{upload['Key']}", upload["UploadId"])
            if not found.get("IsTruncated"):
                return
            more = {
                "KeyMarker": found["NextKeyMarker"],
                "UploadIdMarker": found["NextUploadIdMarker"],
            }

    def start(self, target: str) -> str:
        """The id of a new upload."""
        return str(self._call("create_multipart_upload", target)["UploadId"])

    def add(self, target: str, upload_id: str, number: int, data: bytes) -> str:
        """The ETag of a part; tried again where that may help."""
        answer = retrying()(
            self._call, "upload_part", target, UploadId=upload_id, PartNumber=number, Body=data
        )
        return str(answer["ETag"])

    def leave(self, path: str, upload: MultipartUpload) -> None:
        """Write the ticket."""
        retrying()(self._fs.pipe_file, path, msgspec.json.encode(upload))

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        bucket, key, _ = self._fs.split_path(path)
        return self._fs.call_s3(method, Bucket=bucket, Key=key, **arguments)


class _Writer(io.RawIOBase):
    """One part file under way; `close()` leaves its ticket."""

    def __init__(self, uploads: Uploads, path: str, target: str) -> None:
        super().__init__()
        self._uploads, self._path, self._target = uploads, path, target
        self._id = uploads.start(target)
        self._held = bytearray()
        self._parts: list[str] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._held += view
        self._size += len(view)
        while len(self._held) >= (size := self._part_bytes()):
            self._send(bytes(memoryview(self._held)[:size]))
            del self._held[:size]
        return len(view)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if self._held or not self._parts:  # an empty file is one empty part
            self._send(bytes(self._held))
        self._held.clear()
        self._uploads.leave(self._path, MultipartUpload(self._id, tuple(self._parts), self._size))

    def _part_bytes(self) -> int:
        return PART_BYTES if len(self._parts) < LARGE_AFTER else LARGE_PART_BYTES

    def _send(self, data: bytes) -> None:
        if len(self._parts) == PARTS_MAX:
            raise OSError(f"larger than {PARTS_MAX} parts; take more reduces")
        number = len(self._parts) + 1
        self._parts.append(self._uploads.add(self._target, self._id, number, data))
