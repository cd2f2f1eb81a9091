"""Prints contents as HTML. All that templates print is escaped. Jinja2 is imported at first use."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mrmesos.jobtracker.history import words
from mrmesos.jobtracker.pages.page import Content

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent
STATIC = {"style.css": "text/css", "live.js": "text/javascript"}


@functools.cache
def static(name: str) -> bytes:
    """The content of one of STATIC."""
    return (HERE / "static" / name).read_bytes()


@functools.cache
def version_of(name: str) -> str:
    """A part of the address of one of STATIC that changes with its content."""
    return hashlib.sha256(static(name)).hexdigest()[:10]


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        absolute=words.absolute,
        ago=words.ago,
        amount_of=lambda number, name: words.amount(name, number),
        count=words.count,
        counter_of=lambda number, name: words.counter(name, number),
        cpus=words.cpus,
        duration=words.duration,
        machine=words.machine,
        percent=words.percent,
        query=_query,
        size=words.size,
    )
    environment.globals.update(version_of=version_of)
    return environment


def _query(asked: Any, **other: object) -> str:
    """The query of an address with the same filter, except `other`."""
    now = {"q": asked.text, "state": asked.state, "sort": asked.sort, "page": asked.page}
    now.update(other)
    usual = {"q": "", "state": "", "sort": "", "page": 1}
    return "?" + urlencode({name: now[name] for name in now if now[name] != usual[name]})


def whole(content: Content, address: str = "", read_only: bool = False) -> str:
    """A whole page. The page follows changes of `address`, if that is not empty. A `read_only` page
    hides the forms that change something.
    """
    template = _environment().get_template(content.template)
    how = {"layout": "base.html", "follow": address, "read_only": read_only}
    return template.render({**content.data, **how})


def fragment(content: Content) -> str:
    """The part of a page that changes."""
    template = _environment().get_template(content.template)
    return template.render({**content.data, "layout": "fragment.html", "follow": ""})
