"""How long a job waits for locality: the value of the settings `locality.wait.*`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in seconds, or a number of chances that the job may pass over."""

    seconds: float = 0.0
    offers: int = 0

    def __bool__(self) -> bool:
        return self.seconds > 0 or self.offers > 0

    @classmethod
    def parse(cls, text: str) -> Wait:
        """`"1.5"` means seconds, and `"20 offers"` means chances. Raises ValueError otherwise."""
        number, _, unit = text.strip().partition(" ")
        if unit.strip() in ("offer", "offers"):
            wait = cls(offers=int(number))
        elif unit:
            raise ValueError(text)
        else:
            wait = cls(seconds=float(number))
        if not (0.0 <= wait.seconds < 1e9 and 0 <= wait.offers < 10**9):
            raise ValueError(text)
        return wait


NO_WAIT = Wait()
