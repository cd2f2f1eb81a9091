"""`python -m mrmesos` is the `mrmesos` command."""

from mrmesos.cli import main

if __name__ == "__main__":
    main(prog_name="mrmesos")
