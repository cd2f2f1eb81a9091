"""How processes write their logs: lines for people, or one JSON object a line (`log.format`)."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

FORMS = PLAIN, JSON = "plain", "json"
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_IDS = re.compile(
    r"\b(?P<what>job|task|attempt|chain|queue|slot|tracker)_\d+_\d+(?:_[mrt]_\d+(?:_\d+)?)?\b"
)
IDS_MAX = 20


class JsonLines(logging.Formatter):
    """One JSON object a line. `ids` lists the jobs, attempts, slots, … that the message names."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without its newline."""
        message = record.getMessage()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": message,
        }
        ids = dict.fromkeys(found[0] for found in _IDS.finditer(message))
        if ids:
            line["ids"] = list(ids)[:IDS_MAX]
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def begin_logging(form: str, process: str, level: int = logging.INFO) -> None:
    """Write the process's log to its standard error in this form, from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if form == JSON else logging.Formatter(_LINE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
