"""Writes the files that are made from the table of settings. Run `python -m mrmesos.conf` in the
repository.
"""

import json
from pathlib import Path

from mrmesos.conf.page import settings_page
from mrmesos.conf.schema import toml_schema
from mrmesos.conf.typing_page import typed_source

WRITTEN = {
    "docs/settings.md": settings_page,
    "docs/mrmesos.schema.json": lambda: json.dumps(toml_schema(), indent=2) + "\n",
    "mrmesos/api/setting_types.py": typed_source,
}
"""Each file, and the function that makes its text."""

if __name__ == "__main__":
    for name, text in WRITTEN.items():
        Path(name).write_text(text(), encoding="utf-8")
