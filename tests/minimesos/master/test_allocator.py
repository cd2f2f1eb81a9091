from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mrmesos.minimesos.master.allocator import Allocation, Allocator
from mrmesos.minimesos.model.resources import Resources, parse

BIG = parse("cpus:4;mem:4096")


def allocator(
    *agents: str, interval: float = 1.0, weights: dict[str, float] | None = None
) -> Allocator:
    made = Allocator(interval, weights, random.Random(0))
    for number, text in enumerate(agents):
        made.add_agent(f"S{number}", parse(text))
    return made


def greedy(made: Allocator, needs: dict[str, Resources], rounds: int = 40) -> dict[str, int]:
    """Each framework launches one task on each offer that is large enough, and returns the rest."""
    tasks = dict.fromkeys(needs, 0)
    for now in range(rounds):
        for one in made.allocate(float(now)):
            task = needs[one.framework].allocate(one.role)
            if one.resources.contains(task):
                tasks[one.framework] += 1
                made.recover(one.framework, one.agent, one.resources - task)
            else:
                made.recover(one.framework, one.agent, one.resources)
    return tasks


def test_textbook_dominant_resource_fairness() -> None:
    """Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 4.1."""
    made = allocator("cpus:9;mem:18432")
    made.add_framework("A", ["*"])
    made.add_framework("B", ["*"])
    needs = {"A": parse("cpus:1;mem:4096"), "B": parse("cpus:3;mem:1024")}
    assert greedy(made, needs) == {"A": 3, "B": 2}


def test_textbook_case_between_roles() -> None:
    made = allocator("cpus:9;mem:18432")
    made.add_framework("A", ["a"])
    made.add_framework("B", ["b"])
    needs = {"A": parse("cpus:1;mem:4096"), "B": parse("cpus:3;mem:1024")}
    assert greedy(made, needs) == {"A": 3, "B": 2}


def test_weights_divide_between_roles() -> None:
    made = allocator("cpus:12;mem:12288", weights={"a": 3.0})
    made.add_framework("A", ["a"])
    made.add_framework("B", ["b"])
    need = parse("cpus:1;mem:1024")
    assert greedy(made, {"A": need, "B": need}) == {"A": 9, "B": 3}


def test_reserved_resources_go_to_their_role_only() -> None:
    made = allocator("cpus(mr):2;cpus(other):1;cpus:2;mem:1024")
    made.add_framework("F", ["mr"])
    (one,) = made.allocate(0)
    assert str(one.resources) == (
        "cpus(allocated: mr)(reservations: [(STATIC,mr)]):2; cpus(allocated: mr):2; "
        "mem(allocated: mr):1024"
    )
    made.add_framework("G", ["other/sub"])
    (two,) = made.allocate(1)
    assert (two.framework, str(two.resources)) == (
        "G",
        "cpus(allocated: other/sub)(reservations: [(STATIC,other)]):1",
    )


def test_filter_holds_until_its_time_and_for_no_more_than_was_refused() -> None:
    made = allocator("cpus:4;mem:4096")
    made.add_framework("F", ["*"])
    (one,) = made.allocate(0)
    made.recover("F", "S0", one.resources, 3.0, now=0)
    assert made.allocate(2.9) == []
    assert len(made.allocate(3.1)) == 1


def test_filter_does_not_hold_for_more_than_was_refused() -> None:
    made = allocator("cpus:4;mem:4096")
    made.add_framework("F", ["*"])
    (one,) = made.allocate(0)
    used = parse("cpus:1;mem:1024").allocate("*")
    made.recover("F", "S0", one.resources - used, 1000.0, now=0)
    assert made.allocate(5) == []
    made.recover("F", "S0", used)  # the task ended: now more is free than was refused
    (again,) = made.allocate(6)
    assert again.resources.unallocate() == BIG


def test_filter_lasts_at_least_one_interval_and_at_most_a_year() -> None:
    made = allocator("cpus:4;mem:4096", interval=1.0)
    made.add_framework("F", ["*"])
    (one,) = made.allocate(0)
    made.recover("F", "S0", one.resources, 0.01, now=0)
    assert made.allocate(0.5) == []
    (one,) = made.allocate(1.01)
    made.recover("F", "S0", one.resources, 1e12, now=2)
    assert made.allocate(2 + 365 * 86400 - 1) == []
    assert len(made.allocate(2 + 365 * 86400 + 1)) == 1


def test_nonsensical_filter_is_the_default() -> None:
    made = allocator("cpus:4;mem:4096")
    made.add_framework("F", ["*"])
    (one,) = made.allocate(0)
    made.recover("F", "S0", one.resources, -1.0, now=0)
    assert made.allocate(4.9) == []
    assert len(made.allocate(5.1)) == 1


def test_revive_forgets_filters_and_suppression() -> None:
    made = allocator("cpus:4;mem:4096")
    made.add_framework("F", ["*"])
    (one,) = made.allocate(0)
    made.recover("F", "S0", one.resources, 1000.0, now=0)
    made.suppress("F")
    made.revive("F")
    (one,) = made.allocate(1)
    made.recover("F", "S0", one.resources)
    made.suppress("F")
    assert made.allocate(2) == []


def test_suppression_is_by_role() -> None:
    made = allocator("cpus:4;mem:4096")
    made.add_framework("F", ["a", "b"], suppressed=["a"])
    (one,) = made.allocate(0)
    assert one.role == "b"
    made.recover("F", "S0", one.resources)
    made.suppress("F", ["b"])
    assert made.allocate(1) == []
    made.revive("F", ["a"])
    assert [one.role for one in made.allocate(2)] == ["a"]


def test_too_little_is_not_offered() -> None:
    made = allocator("cpus:0.005;mem:31;disk:1000")
    made.add_framework("F", ["*"])
    assert made.allocate(0) == []
    made.add_agent("S9", parse("mem:32"))
    assert [one.agent for one in made.allocate(1)] == ["S9"]


def test_inactive_frameworks_get_nothing_and_lose_their_filters() -> None:
    made = allocator("cpus:4;mem:4096")
    made.add_framework("F", ["*"])
    (one,) = made.allocate(0)
    made.recover("F", "S0", one.resources, 1000.0, now=0)
    made.deactivate("F")
    assert made.allocate(1) == []
    made.activate("F")
    assert len(made.allocate(2)) == 1


Step = tuple[str, int, float, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["allocate", "end", "suppress", "revive", "leave", "agent"]),
        st.integers(0, 3),
        st.floats(0, 20),
        st.sampled_from([0.0, 0.0, 2.0, 100.0]),
    ),
    max_size=60,
)
AGENTS = (
    "cpus:4;mem:4096;ports:[1-100]",
    "cpus(a):2;cpus:1;mem:2048",
    "cpus:8;mem(b):1024;mem:512",
)


@given(STEPS)
def test_never_more_than_there_is_and_everything_comes_back(steps: list[Step]) -> None:
    made = allocator(*AGENTS)
    totals = {f"S{n}": parse(text) for n, text in enumerate(AGENTS)}
    frameworks = {f"F{n}": role for n, role in enumerate(["*", "a", "b", "a"])}
    for name, role in frameworks.items():
        made.add_framework(name, [role])
    held: list[tuple[Allocation, Resources]] = []
    now = 0.0

    def free(which: str, agent: str) -> None:
        for item in [
            i for i in held if which in ("", i[0].framework) and agent in ("", i[0].agent)
        ]:
            held.remove(item)
            made.recover(item[0].framework, item[0].agent, item[1])

    for what, number, passed, refuse in steps:
        now += passed
        name = f"F{number}"
        if what == "allocate":
            for one in made.allocate(now):
                part = Resources({b: v // 2 if isinstance(v, int) else v for b, v in one.resources})
                held.append((one, part))
                made.recover(one.framework, one.agent, one.resources - part, refuse, now)
        elif what == "end" and held:
            one, part = held.pop(number % len(held))
            made.recover(one.framework, one.agent, part)
        elif what == "suppress" and name in frameworks:
            made.suppress(name)
        elif what == "revive" and name in frameworks:
            made.revive(name)
        elif what == "leave":
            free(name, "")
            made.remove_framework(name)
            made.add_framework(name, [frameworks[name]])
        elif what == "agent" and number < len(AGENTS):
            free("", f"S{number}")
            made.remove_agent(f"S{number}")
            made.add_agent(f"S{number}", totals[f"S{number}"])
        for agent, total in totals.items():
            used = Resources()
            for one, part in held:
                if one.agent == agent:
                    used += part.unallocate()
            assert total.contains(used)
            assert made.available(agent) + used == total
    free("", "")
    for agent, total in totals.items():
        assert made.available(agent) == total
    for share in made._roles.values():
        assert not any(share.held.values())
