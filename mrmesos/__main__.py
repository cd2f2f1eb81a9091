"""The `mrmesos` command, and `python -m mrmesos`, which is the same."""

from mrmesos.garbage import look_seldom
from mrmesos.startup import prepare, survive_full_stderr

prepare(module=__name__ == "__main__")
look_seldom()
survive_full_stderr()

from typing import NoReturn  # noqa: E402 (what lies in the current directory is no module of ours)

from mrmesos.ending import ended_by_interrupts, leave  # noqa: E402

with ended_by_interrupts():
    from mrmesos.cli import main as command


def main(prog_name: str = "mrmesos") -> NoReturn:
    """Run the command and end the process."""
    try:
        code: object = command(prog_name=prog_name)
    except SystemExit as problem:
        code = problem.code
    leave(code)


if __name__ == "__main__":
    main()
