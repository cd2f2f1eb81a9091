"""mrjob's own examples give the same sorted bytes natively as by its own runners."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mrjob.support import by_mrjob, lines_of, native

mrjob = pytest.importorskip("mrjob", reason="mrjob is an optional extra: mrmesos[mrjob]")
pytestmark = pytest.mark.slow

EXAMPLES = Path(mrjob.__file__ or "").parent / "examples"
DOCS = Path(__file__).parents[2] / "docs"
SAMPLE = sorted(DOCS.glob("c*.md"))

CASES = {
    "mr_count_lines_by_file": (),
    "mr_count_lines_right": (),
    "mr_grep": ("-e", "mesos"),
    "mr_most_used_word": (),
    "mr_next_word_stats": (),
    "mr_wc": (),
    "mr_word_freq_count": (),
    "mr_words_containing_u_freq_count": (),
}


@pytest.mark.parametrize("name", CASES)
def test_an_example_gives_the_same(name: str, tmp_path: Path) -> None:
    script = EXAMPLES / f"{name}.py"
    needs_shell = name in ("mr_grep", "mr_words_containing_u_freq_count")
    runner = "local" if needs_shell else "inline"
    expected = by_mrjob(script, SAMPLE, *CASES[name], runner=runner)
    found = native(script, SAMPLE, tmp_path, *CASES[name], maps=3)
    assert lines_of(found) == expected
