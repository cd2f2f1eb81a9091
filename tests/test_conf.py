"""Settings: typed values, bounds, misspellings, and that the documentation lists each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos import conf
from mrmesos.conf import SETTINGS, Conf, ConfError, Setting, parse_assignments


def test_defaults_and_text_become_typed_values() -> None:
    assert Conf().get_as(conf.IO_SORT_MB) == 64
    assert Conf({"io.sort.mb": " 128 "}).get_as(conf.IO_SORT_MB) == 128
    assert Conf({"task.timeout": "2.5"}).get_as(conf.TASK_TIMEOUT) == 2.5


@pytest.mark.parametrize(
    ("name", "text"),
    [("io.sort.mb", "much"), ("io.sort.mb", "0"), ("job.reduces", "-1"), ("map.cpus", "nan")],
)
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(ConfError, match=name):
        Conf({name: text}).check()


def test_booleans_are_words() -> None:
    flag = Setting("x.flag", bool, False, "true or false", "A flag.")
    assert flag.parse("Yes") is True
    assert flag.parse("off") is False
    with pytest.raises(ConfError):
        flag.parse("perhaps")


def test_a_misspelt_setting_is_named_and_a_parameter_is_not() -> None:
    assert "io.sort.mb" in Conf({"io.sort.mbs": "1"}).check()[0]
    assert Conf({"threshold": "3"}).check() == []
    [said] = Conf({"textinputformat.record.delimiter": "|"}).check()
    assert "TextInput(delimiter=" in said


def test_later_values_win() -> None:
    merged = Conf({"a": "1", "b": "1"}).merged({"b": "2"})
    assert dict(merged) == {"a": "1", "b": "2"}


def test_assignments() -> None:
    assert parse_assignments(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(ConfError, match="name=value"):
        parse_assignments(["a"])


def test_every_default_is_within_its_own_bound() -> None:
    for setting in SETTINGS.values():
        assert setting.parse(str(setting.default)) == setting.default


def test_the_settings_page_is_written_from_the_table() -> None:
    page = Path(__file__).parent.parent / "docs" / "settings.md"
    assert page.read_text() == conf.settings_page(), (
        "run: python -m mrmesos.conf > docs/settings.md"
    )
