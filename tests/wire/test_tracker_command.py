"""The command of TaskTrackers."""

from pathlib import Path

from mrmesos.wire.tracker_command import source_tree, tracker_shell


def test_the_interpreter_is_one_word_of_the_shell() -> None:
    shell = tracker_shell("/opt/my python/bin/python3")
    assert shell == "exec '/opt/my python/bin/python3' -P -m mrmesos.tasktracker"


def test_source_tree(tmp_path: Path) -> None:
    purelib, tree = tmp_path / "site-packages", tmp_path / "src"
    purelib.mkdir()
    assert source_tree(purelib, purelib / "mrmesos") is None
    assert source_tree(purelib, tree / "mrmesos") == str(tree)
    (purelib / "_editable_impl_mrmesos.pth").write_text(f"{tree}\n")
    assert source_tree(purelib, tree / "mrmesos") is None
