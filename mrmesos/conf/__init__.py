"""Every setting of mrmesos, once: name, type, unit, default and a line of documentation.

Names are Hadoop's without the `mapreduce.` prefix where Hadoop has one, so that people who know
Hadoop find `io.sort.mb` or `map.maxattempts` where they expect them. A job's settings come from
`-D name=value`; those of the JobTracker from `mrmesos jobtracker -D name=value`.
`docs/settings.md` is written from this table.

A setting stands in the module of those who read it, and is used as `conf.JOB_NAME` all the same.
"""

# ruff: noqa: F403  (all of them, so that a new setting is written in one place)

from mrmesos.conf.access import *
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
