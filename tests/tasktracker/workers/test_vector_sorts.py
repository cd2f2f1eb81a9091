"""Which vector instructions numpy must not sort with, by processor and version of numpy."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from mrmesos.tasktracker.workers.vector_sorts import (
    SLOW_ON_ZEN_4,
    VARIABLE,
    features_to_disable,
    slow_features,
)

NUMPY = '"""\nModule to expose more detailed version info\n"""\nversion = "2.4.6"\n'
ZEN_4 = (
    "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
    "model name\t: AMD EPYC 9R14\nflags\t\t: fpu vme avx2 avx512f avx512dq\n"
)


def test_zen_4_sorts_without_avx_512() -> None:
    assert features_to_disable(ZEN_4, NUMPY) == {VARIABLE: SLOW_ON_ZEN_4}


@pytest.mark.parametrize(
    ("processor", "version"),
    [
        (ZEN_4.replace("AuthenticAMD", "GenuineIntel"), NUMPY),
        (ZEN_4.replace(": 25", ": 26"), NUMPY),  # Zen 5
        (ZEN_4.replace(" avx512f", ""), NUMPY),  # Zen 3
        (ZEN_4, NUMPY.replace("2.4.6", "2.3.9")),
        (ZEN_4, 'version = "unknown"\n'),
        ("", ""),
    ],
)
def test_others_take_the_newest_instructions(processor: str, version: str) -> None:
    assert features_to_disable(processor, version) == {}


def test_this_machine_can_be_asked() -> None:
    assert set(slow_features()) <= {VARIABLE}


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="older names")
def test_numpy_takes_these_names() -> None:
    """A name that numpy does not know is a warning, and one that it cannot do without an error."""
    code = (
        "import numpy._core._multiarray_umath as m\n"
        f"print([m.__cpu_features__[name] for name in {SLOW_ON_ZEN_4.split()!r}])"
    )
    environment = os.environ | {VARIABLE: SLOW_ON_ZEN_4}
    command = [sys.executable, "-W", "error::ImportWarning:numpy", "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.stderr) == ("[False, False, False]", "")
