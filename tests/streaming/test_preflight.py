"""Commands that cannot run are one line, before anything starts."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from mrmesos.streaming.preflight import check_program
from mrmesos.streaming.spec import Program, ProgramKind
from mrmesos.streaming.values import BadOption
from tests.streaming.support import options

SCRIPTS = {
    "good.py": "#!/usr/bin/env python3\n",
    "bare.py": "import sys\n",
    "windows.py": "#!/usr/bin/env python3\r\n",
    "nowhere.py": "#!/no/such/python\n",
    "directory.py": "#!/tmp -x\n",
    "nobody.py": "#!/usr/bin/env -S no-such-python -u\n",
    "empty.py": "#!\n",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    with tarfile.open(tmp_path / "tools.tgz", "w:gz") as archive:
        archive.add(tmp_path / "good.py", "good.py")
    monkeypatch.chdir(tmp_path)


def check(command: str, *files: str, local: bool = True) -> None:
    program = options("-mapper", command).spec.mapper
    assert program.kind is ProgramKind.COMMAND
    check_program(program, files, ("tools.tgz#tools",), local=local)


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("good.py", ("good.py",)),
        ("./good.py -x", ("good.py",)),
        ("m", ("good.py#m",)),
        ("python3 bare.py", ("bare.py",)),
        ("python3 -m json.tool", ()),
        ("python3 tools/good.py", ()),
        ("tools/good.py", ()),
        ("perl -ne print", ()),
        ("sh -c 'cat | sort'", ()),
        ("cut -d | -f 1", ()),
        ("cat", ()),
    ],
)
def test_what_can_run(command: str, files: tuple[str, ...]) -> None:
    check(command, *files)


@pytest.mark.parametrize(
    ("command", "files", "say"),
    [
        ("bare.py", ("bare.py",), "bare.py has no #! line"),
        ("windows.py", ("windows.py",), r"ends in \r\n"),
        ("nowhere.py", ("nowhere.py",), "names /no/such/python, which does not exist"),
        ("directory.py", ("directory.py",), "names /tmp, which is a directory"),
        ("nobody.py", ("nobody.py",), "asks for no-such-python, which is not on the PATH"),
        ("empty.py", ("empty.py",), "names no interpreter"),
        ("good.py", (), "good.py is a file here but is not sent; add -files good.py"),
        ("python3 bare.py", (), "bare.py is a file here but is not sent; add -files bare.py"),
        ("python3 gone.py", (), "there is no gone.py"),
        ("python9 bare.py", ("bare.py",), "there is no program python9"),
        ("/tmp", (), "/tmp is a directory"),
        ("/no/such", (), "/no/such does not exist"),
        ("cat | sort", (), "no shell reads the command, so `| sort` is no pipe"),
    ],
)
def test_what_cannot(command: str, files: tuple[str, ...], say: str) -> None:
    with pytest.raises(BadOption) as caught:
        check(command, *files)
    assert say in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_script_without_a_run_bit_is_sent_with_one_and_a_local_one_is_refused(
    tmp_path: Path,
) -> None:
    check("good.py", "good.py")
    with pytest.raises(BadOption, match="not executable"):
        check(str(tmp_path / "good.py"))


def test_agents_may_have_other_programs() -> None:
    for command, files in (("nowhere.py", ("nowhere.py",)), ("no-such-program", ())):
        check(command, *files, local=False)


def test_classes_need_no_check() -> None:
    check_program(Program(ProgramKind.AGGREGATE), (), (), local=True)
