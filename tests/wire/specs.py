"""A JobSpec for tests. They vary it with msgspec.structs.replace."""

from __future__ import annotations

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.wire.job import JobSpec

SPEC = JobSpec(
    name="n",
    user="u",
    inputs=("file:///in",),
    output="file:///out",
    input_format=TextInput(),
    output_format=TextOutput(),
    num_reducers=1,
    conf={},
    code="0" * 64,
)
