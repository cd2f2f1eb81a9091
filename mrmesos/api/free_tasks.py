"""Free tasks: work that is neither a map nor a reduce. `TaskExecutor` runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

Consumption = Mapping[str, float] | Iterable[tuple[str, float]]


@runtime_checkable
class FreeTaskLike(Protocol):
    """A task for a TaskExecutor. Instances are pickled, and a worker calls `run`."""

    def consumption(self) -> Consumption:
        """The resources that the task holds while it runs, by name.

        `cpus`; `ram` and `disk` in bytes; `gpus`; any resource of agents, or any global resource of
        the JobTracker (`resources.global`), such as `db_connections`.
        """

    def run(self) -> Any:
        """Do the work. The executor gets the returned value or the exception."""


class FunctionTask:
    """A function with its arguments: `FunctionTask(pow, 2, 10, consumption={"cpus": 0.5})`."""

    def __init__(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        consumption: Consumption | None = None,
        **kwargs: Any,
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self._consumption = dict(consumption or {})

    def consumption(self) -> Consumption:
        """See FreeTaskLike."""
        return self._consumption

    def run(self) -> Any:
        """FunctionTask the function."""
        return self.function(*self.args, **self.kwargs)

    def __call__(self) -> Any:
        """The same as `run`."""
        return self.run()

    def __repr__(self) -> str:
        return f"FunctionTask({getattr(self.function, '__name__', self.function)!s})"
