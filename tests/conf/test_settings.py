"""Settings: typed values, bounds, misspellings, and that the documentation lists each of them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos import conf
from mrmesos.api import Settings
from mrmesos.conf import SETTINGS, Conf, ConfError, Setting, parse_assignments
from mrmesos.conf.__main__ import WRITTEN
from mrmesos.conf.names import python_name, variable_name
from mrmesos.conf.schema import toml_schema
from mrmesos.conf.variables import OF_PROCESSES, OF_USERS, VARIABLES

ROOT = Path(__file__).parents[2]


def test_defaults_and_text_become_typed_values() -> None:
    assert Conf().get_as(conf.IO_SORT_FACTOR) == 64
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


@pytest.mark.parametrize(
    ("memory", "sort", "reduce"), [(128, 8, 8), (256, 24, 19), (1024, 216, 172), (4096, 984, 787)]
)
def test_buffers_follow_from_the_memory_of_an_attempt(memory: int, sort: int, reduce: int) -> None:
    for more in ({}, {"io.sort.mb": "auto", "reduce.shuffle.buffer.mb": " auto "}):
        found = Conf({"map.memory.mb": str(memory), "reduce.memory.mb": str(memory), **more})
        assert conf.sort_buffer_bytes(found) == sort << 20
        assert conf.reduce_buffer_bytes(found) == reduce << 20


def test_a_buffer_may_be_set() -> None:
    found = Conf({"io.sort.mb": "3", "reduce.shuffle.buffer.mb": "700", "map.memory.mb": "4096"})
    assert (conf.sort_buffer_bytes(found), conf.reduce_buffer_bytes(found)) == (3 << 20, 700 << 20)


@given(st.integers(9, 1_000_000))
def test_the_memory_for_a_sort_buffer(buffer_mb: int) -> None:
    memory = conf.memory_mb_for_sort(buffer_mb)
    assert conf.sort_buffer_bytes(Conf({"map.memory.mb": str(memory)})) >= buffer_mb << 20
    assert conf.sort_buffer_bytes(Conf({"map.memory.mb": str(memory - 1)})) < buffer_mb << 20


def test_later_values_win() -> None:
    merged = Conf({"a": "1", "b": "1"}).merged({"b": "2"})
    assert dict(merged) == {"a": "1", "b": "2"}


def test_assignments() -> None:
    assert parse_assignments(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(ConfError, match="name=value"):
        parse_assignments(["a"])


def test_every_default_is_within_its_own_bound() -> None:
    for setting in SETTINGS.values():
        assert setting.parse(setting.default_text) == setting.default


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_from_the_table_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == WRITTEN[name](), "run: python -m mrmesos.conf"


def test_every_setting_has_its_own_variable_and_keyword() -> None:
    variables = [*map(variable_name, SETTINGS), *OF_USERS, *OF_PROCESSES]
    assert len(set(variables)) == len(variables)
    assert len(set(map(python_name, SETTINGS))) == len(SETTINGS)
    assert all(python_name(name).isidentifier() for name in SETTINGS)


def test_no_other_variable_is_read_anywhere() -> None:
    """A misspelt variable is one that is not in the table, so the table has to be complete."""
    known = {*map(variable_name, SETTINGS), *VARIABLES}
    for path in (ROOT / "mrmesos").rglob("*.py"):
        named = set(re.findall(r"(?<![A-Z_])MRMESOS_[A-Z][A-Z_]*[A-Z]", path.read_text()))
        assert named <= known, path


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("io.sort.mbs", "io.sort.mb"),
        ("map.memroy.mb", "map.memory.mb"),
        ("map_memory_mb", "map.memory.mb"),
        ("MAP.MEMORY.MB", "map.memory.mb"),
        ("mapreduce.map.memory.mb", "map.memory.mb"),
        ("mapreduce.task.timeout", "task.timeout"),
        ("tasktracker.idle.second", "tasktracker.idle.seconds"),
        ("map.zzzzzzzzzzzz", "begin with `map.`"),
    ],
)
def test_what_a_misspelt_name_means(wrong: str, meant: str) -> None:
    [said] = Conf({wrong: "1"}).check("here")
    assert said.startswith(f"here: {wrong} is not a setting")
    assert meant in said


@pytest.mark.parametrize("own", ["threshold", "stop-words", "ann.mode", "mapreduce.job.queuename"])
def test_a_parameter_of_a_job_may_have_any_other_name(own: str) -> None:
    assert Conf({own: "1"}).check() == []


def test_a_service_has_no_parameters() -> None:
    with pytest.raises(ConfError, match="threshold is not a setting"):
        Conf({"threshold": "3"}).check_service()
    with pytest.raises(ConfError, match="did you mean scheduler"):
        Conf({"schedular": "fair"}).check_service()


def test_typed_settings_are_a_dict_of_settings() -> None:
    given = Settings(map_memory_mb=2048, map_speculative=False, job_pool="etl")
    assert given == {"map.memory.mb": 2048, "map.speculative": False, "job.pool": "etl"}
    assert (given | {"threshold": 3})["threshold"] == 3


def test_typed_settings_say_what_is_wrong_at_once() -> None:
    with pytest.raises(TypeError, match="did you mean map_memory_mb"):
        Settings(map_memroy_mb=2048)  # type: ignore[call-arg]
    with pytest.raises(ConfError, match=r"map\.memory\.mb='1': must be at least 128 MiB"):
        Settings(map_memory_mb=1)


def valid(text: str) -> bool:
    checker = jsonschema.Draft7Validator(toml_schema())
    return bool(checker.is_valid(tomllib.loads(text)))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_schema_knows_every_setting(name: str) -> None:
    setting = SETTINGS[name]
    is_auto = setting.default_text == conf.AUTO
    value = json.dumps(conf.AUTO if is_auto else setting.default)
    assert valid(f'[settings]\n"{name}" = {value}')
    assert valid(f"[settings]\n{name} = {value}")
    assert valid(f"[profile.p.settings]\n{name} = {value}")


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("jobtracker = 'x'\n[settings]\nthreshold = 3", True),
        ("[settings.map]\nmemory.mb = 512\n'cpus' = 1", True),
        ("[settings.map]\n'memory.mb' = 512", True),
        ("jobtraker = 'x'", False),
        ("[profile.p]\ntokenfile = 'x'", False),
        ("[settings]\nmap.memroy.mb = 512", False),
        ("[settings]\nmap.memory.mb = 'much'", False),
        ("[settings]\nmap.memory.mb = 1", False),
        ("[settings]\nscheduler = 'lottery'", False),
    ],
)
def test_the_schema_refuses_what_is_wrong(text: str, is_valid: bool) -> None:
    assert valid(text) == is_valid
