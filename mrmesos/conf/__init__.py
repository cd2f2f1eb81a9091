"""Every setting of mrmesos: name, type, unit, default and a line of documentation.

A setting has Hadoop's name without the `mapreduce.` prefix, if Hadoop has that setting. So people
who know Hadoop find `io.sort.mb` or `map.maxattempts`. Users set a job's settings with
`-D name=value`, and those of the JobTracker with `mrmesos jobtracker -D name=value`.
`python -m mrmesos.conf` writes `docs/settings.md` from this table.

Each module has the settings of one part of mrmesos. Callers import them all from here, as
`conf.JOB_NAME`.
"""

# ruff: noqa: F403  (star imports, so that a new setting is written in only one place)

from mrmesos.conf.access import *
from mrmesos.conf.buffers import SORT_ROW_BYTES as SORT_ROW_BYTES
from mrmesos.conf.buffers import memory_mb_for_sort as memory_mb_for_sort
from mrmesos.conf.buffers import reduce_buffer_bytes as reduce_buffer_bytes
from mrmesos.conf.buffers import sort_buffer_bytes as sort_buffer_bytes
from mrmesos.conf.declaring import AUTO as AUTO
from mrmesos.conf.declaring import AUTO_VALUE as AUTO_VALUE
from mrmesos.conf.declaring import ConfError as ConfError
from mrmesos.conf.declaring import Setting as Setting
from mrmesos.conf.io import *
from mrmesos.conf.job import *
from mrmesos.conf.jobtracker import *
from mrmesos.conf.mesos import *
from mrmesos.conf.page import settings_page as settings_page
from mrmesos.conf.tasktracker import *
from mrmesos.conf.values import SETTINGS as SETTINGS
from mrmesos.conf.values import Conf as Conf
from mrmesos.conf.values import conf_from_environment as conf_from_environment
from mrmesos.conf.values import parse_assignments as parse_assignments
