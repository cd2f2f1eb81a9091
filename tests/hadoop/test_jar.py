"""`hadoop jar`: where its paths are."""

from __future__ import annotations

import pytest

from mrmesos.hadoop import jar
from mrmesos.hadoop.paths import Places
from mrmesos.streaming.options import StreamingOptions


def test_files_without_a_scheme_are_local_and_inputs_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[StreamingOptions] = []

    def run(options: StreamingOptions, display: object) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(jar, "run_streaming", run)
    monkeypatch.delenv("MRMESOS_JOBTRACKER_URL", raising=False)
    words = (
        *("hadoop-streaming-3.4.1.jar", "-input", "/in,more", "-output", "out", "-mapper", "cat"),
        *("-file", "m.py", "-files", "/home/ann/r.py#reduce.py,hdfs:///lib/x.txt"),
        *("-archives", "file:///tmp/a.tgz#a"),
    )
    assert jar.run_jar(words, Places("hdfs://nn", "/none", "ann"), {}) == 0
    (options,) = seen
    assert options.inputs == ("hdfs://nn/in,hdfs://nn/user/ann/more",)
    assert options.output == "hdfs://nn/user/ann/out"
    assert options.files == ("m.py", "/home/ann/r.py#reduce.py", "hdfs://nn/lib/x.txt")
    assert options.archives == ("/tmp/a.tgz#a",)
