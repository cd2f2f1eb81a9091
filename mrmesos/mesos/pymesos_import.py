"""Imports pymesos without its side effects on the process.

The import of pymesos 0.3.15 installs a SIGINT handler (which raises ValueError outside the main
thread), and adds its own handler to the logger "pymesos". This module prevents both. During the
import, the call for SIGINT does nothing, in any thread. The log handler is removed, so pymesos' log
records go to the usual handlers.
"""

from __future__ import annotations

import logging
import signal
import threading
from types import ModuleType
from typing import Any

__all__ = ["Connection", "MesosExecutorDriver", "MesosSchedulerDriver", "Process"]

_import_lock = threading.Lock()


def _import() -> ModuleType:
    importer = threading.get_ident()
    real_signal = signal.signal

    def quiet_signal(signum: int, handler: Any, /) -> Any:
        # Other threads may set handlers at the same time. Their calls must work.
        if threading.get_ident() == importer and signum == signal.SIGINT:
            return signal.getsignal(signum)
        return real_signal(signum, handler)

    with _import_lock:
        signal.signal = quiet_signal  # type: ignore[assignment]  # the same but for its overloads
        try:
            import pymesos
            import pymesos.process
        finally:
            signal.signal = real_signal
        _undo_effects(pymesos)
    module: ModuleType = pymesos
    return module


def _undo_effects(module: ModuleType) -> None:
    """Remove pymesos' log handler, and its SIGINT handler if other code imported it before us."""
    logger = logging.getLogger("pymesos")
    handler = getattr(module, "handler", None)
    if isinstance(handler, logging.Handler):
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    process = module.process
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is process._handle_sigint
    ):
        signal.signal(signal.SIGINT, process._prev_handler)


_pymesos: Any = _import()

# pymesos has no types, so its classes are Any for type checkers.
Connection: Any = _pymesos.process.Connection
Process: Any = _pymesos.process.Process
MesosSchedulerDriver: Any = _pymesos.MesosSchedulerDriver
MesosExecutorDriver: Any = _pymesos.MesosExecutorDriver
