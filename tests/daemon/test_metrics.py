from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from genretagd.daemon.metrics import MetricsServer, exposition, health
from genretagd.errors import UsageError


def status(**changes):
    root = {
        "path": '/m"u\\sic', "healthy": True, "problem": None, "state": "watching", "files": 3,
        "scan_seconds": 0.5, "overflows": 1, "restarts": 0,
    }  # fmt: skip
    return {
        "state": "running", "started_at": 1e9, "problem": None, "roots": [root], "working_seconds": 1.5,
        "files": {"tagged": 2}, "failures": {"corrupt": 1}, "queue": {"waiting": 4},
    } | changes  # fmt: skip


@pytest.fixture
def server():
    server = MetricsServer(0, status)
    yield server
    server.close()


def get(server, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as reply:
        return reply.status, reply.headers["Content-Type"], reply.read().decode()


def test_metrics_are_in_the_format_of_prometheus(server):
    code, kind, text = get(server, "/metrics")
    assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'genretagd_files_total{status="tagged"} 2\n' in text
    assert "# TYPE genretagd_files_total counter\n" in text


def test_label_values_are_escaped_and_every_sample_has_a_family():
    lines = list(exposition(status()))
    assert r'genretagd_root_files{root="/m\"u\\sic"} 3' in lines
    families = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    samples = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    assert samples == families


def test_health_is_good_news_with_200(server):
    code, _, text = get(server, "/healthz")
    assert (code, json.loads(text)["healthy"]) == (200, True)


def test_an_unknown_path_is_not_found(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server, "/else")
    with caught.value as reply:
        assert reply.code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"problem": "the disk is full"},
        {"state": "starting"},
        {"roots": [{"path": "/m", "healthy": False, "problem": "gone", "state": "away"}]},
    ],
    ids=["trouble", "starting", "root away"],
)
def test_bad_news_has_a_reason(changes):
    healthy, told = health(status(**changes))
    assert not healthy
    assert told["problems"] or told["state"] != "running"


def test_a_port_that_is_taken_is_said_with_its_option(server):
    with pytest.raises(UsageError, match="metrics_port"):
        MetricsServer(server.port, status)
