"""A pymesos executor as in pymesos' own documentation, with pymesos' unchanged driver."""

import sys
import threading
from typing import Any

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Echo(Executor):  # type: ignore[misc]  # pymesos has no types
    def launchTask(self, driver: Any, task: dict[str, Any]) -> None:
        def run() -> None:
            name = task["task_id"]
            driver.sendStatusUpdate({"task_id": name, "state": "TASK_RUNNING"})
            if task.get("data"):
                said = decode_data(task["data"])
                driver.sendFrameworkMessage(encode_data(said[::-1]))
                driver.sendStatusUpdate({"task_id": name, "state": "TASK_FINISHED"})

        threading.Thread(target=run, daemon=True).start()

    def killTask(self, driver: Any, task_id: dict[str, str]) -> None:
        driver.sendStatusUpdate({"task_id": task_id, "state": "TASK_KILLED"})

    def shutdown(self, driver: Any) -> None:
        sys.stdout.flush()


if __name__ == "__main__":
    MesosExecutorDriver(Echo()).run()
