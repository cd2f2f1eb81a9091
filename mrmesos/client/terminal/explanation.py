"""Formats why a job waits, and why it was slow."""

from __future__ import annotations

from collections.abc import Iterable

from mrmesos.client.terminal.printable import printable
from mrmesos.wire.explain import Explanation, Finding, Reason, WaitingTasks
from mrmesos.wire.job import JobState


def format_explanation(found: Explanation) -> str:
    """All reasons, each in a line, with advice below it."""
    lines = [f"{found.job_id} {found.state}"]
    if found.waiting is not None:
        lines += _waiting(found.waiting, found.now)
    if found.findings:
        lines.append(format_findings(found.findings))
    elif found.waiting is None:
        lines.append("nothing is known that made it slow")
    elif not found.waiting.reasons and JobState(found.state) is JobState.RUNNING:
        lines.append("nothing waits")
    return printable("\n".join(lines))


def format_findings(findings: Iterable[Finding]) -> str:
    """Why a job was slow."""
    lines = ["why it is or was slow"]
    for one in findings:
        cost = f" (about {one.seconds:,.0f} s)" if one.seconds else ""
        lines += [f"  {one.what}: {one.words}{cost}", f"      helps: {one.help}"]
    return printable("\n".join(lines))


def _waiting(waiting: WaitingTasks, now: float) -> list[str]:
    lines = [f"  {fact}" for fact in waiting.facts]
    offer = ""
    if waiting.last_offer is not None:
        offer = f"; last offer {max(0.0, now - waiting.last_offer):.0f} s ago"
    lines.append(f"{waiting.waiting:,} tasks wait, {waiting.running:,} attempts run{offer}")
    for reason in waiting.reasons:
        lines += _reason(reason)
    return lines


def _reason(reason: Reason) -> list[str]:
    kind = f"{reason.kind}s: " if reason.kind else ""
    agents = ""
    if reason.agents:
        agents = f" ({reason.agents:,} agent{'' if reason.agents == 1 else 's'})"
    lines = [f"  [{reason.why.value}] {kind}{reason.words}{agents}"]
    return lines + ([f"      helps: {reason.help}"] if reason.help else [])
