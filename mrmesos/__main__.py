"""The `mrmesos` command, and `python -m mrmesos`, which is the same."""

from mrmesos.startup import prepare, survive_full_stderr

prepare(module=__name__ == "__main__")
survive_full_stderr()

from mrmesos.cli import main  # noqa: E402 (what lies in the current directory is no module of ours)

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="mrmesos")
