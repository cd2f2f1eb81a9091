"""mrmesos: a MapReduce engine for Python on Apache Mesos.

Job authors import from `mrmesos.api`; everything else is reached by the `mrmesos` command.
"""

__version__ = "0.1.0"
