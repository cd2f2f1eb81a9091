"""Chooses the vector instructions with which numpy sorts in a worker. Standard library only.

numpy has one sort of integers for each generation of instructions, and takes the newest that the
processor has. AMD's Zen 4 runs the AVX-512 sort of numpy 2.4 slowly, because it stores compressed
vectors in microcode: 40 ns an integer of 64 bits, against 9 ns with AVX2. On an Intel Xeon
(Sapphire Rapids) it is the other way round: 9 ns with AVX-512, 20 ns with AVX2. The folds of
vectorised jobs stand on this sort.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

VARIABLE = "NPY_DISABLE_CPU_FEATURES"
"""numpy reads it at its import. The import fails if the variable names a feature that numpy
needs.
"""
SLOW_ON_ZEN_4 = "X86_V4 AVX512_ICL AVX512_SPR"

_ZEN_4_FAMILY = "25"
"""Zen 3 has this family, too, but no AVX-512."""
_FIRST_NUMPY = (2, 4)
"""Earlier releases have other names for their features, and we did not measure them."""


@cache
def slow_features() -> dict[str, str]:
    """The environment variable that keeps numpy from slow sorts here. Empty if it has none.

    It is computed once, because /proc/cpuinfo takes milliseconds on a host of many processors.
    """
    try:
        processor = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
        found = importlib.util.find_spec("numpy")
        if found is None or found.origin is None:
            return {}
        version = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}  # only speed is lost
    return features_to_disable(processor, version)


def features_to_disable(processor: str, version: str) -> dict[str, str]:
    """From the first processor in /proc/cpuinfo and the text of numpy's version.py."""
    facts = dict(re.findall(r"^(vendor_id|cpu family|flags)\s*: (.*)$", processor, re.M))
    number = re.search(r'^version = "(\d+)\.(\d+)', version, re.M)
    slow = (
        facts.get("vendor_id") == "AuthenticAMD"
        and facts.get("cpu family") == _ZEN_4_FAMILY
        and "avx512f" in facts.get("flags", "").split()
    )
    known = number is not None and (int(number[1]), int(number[2])) >= _FIRST_NUMPY
    return {VARIABLE: SLOW_ON_ZEN_4} if slow and known else {}
