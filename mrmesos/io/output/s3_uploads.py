"""Part files on S3: attempts upload them, and the job's commit makes them visible.

S3 has no rename, and a copy moves every byte again. So an attempt uploads its file in parts under
its final name, but does not complete the upload; the file stays invisible. The attempt writes a
small ticket below `_temporary` with the data that completing needs. The job's commit completes the
winners' uploads and aborts all others. (Hadoop's S3A committers use the same idea.)
"""

from __future__ import annotations

import io
import posixpath
from typing import Any

import msgspec

from mrmesos.io.fs.retry import retrying
from mrmesos.io.output.output_dir import TEMPORARY
from mrmesos.io.output.part_notes import PartNote

SCHEMES = frozenset({"s3", "s3a"})
PART_BYTES = 16 << 20
"""S3 requires at least 5 MiB for all parts except the last."""
PARTS_MAX = 10_000
LARGE_AFTER, LARGE_PART_BYTES = 1000, 64 << 20
"""Later parts are larger: S3 allows 10,000 parts, so a file may have about 590 GB."""
MARKER = "_job"
"""File in `_temporary` that marks a running job; it contains the job's name, if there is one."""


class MultipartUpload(msgspec.Struct, frozen=True):
    """A ticket for an upload that only needs completing. `parts` are ETags in order."""

    id: str
    parts: tuple[str, ...]
    size: int
    note: PartNote | None = None


class Uploads:
    """The uploads of one output directory; `output` is a path of the s3fs filesystem `fs`.

    Several threads may call all methods. They raise the exceptions of s3fs.
    """

    def __init__(self, fs: Any, output: str) -> None:
        self._fs, self.output = fs, output
        self.marker = posixpath.join(output, TEMPORARY, MARKER)

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """Open a file of an attempt, `<output>/_temporary/<attempt>/<name>`, for writing."""
        inside = posixpath.relpath(path, posixpath.join(self.output, TEMPORARY))
        name = inside.partition("/")[2]
        if mode != "wb" or inside.startswith("..") or not name:
            raise ValueError(f"{path}: attempts write files of their own, mode 'wb'")
        return _Writer(self, path, posixpath.join(self.output, name))

    def mkdir(self, path: str, create_parents: bool = True) -> None:
        """Makes no directory, because S3 has none, but refuses files of an ended job."""
        if not create_parents and not self._fs.exists(self.marker):
            raise FileNotFoundError(f"{path}: the job has ended")

    def unstrip_protocol(self, path: str) -> str:
        return str(self._fs.unstrip_protocol(path))

    def begin(self) -> None:
        """Mark the output as belonging to a running job, until `_temporary` is removed."""
        self._fs.pipe_file(self.marker, b"")

    def ticket(self, path: str) -> MultipartUpload:
        """Read the ticket that an attempt wrote to `path`."""
        return msgspec.json.decode(self._fs.cat_file(path), type=MultipartUpload)

    def complete(self, target: str, upload: MultipartUpload, *, rewritten: bool = False) -> None:
        """Make the whole file visible at once. May be repeated.

        `rewritten`: the commit rewrites the file later, so it may have another size by now. Raises
        FileNotFoundError if the upload is lost.
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
            # An earlier try may have completed it and lost only the answer.
            self._fs.invalidate_cache()
            if self._fs.info(target)["size"] != upload.size and not rewritten:
                raise

    def abort(self, target: str, upload_id: str) -> bool:
        """Abort the upload and delete its parts. False if it was completed or aborted before."""
        try:
            self._call("abort_multipart_upload", target, UploadId=upload_id)
        except FileNotFoundError:
            return False
        return True

    def abort_all(self) -> None:
        """Abort all incomplete uploads below the output, which belong to losing attempts."""
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
        """Start an upload and return its id."""
        return str(self._call("create_multipart_upload", target)["UploadId"])

    def add(self, target: str, upload_id: str, number: int, data: bytes) -> str:
        """Upload a part with retries and return its ETag."""
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
    """Uploads one part file; `close()` writes its ticket."""

    def __init__(self, uploads: Uploads, path: str, target: str) -> None:
        super().__init__()
        self._uploads, self._path, self._target = uploads, path, target
        self.note: PartNote | None = None
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
        upload = MultipartUpload(self._id, tuple(self._parts), self._size, self.note)
        self._uploads.leave(self._path, upload)

    def _part_bytes(self) -> int:
        return PART_BYTES if len(self._parts) < LARGE_AFTER else LARGE_PART_BYTES

    def _send(self, data: bytes) -> None:
        if len(self._parts) == PARTS_MAX:
            raise OSError(f"larger than {PARTS_MAX} parts; use more reduces")
        number = len(self._parts) + 1
        self._parts.append(self._uploads.add(self._target, self._id, number, data))
