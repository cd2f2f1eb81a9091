"""Pages are written in plain words: subject, verb, object; one thought a sentence.

No test knows whether a text is good. But squeezed sentences have marks: these patterns, and their
length.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The page of the settings is made of fragments, which `mrmesos/conf` holds.
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "settings.md"]
PAGES = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]

WORDS_MAX = 45
"""More words in one sentence hold more than one thought."""

FORBIDDEN = {
    r"(?:^|[.:;] )(?:Who|What|Whoever|Whatever|Where)\b[^?:|]*[^?:|]$": "begin with the noun",
    r"\b(?:whom|whosoever|whatsoever)\b": "make it a sentence of its own",
    r"\b(?:albeit|amongst|hence|lest|midst|notwithstanding|nought|thence|thereby|thereof|thus|upon"
    r"|wherein|whereby|whereof|whereupon|whilst)\b": "an old word",
    r"\b(?:as ever|be it|but for|for want of|in vain|save for)\b": "a squeezed clause",
    r"\b(?:is|are|was|were) (?:taken|held) for (?!\d)": "say: counts as",
    r"\b(?:is|are) (?:told|said) (?:of|in|to be)\b": "say who tells it",
    r"\bslaves?\b": "agent",
    r"(?<!with )\bso (?:many|long)\b(?! (?:that|as))": "say: this many, this long",
    r"^(?:So|Nor|Neither) (?:are|can|do|does|did|has|have|is|must|was|were) ": "subject first",
    r"\b(?:in whatever|be had)\b": "a squeezed clause",
    r"\b(?:is|are|was|were) told apart\b": "say: distinguished",
}
"""Marks of squeezed sentences, and what to do instead."""


def sentences(page: Path) -> Iterator[str]:
    """The sentences of a page's prose: without blocks of code, names in backticks and addresses."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "`", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for paragraph in re.split(r"\n\s*\n|\n\s*(?=[-*|#] |\d+\. |\|)", text):
        for cell in paragraph.split("|"):
            yield from re.split(r"(?<=[.?!:;]) ", " ".join(cell.split()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_in_plain_words(page: Path) -> None:
    wrong = [
        f"{reason}: {sentence}"
        for sentence in sentences(page)
        for pattern, reason in FORBIDDEN.items()
        if re.search(pattern, sentence)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page: Path) -> None:
    long = [each for each in sentences(page) if len(re.findall(r"[\w'-]+", each)) > WORDS_MAX]
    assert not long, "\n".join(long)


# Each folder with code, whose comments and docstrings follow the same rules.
CODE = ("mrmesos", "examples", "benchmarks", "tests")
# Not those that begin with a dot: `make bench-peers` keeps the peers' packages in one.
FOLDERS = sorted(
    {
        str(path.parent.relative_to(ROOT))
        for top in CODE
        for path in (ROOT / top).rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }
)


def _prose(path: Path) -> Iterator[str]:
    """The docstrings of a module, and its comments in blocks."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not re.search(r"noqa|type: ", token.string):
            if token.start[0] != last + 1:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    yield " ".join(block)


@pytest.mark.parametrize("folder", FOLDERS)
def test_code_is_in_plain_words(folder: str) -> None:
    wrong = []
    for path in sorted((ROOT / folder).glob("*.py")):
        for text in _prose(path):
            for paragraph in re.split(r"\n\s*\n", re.sub(r"`[^`\n]*`", "`", text)):
                for sentence in re.split(r"(?<=[.?!:;]) ", " ".join(paragraph.split())):
                    wrong += [
                        f"{path.relative_to(ROOT)}: {reason}: {sentence}"
                        for pattern, reason in FORBIDDEN.items()
                        if re.search(pattern, sentence)
                    ]
    assert not wrong, "\n".join(wrong)
