"""The class of settings, and parsing their values."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T", str, int, float, bool)

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


AUTO, AUTO_VALUE = "auto", -1
NUMBER_MAX = 2.0**63
"""Largest number of a setting; infinity is not allowed."""


class ConfError(ValueError):
    """A setting's value is wrong; the message has the setting, the value and what is expected."""


class Setting(msgspec.Struct, Generic[T], frozen=True):
    """One setting. `minimum` is inclusive and applies to numbers only; `unit` is for people."""

    name: str
    kind: type[T]
    default: T
    unit: str
    doc: str
    minimum: float | None = None
    scope: str = "job"
    auto: bool = False
    """Whether the text may be `auto`. Its value is AUTO_VALUE; somebody has to decide it."""

    @property
    def default_text(self) -> str:
        """The default as users write it."""
        if self.auto and self.default == AUTO_VALUE:
            return AUTO
        return str(self.default).lower() if self.kind is bool else str(self.default)

    def parse(self, text: str) -> T:
        """The typed value of `text`. Raises ConfError if the text has another type."""
        if self.auto and text.strip() == AUTO:
            return self.kind(AUTO_VALUE)
        try:
            value = self._convert(text.strip())
        except ValueError:
            raise ConfError(
                f"{self.name}={text!r}: expected {self.kind.__name__} ({self.unit})"
                f"{' or auto' if self.auto else ''}"
            ) from None
        if not isinstance(value, str) and not abs(value) <= NUMBER_MAX:
            raise ConfError(f"{self.name}={text!r}: expected a number within 64 bits")
        if self.minimum is not None and not isinstance(value, str) and not value >= self.minimum:
            raise ConfError(f"{self.name}={text!r}: must be at least {self.minimum:g} {self.unit}")
        return value

    def _convert(self, text: str) -> T:
        if self.kind is bool:
            lowered = text.lower()
            if lowered not in _TRUE | _FALSE:
                raise ValueError(text)
            return self.kind(lowered in _TRUE)
        return self.kind(text)


AnySetting = Setting[str] | Setting[int] | Setting[float] | Setting[bool]


def declare(
    name: str,
    default: T,
    unit: str,
    doc: str,
    *,
    minimum: float | None = None,
    scope: str = "job",
    auto: bool = False,
) -> Setting[T]:
    """A setting; its type is the type of the default."""
    return Setting(name, type(default), default, unit, doc, minimum, scope, auto)
