"""`hadoop fs` on a real HDFS: what other stores do not have."""

from __future__ import annotations

import pytest

from mrmesos.hadoop.paths import Places
from mrmesos.hadoop.shell import run_shell
from tests.hdfs.cluster import write
from tests.hdfs.hadoop import Hdfs


def test_modes_owners_and_replicas(hdfs: Hdfs, capsys: pytest.CaptureFixture[str]) -> None:
    places = Places(hdfs.uri, "/none", "ann")
    write(f"{hdfs.uri}/shell/deep/f", b"text\n")
    for words in (
        ("-chmod", "-R", "640", "/shell/deep/f"),
        ("-chown", "-R", "ann:staff", "/shell"),
        ("-chgrp", "admins", "/shell/deep/f"),
        ("-setrep", "1", "/shell"),
    ):
        assert run_shell(words, places) == 0
    assert "Replication 1 set: /shell/deep/f" in capsys.readouterr().out
    assert run_shell(("-stat", "%A %r %u %g %o", "/shell/deep/f"), places) == 0
    assert capsys.readouterr().out == "rw-r----- 1 ann admins 1048576\n"
    assert run_shell(("-ls", "/shell"), places) == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert (line[0][0], line[1], line[2], line[3], line[-1]) == (
        "d",
        "-",
        "ann",
        "staff",
        "/shell/deep",
    )
