"""Which modules beside a script are taken, and which are not."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from mrmesos.client.code import modules, script
from mrmesos.client.code.modules import needed_beside, zipped
from mrmesos.client.terminal.errors import UsageProblem


def lay(directory: Path, files: dict[str, str]) -> Path:
    """Write the files; returns the path of the script."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / "script.py"


def names(directory: Path, files: dict[str, str]) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(zipped(needed_beside(lay(directory, files))))) as archive:
        return set(archive.namelist())


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    files = {
        "script.py": "def f():\n    if 0:\n        from one import x\n",
        "one.py": "try:\n    import two.deep as t\nexcept ImportError:\n    pass\n",
        "two/__init__.py": "",
        "two/deep.py": "from . import other\nimport three\n",
        "two/data/words.txt": "data of a package\n",
        "two/__pycache__/deep.pyc": "",
        "two/.hidden": "",
        "three.py": "import one, script\n",
        "unrelated.py": "",
    }
    unwanted = {"two/__pycache__/deep.pyc", "two/.hidden", "unrelated.py"}
    assert names(tmp_path, files) == set(files) - unwanted


def test_a_directory_counts_where_nothing_else_has_its_name(tmp_path: Path) -> None:
    files = {
        "script.py": "import space.inner\nimport numpy.linalg\n",
        "space/inner.py": "",
        "numpy/linalg.py": "not a package: it has no __init__\n",
    }
    assert names(tmp_path, files) == {"space/inner.py"}


def test_modules_that_python_finds_elsewhere_are_not_sent(tmp_path: Path) -> None:
    files = {
        "script.py": "import json, mrmesos, absent, broken\n",
        "json.py": "",
        "mrmesos/__init__.py": "",
        "broken.py": "def (:\nimport never\n",
        "never.py": "",
    }
    assert names(tmp_path, files) == {"broken.py"}
    assert (
        needed_beside(lay(tmp_path / "site-packages", {"script.py": "import a", "a.py": ""})) == {}
    )


def test_the_same_modules_are_the_same_bytes(tmp_path: Path) -> None:
    files = {"script.py": "import b, a\n", "a.py": "A = 1\n", "b.py": "B = 2\n"}
    script = lay(tmp_path, files)
    first = zipped(needed_beside(script))
    os.utime(tmp_path / "a.py", (1, 1))
    script.write_text("import a, b\n")
    assert zipped(needed_beside(script)) == first
    assert zipped({}) == b""


def test_too_much_is_refused_with_the_largest_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "MAX_MODULES_BYTES", 10)
    script = lay(tmp_path, {"script.py": "import p\n", "p/__init__.py": "", "p/big": "x" * 11})
    with pytest.raises(UsageProblem, match=r"--files.*p/big"):
        zipped(needed_beside(script))


def test_what_mrmesos_needs_itself_is_never_taken(tmp_path: Path) -> None:
    """pymesos imports six, and `six.py` beside a script is common."""
    files = {"script.py": "import six, kazoo, pyarrow, helper\n", "helper.py": "X = 1\n"}
    files |= {"six.py": "", "kazoo/__init__.py": "", "pyarrow/x.py": "", "pytest.py": ""}
    assert names(tmp_path, files) == {"helper.py"}
    finder = script._Beside(tmp_path / "script.py")
    for name in ("six", "kazoo"):
        found = finder.find_spec(name)
        assert found is not None
        assert found.origin is not None
        assert tmp_path not in Path(found.origin).parents
    assert finder.find_spec("helper") is None
    assert finder.find_spec("pytest") is None, "installed, but mrmesos does not need it"
