"""Variables of the environment that are not settings: name, and what it is for.

Every setting has a variable, too (names.py). `tests/conf/test_settings.py` checks that
no other variable is read anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

OF_USERS: Mapping[str, str] = {
    "MRMESOS_JOBTRACKER_URL": "URL of the JobTracker that `submit`, `job` and `ui` use.",
    "MRMESOS_MASTER": "The Mesos master that `submit` and `jobtracker` use.",
    "MRMESOS_PROFILE": "The profile of `mrmesos.toml` to use.",
    "MRMESOS_CONFIG_FILE": "A file to read in place of the project's `mrmesos.toml`; empty: none.",
    "MRMESOS_TOKEN": "The token of a JobTracker's clients itself.",
    "MRMESOS_TOKEN_FILE": "File with that token (`jobtracker.token.file`).",
    "MRMESOS_HISTORY_DIR": "Directory of kept jobs and their history. Default: `~/.mrmesos/jobs`.",
    "MRMESOS_ZK": "The election of `mrmesos jobtracker` (`--zk`).",
}
"""Variables that users may set."""

OF_PROCESSES: Mapping[str, str] = {
    "MRMESOS_CONF": "The settings of a TaskTracker, as JSON.",
    "MRMESOS_JOBTRACKER": "The JobTracker of a TaskTracker.",
    "MRMESOS_TRACKER_ID": "The name of a TaskTracker.",
    "MRMESOS_PRESTART": "The number of workers that a TaskTracker starts at once.",
    "MRMESOS_PATH_LAST": "Directories that a child searches last for modules.",
    "MRMESOS_WORKER": "The number of a worker.",
    "MRMESOS_PYTHON": "The Python that runs what `mrmesos pack` has packed.",
    "MRMESOS_COMPLETE": "Completion asks the command through it; _MRMESOS_COMPLETE in full.",
}
"""Variables that one process sets for another."""

VARIABLES: Mapping[str, str] = {**OF_USERS, **OF_PROCESSES}

SETTING_OF = {"MRMESOS_TOKEN_FILE": "jobtracker.token.file"}
"""Variables whose names do not follow from the setting's name."""
