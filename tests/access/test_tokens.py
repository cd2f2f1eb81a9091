"""The token's file: its creation, its permissions, and valid tokens."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mrmesos.access.tokens import TokenError, client_token, own_token, token_path
from mrmesos.conf import Conf


def test_it_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = own_token(path)
    assert len(token) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert own_token(path) == token
    assert client_token(Conf({"jobtracker.token.file": str(path)}), {}) == token
    assert [each.name for each in path.parent.iterdir()] == ["token"]


def test_those_who_make_it_at_once_agree(tmp_path: Path) -> None:
    path, tokens = tmp_path / "token", []
    start = threading.Barrier(16)

    def make() -> None:
        start.wait()
        tokens.append(own_token(path))

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 16
    assert len(set(tokens)) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o666])
def test_one_that_others_may_touch_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    own_token(path)
    path.chmod(mode)
    with pytest.raises(TokenError, match=f"{path} has mode {mode:o}.*make it 600"):
        own_token(path)
    with pytest.raises(TokenError, match=f"{path} has mode {mode:o}.*make it 600"):
        client_token(Conf({"jobtracker.token.file": str(path)}), {})


@pytest.mark.parametrize(("owner", "good"), [(os.geteuid(), True), (0, True), (4242, False)])
def test_one_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, good: bool
) -> None:
    path, fstat = tmp_path / "token", os.fstat
    token = own_token(path)

    def of_that_owner(descriptor: int) -> os.stat_result:
        fields = list(fstat(descriptor))
        fields[4] = owner
        return os.stat_result(fields)

    monkeypatch.setattr("mrmesos.access.tokens.os.fstat", of_that_owner)
    conf = Conf({"jobtracker.token.file": str(path)})
    if good:
        assert own_token(path) == client_token(conf, {}) == token
        return
    with pytest.raises(TokenError, match=f"{path} belongs to another user \\(4242\\)"):
        own_token(path)
    with pytest.raises(TokenError, match=f"{path} belongs to another user \\(4242\\)"):
        client_token(conf, {})


@pytest.mark.parametrize("text", [b"", b"\n", b"short", b"x" * 20 + b"\r\nX: y" * 2, b"\xff" * 30])
def test_what_is_no_token_lets_nobody_in(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(TokenError, match=str(path)):
        own_token(path)
    with pytest.raises(TokenError, match=str(path)):
        client_token(Conf({"jobtracker.token.file": str(path)}), {})


def test_where_a_client_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = own_token(path)
    home = {"HOME": str(tmp_path)}
    assert client_token(Conf(), home | {"MRMESOS_TOKEN_FILE": str(path)}) == token
    given = "given-by-environment"
    assert client_token(Conf(), {"MRMESOS_TOKEN_FILE": str(path), "MRMESOS_TOKEN": given}) == given
    assert client_token(Conf({"jobtracker.token.file": str(tmp_path / "none")}), {}) == ""
    assert token_path(Conf(), {}).parts[-2:] == (".mrmesos", "token")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match=str(tmp_path)):
        client_token(Conf({"jobtracker.token.file": str(tmp_path)}), {})
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenError, match="file"):
        own_token(tmp_path / "file" / "token")
