"""The jobs that simulated users submit: text to text, of files and code that do not exist."""

from __future__ import annotations

from collections.abc import Mapping

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.wire.job import JobSpec


def simulated_job(
    name: str, output: str, reduces: int, conf: Mapping[str, str], *, user: str = "user"
) -> JobSpec:
    """A job whose splits the simulator makes up. No TaskTracker ever reads them."""
    return JobSpec(
        name=name,
        user=user,
        inputs=(f"sim://in/{name}",),
        output=f"sim://out/{output}",
        input_format=TextInput(),
        output_format=TextOutput(),
        num_reducers=reduces,
        conf=dict(conf),
        code="0" * 64,
    )
