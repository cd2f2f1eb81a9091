"""Which jobs are let in."""

from __future__ import annotations

from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core import JobTracker
from mrmesos.jobtracker.http_api import Refused
from mrmesos.wire.job import JobSpec


def check_job(spec: JobSpec) -> None:
    """Refuse what could not be run, whoever sent it. Raises Refused."""
    if not spec.inputs:
        raise Refused("the job has no input")
    for uri in (*spec.inputs, spec.output):
        if "://" not in uri:
            raise Refused(f"{uri!r} is no URI; a relative path means nothing to a JobTracker")
    if spec.num_reducers < 0:
        raise Refused(f"num_reducers is {spec.num_reducers}")
    try:
        Conf(spec.conf).check()
        JobTracker.check_spec(spec)
    except ConfError as problem:
        raise Refused(str(problem)) from None
