"""Maps that do nothing: what a task costs."""

from typing import Any

from mrmesos.api import Job, Mapper


class Nothing(Mapper):
    """Takes every record, yields none."""

    def map(self, key: Any, value: Any) -> None:
        return None


class EmptyMaps(Job):
    """No reduce."""

    mapper = Nothing
