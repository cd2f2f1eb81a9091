"""The boxes of a flame graph, and the functions that take most."""

from __future__ import annotations

from mrmesos.jobtracker.pages.views.flame_graph import WIDTH, flame_graph
from mrmesos.wire.profile import Node, Profile, packed

PROFILE = Profile(
    kind="cpu",
    total=10_000_000,
    frames=["run_map (mrmesos/task/map_task.py)", "map (words.py)", "loads (lib/json/__init__.py)"],
    nodes=[
        Node(0, 0, 10_000_000),
        Node(1, 1, 6_000_000),
        Node(2, 2, 5_000_000),
        Node(1, 2, 3_000_000),
        Node(0, 2, 1_000),
    ],
)


def test_a_box_is_as_wide_as_its_part_and_below_its_caller() -> None:
    graph = flame_graph(packed(PROFILE))
    assert graph is not None
    places = [(box.x, box.y, box.width) for box in graph.boxes]
    assert places == [(0, 0, WIDTH), (0, 17, 720), (0, 34, 600), (720, 17, 360)]
    assert [box.kind for box in graph.boxes] == ["ours", "yours", "library", "library"]
    assert graph.boxes[1].text == "map (words.py)"
    assert graph.boxes[1].title == "map (words.py): 6.0 s, 60 %"
    assert (graph.total, graph.height, graph.root) == ("10 s", 51, "")


def test_a_function_can_be_looked_at_alone() -> None:
    graph = flame_graph(packed(PROFILE), "1")
    assert graph is not None
    assert graph.root == "map (words.py)"
    assert [(box.number, box.x, box.y, box.width) for box in graph.boxes] == [
        (1, 0, 0, WIDTH),
        (2, 0, 17, 1000),
    ]
    for nonsense in ("99", "-1", "x", "²", "1" * 99):
        whole = flame_graph(packed(PROFILE), nonsense)
        assert whole is not None
        assert whole.root == ""


def test_what_a_function_takes_by_itself_is_summed_over_its_callers() -> None:
    graph = flame_graph(packed(PROFILE))
    assert graph is not None
    assert [(line.name.partition(" ")[0], line.own, line.whole) for line in graph.top] == [
        ("loads", "8.0 s", "8.0 s"),
        ("run_map", "1.0 s", "10 s"),
        ("map", "1.0 s", "6.0 s"),
    ]


def test_a_recursion_counts_once() -> None:
    nodes = [Node(0, 0, 4_000_000), Node(1, 0, 3_000_000), Node(2, 0, 1_000_000)]
    deep = Profile(kind="cpu", total=4_000_000, frames=["f (a.py)"], nodes=nodes)
    graph = flame_graph(packed(deep))
    assert graph is not None
    assert [(line.own, line.whole) for line in graph.top] == [("4.0 s", "4.0 s")]


def test_names_are_cut_to_their_boxes() -> None:
    frames = [f"{'long_' * 30} (a.py)", "short (a_file_with_a_long_name.py)"]
    nodes = [Node(0, 0, 90), Node(1, 1, 9), Node(1, 0, 1)]
    graph = flame_graph(packed(Profile(kind="memory", total=100, frames=frames, nodes=nodes)))
    assert graph is not None
    first, second, third = graph.boxes
    assert first.text.endswith("…") or first.text == frames[0]
    assert second.text == "short"
    assert third.text == ""
    assert all(len(box.text) * 6.2 <= box.width for box in graph.boxes)
    assert graph.total == "100 B"


def test_what_cannot_be_read_is_no_graph() -> None:
    assert flame_graph("nonsense") is None
    assert flame_graph("") is None
