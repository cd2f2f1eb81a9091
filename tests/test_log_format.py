"""Logs as JSON: one object a line, whatever is logged."""

from __future__ import annotations

import json
import logging

import pytest
from click.testing import CliRunner

from mrmesos.cli import main
from mrmesos.log_format import JsonLines


def line(message: str, *arguments: object, error: BaseException | None = None) -> dict[str, object]:
    info = (type(error), error, None) if error is not None else None
    record = logging.LogRecord("a.b", logging.WARNING, "f", 1, message, arguments, info)
    text = JsonLines("jobtracker").format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_a_line_has_all_of_a_record() -> None:
    found = line("%s is late", "x")
    assert (found["level"], found["process"], found["logger"]) == ("WARNING", "jobtracker", "a.b")
    assert found["message"] == "x is late"
    assert str(found["time"]).endswith("+00:00")
    assert "ids" not in found


def test_what_a_message_names_can_be_searched() -> None:
    attempt = "attempt_202611201130_0001_m_000003_0"
    found = line("%s of %s on tracker_202611201130_7", attempt, "job_202611201130_0001")
    assert found["ids"] == [attempt, "job_202611201130_0001", "tracker_202611201130_7"]


@pytest.mark.parametrize("text", ["two\nlines", "\udcff", '"quoted"', "\x1b[2J"])
def test_any_text_stays_one_line(text: str) -> None:
    assert line("%s", text)["message"] == text


def test_a_traceback_is_a_part_of_its_line() -> None:
    assert "ZeroDivisionError: by zero" in str(
        line("bad", error=ZeroDivisionError("by zero"))["error"]
    )


def test_an_unknown_form_is_refused() -> None:
    words = ["jobtracker", "--master", "http://127.0.0.1:1", "-D", "log.format=xml"]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 2
    assert "log.format='xml': expected one of plain, json" in ran.stderr
