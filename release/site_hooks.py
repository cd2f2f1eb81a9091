"""Hooks of mkdocs: links into the repository, which the site does not have; tables of options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show the path in the place of the link. A path that does not exist ends the build."""

    def named(found: re.Match[str]) -> str:
        path = found[2].rstrip("/")
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"a page links to {path}, which is not in the repository")
        if found[1].strip("`") == path:
            return f"`{path}` in the repository"
        return f"{found[1]} (`{path}` in the repository)"

    return _OUTSIDE.sub(named, markdown)


_NO_DEFAULT = re.compile(r"<td>(?:<code>Sentinel\.UNSET</code>|<code>``</code>|``)</td>")


def on_page_content(html: str, **_: Any) -> str:
    """Leave the cell of a default empty if an option has none. mkdocs-click 0.9 shows click's mark
    for it.
    """
    return _NO_DEFAULT.sub("<td></td>", html)
