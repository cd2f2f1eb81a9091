"""Authentication of frameworks, operators and executors."""

from __future__ import annotations

import base64
import http.client
import json
import os
from pathlib import Path

import pytest

from mrmesos.minimesos.http.authentication import parse_credentials
from tests.minimesos.cluster import JSON_HEADERS, Cluster, Scheduler, command_task, wait_for
from tests.minimesos.conftest import MakeCluster
from tests.minimesos.tasks import executor, task

SECRETS = {"etl": "a-secret", "other": "another-secret"}


def basic(principal: str, secret: str) -> dict[str, str]:
    shown = base64.b64encode(f"{principal}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {shown}"}


GOOD = basic("etl", "a-secret")
WRONG = [
    {},
    basic("etl", "another-secret"),
    basic("etl", ""),
    basic("", ""),
    basic("nobody", "a-secret"),
    {"Authorization": "Basic"},
    {"Authorization": "Basic é"},
    {"Authorization": "Basic ZXRs"},
    {"Authorization": "Bearer a-secret"},
]


@pytest.mark.parametrize(
    "text",
    [
        "etl a-secret\nother another-secret\n",
        "\n  etl\ta-secret \n\nother another-secret",
        json.dumps({"credentials": [{"principal": p, "secret": s} for p, s in SECRETS.items()]}),
    ],
)
def test_both_of_mesos_formats(text: str) -> None:
    assert parse_credentials(text) == SECRETS


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "etl", "etl a b", "etl a\netl b", "{}", '{"credentials": []}', "{", "a:b c"),
        '{"credentials": [{"principal": "etl"}]}',
        '{"credentials": [{"principal": "etl", "secret": ""}]}',
    ],
)
def test_what_is_neither_is_not_repeated_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as problem:
        parse_credentials(text)
    assert "etl a" not in str(problem.value)


def ask(
    address: str, method: str, path: str, headers: dict[str, str], body: str = ""
) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.putrequest(method, path)
        for name, value in {**JSON_HEADERS, **headers}.items():
            connection.putheader(name, value.encode())
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        realm = answer.getheader("WWW-Authenticate", "")
        return answer.status, realm, answer.read(10_000).decode() if answer.status != 200 else ""
    finally:
        connection.close()


@pytest.mark.parametrize("below", ["", "/master"])
def test_a_master_answers_nobody_who_shows_nothing(make_cluster: MakeCluster, below: str) -> None:
    cluster = make_cluster(credentials=SECRETS)
    subscribe = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "u", "name": "n"}}}
    gone = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": "x"}}}
    asked = [
        ("GET", "/state", "readonly", ""),
        ("GET", "/state.json", "readonly", ""),
        ("GET", "/state/below", "readonly", ""),
        ("GET", "/maintenance/status", "readonly", ""),
        ("GET", "/maintenance/schedule", "readwrite", ""),
        ("POST", "/maintenance/schedule", "readwrite", '{"windows": []}'),
        ("POST", "/api/v1", "readwrite", json.dumps(gone)),
        ("POST", "/api/v1/scheduler", "scheduler", json.dumps(subscribe)),
        ("POST", "/api/v1/scheduler", "scheduler", "no JSON"),
    ]
    for method, path, realm, body in asked:
        for headers in WRONG:
            status, told, said = ask(cluster.address, method, below + path, headers, body)
            assert (status, said) == (401, "")
            assert told == f'Basic realm="mesos-master-{realm}"'
    assert cluster.mesos.master.frameworks == {}
    for path in ("/version", "/health"):
        assert ask(cluster.address, "GET", below + path, {})[0] == 200
    assert ask(cluster.address, "GET", below + "/state", GOOD)[0] == 200
    schedule = below + "/maintenance/schedule"
    assert ask(cluster.address, "POST", schedule, GOOD, '{"windows": []}')[0] == 200


@pytest.mark.parametrize("below", ["", "/slave(1)"])
def test_principals_may_look_at_files(make_cluster: MakeCluster, below: str) -> None:
    cluster = make_cluster(credentials=SECRETS)
    agent = cluster.mesos.agents[0]
    token = {"Authorization": f"Bearer {next(iter(agent.tokens()), 'x')}"}
    for endpoint in ("read", "browse", "download"):
        path = f"{below}/files/{endpoint}?path=/frameworks/none"
        for headers in (*WRONG, token):
            status, told, said = ask(agent.address, "GET", path, headers)
            assert (status, said) == (401, "")
            assert told == 'Basic realm="mesos-agent-readonly"'
        assert ask(agent.address, "GET", path, GOOD)[0] == 404


def test_a_framework_is_who_it_says(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(credentials=SECRETS)
    scheduler = Scheduler(cluster.address, principal="other")
    scheduler.subscribe(headers=GOOD)
    assert scheduler.status == 400
    assert "Authenticated principal 'etl' does not match principal 'other'" in scheduler.error
    for info in ({"principal": "etl"}, {}):
        scheduler = Scheduler(cluster.address, **info)
        scheduler.subscribe(headers=GOOD)
        scheduler.id = scheduler.wait("SUBSCRIBED")["framework_id"]["value"]
        body = json.dumps({"type": "REVIVE", "framework_id": {"value": scheduler.id}})
        assert scheduler.post(body)[0] == 401
        assert scheduler.post(body, **GOOD)[0] == 202


class Authenticated(Scheduler):
    """Sends the secret with each call."""

    def start(self) -> Authenticated:
        self.subscribe(headers=GOOD)
        self.id = self.wait("SUBSCRIBED")["framework_id"]["value"]
        return self

    def call(self, kind: str, **payload: object) -> tuple[int, str]:
        body = {"type": kind, "framework_id": {"value": self.id}, **payload}
        return self.post(json.dumps(body), **GOOD)


def _tokens(cluster: Cluster) -> list[str]:
    return cluster.mesos.agents[0].tokens()


def test_executors_show_the_token_that_they_were_given(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(credentials=SECRETS)
    scheduler = Authenticated(cluster.address).start()
    (offer,) = scheduler.offers()
    tasks = []
    for name in ("one", "two"):
        waiting = executor()
        waiting["executor_id"] = {"value": name}
        waiting["command"] = {"value": "env > environment.part; mv environment.part environment; "
                              "sleep 600"}  # fmt: skip
        tasks.append(task(f"t-{name}", offer, waiting))
    scheduler.accept([offer], tasks)
    runs = cluster.mesos.config.work_dir

    def written(name: str) -> str:
        (path,) = runs.glob(f"slaves/*/frameworks/*/executors/{name}/runs/latest/environment")
        assert path.parent.stat().st_mode & 0o777 == 0o700
        lines = path.read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if "AUTHENTICATION_TOKEN" in line)

    wait_for(lambda: len(list(runs.glob("slaves/*/*/*/executors/*/runs/latest/environment"))) == 2)
    one, two = written("one"), written("two")
    assert sorted(_tokens(cluster)) == sorted([one, two])
    agent = cluster.mesos.agents[0].address
    ids = {"framework_id": {"value": scheduler.id}, "executor_id": {"value": "one"}}
    message = json.dumps({"type": "MESSAGE", **ids, "message": {"data": "eA=="}})
    subscribe = json.dumps({"type": "SUBSCRIBE", **ids, "subscribe": {}})
    for path in ("/api/v1/executor", "/slave(1)/api/v1/executor"):
        for body in (message, subscribe, "no JSON"):
            for headers in (*WRONG, {"Authorization": "Bearer"}, {"Authorization": f"Basic {one}"}):
                status, realm, _ = ask(agent, "POST", path, headers, body)
                assert (status, realm) == (401, 'Bearer realm="mesos-agent-executor"')
        others = {"Authorization": f"Bearer {two}"}
        assert ask(agent, "POST", path, others, message)[0] == 403
        assert ask(agent, "POST", path, others, subscribe)[0] == 403
    own = {"Authorization": f"Bearer {one}"}
    assert ask(agent, "POST", "/api/v1/executor", own, message)[::2] == (
        403,
        "Executor is not subscribed",
    )
    assert ask(agent, "GET", "/version", {})[0] == 200
    state = cluster.mesos.master.frameworks
    assert one not in str(state)
    assert one not in repr(cluster.mesos.agents)


def test_without_credentials_nothing_is_asked(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster()
    scheduler = Scheduler(cluster.address).start()
    (offer,) = scheduler.offers()
    before = dict(os.environ)
    scheduler.accept([offer], [command_task("t", offer, "env")])
    scheduler.update("t", "TASK_FINISHED")
    (out,) = cluster.mesos.config.work_dir.glob("slaves/*/*/*/executors/t/runs/latest/stdout")
    assert "AUTHENTICATION_TOKEN" not in out.read_text()
    assert dict(os.environ) == before
    assert out.parent.stat().st_mode & 0o077 == 0
