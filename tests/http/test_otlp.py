"""OpenTelemetry: a collector of ours is told over OTLP/HTTP what ``/metrics`` says, and the worker waits for none."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from limen.control import recording, statistics
from limen.core.people import Actor
from limen.core.problems import ProblemError, StoreDown
from limen.core.statistics import floor
from limen.core.usage import Decided, Outcome, Tally
from limen.drain import Chore, Drainer, Rota, work
from limen.drain.otlp import Pusher, Unpushed
from limen.settings import read_settings
from tests.http.test_metrics import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.gate.scene import Scene

TOOK = (90, 500, 3_000, 70_000, 200_000_000)
WORD = "Bearer canary-4711"

Told = dict[tuple[str, tuple[tuple[str, str], ...]], Any]


class Collector:
    """A receiver of OTLP/HTTP that keeps what it was sent, and answers as it is told to."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.came: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.status, self.answer, self.wait_s = 200, b"", 0.0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                time.sleep(collector.wait_s)
                request = ExportMetricsServiceRequest()
                request.ParseFromString(body)
                collector.came.append(request)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.paths.append(self.path)
                self.send_response(collector.status)
                if collector.status == 302:
                    self.send_header("location", f"http://127.0.0.1:{collector.port}/elsewhere")
                self.send_header("content-length", str(len(collector.answer)))
                self.end_headers()
                self.wfile.write(collector.answer)

            def do_GET(self) -> None:
                collector.paths.append(f"GET {self.path} {self.headers['authorization']}")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, which: int = -1) -> Told:
        """The points of a push, by name and labels; each once."""
        found: Told = {}
        for resource in self.came[which].resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                    labels = tuple((each.key, each.value.string_value) for each in point.attributes)
                    assert (metric.name, labels) not in found
                    found[metric.name, labels] = point
        return found

    def metrics(self) -> dict[str, Any]:
        """The metrics of the last push, by name."""
        (resource,) = self.came[-1].resource_metrics
        return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _number(point: Any) -> float:
    return float(getattr(point, point.WhichOneof("value")))


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that takes everything."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def used(scene: Scene, collector: Collector) -> Scene:
    """An installation in which something has been used, and that tells the collector."""
    key = scene.issued().key.key.encode()
    now = scene.app.clock.read()[0]
    codes = ("ok", "ok", "ok", "ok", "ok", "scope_missing")
    entries = [
        *(Decided(n, now, key, code, "GET", "listChats", "", "/secret-path") for n, code in enumerate(codes, 1)),
        *(Outcome(3, n, 200, now, took) for n, took in enumerate(TOOK, 1)),
        Tally(int(now // 60), "credential_invalid", "fvak_", "192.0.2.0/24", 5),
    ]
    worker = Actor("worker", "drain")
    scene.app.act(recording.record, "a", 1, api="creator", incarnation=3, entries=entries, actor=worker)
    scene.app.settings = replace(scene.app.settings, otlp_endpoint=f"http://127.0.0.1:{collector.port}")
    return scene


def _until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


@pytest.mark.check("C127")
async def test_a_collector_is_told_what_metrics_and_the_statistics_say(
    used: Scene, collector: Collector, client: httpx2.AsyncClient
) -> None:
    assert work(used.app).failures == {}
    told, said = collector.told(), samples((await client.get("/metrics")).text)
    counted = {which: value for which, value in said.items() if not which[0].startswith("limen_answer_seconds")}
    moving = {"limen_lease_remaining_seconds"}
    assert {which for which in told if which[0] != "limen_answer_seconds"} == {
        *counted,
        ("limen_pushes_failed_total", ()),
    }
    for which, value in counted.items():
        assert which[0] in moving or _number(told[which]) == value, which
    spread = told["limen_answer_seconds", (("api", "creator"),)]
    below = 0
    for bound, count in zip(spread.explicit_bounds, spread.bucket_counts, strict=False):
        below += count
        assert below == said["limen_answer_seconds_bucket", (("api", "creator"), ("le", f"{bound:.6g}"))]
    assert (spread.count, sum(spread.bucket_counts)) == (len(TOOK), len(TOOK))
    assert spread.sum == said["limen_answer_seconds_sum", (("api", "creator"),)]
    with used.app.reading() as reader:
        totals = statistics.totals(reader, statistics.Asked(api="creator"))
        parts = statistics.by(reader, statistics.Asked(api="creator"), "code")
    decided = {labels: point for (name, labels), point in told.items() if name == "limen_decisions_total"}
    assert totals.calls == sum(map(_number, decided.values())) == 6
    assert {part.value: part.calls for part in parts} == {
        dict(labels)["code"]: _number(p) for labels, p in decided.items()
    }


async def test_what_is_pushed_says_nothing_of_keys_paths_or_addresses(used: Scene, collector: Collector) -> None:
    work(used.app)
    sent = collector.came[-1].SerializeToString()
    for word in (b"secret-path", b"192.0.2", b"fvak_", b"listChats"):
        assert word not in sent
    labels = {label for _, labels in collector.told() for label, _ in labels}
    assert labels == {"api", "code", "version"}


def test_counters_count_since_a_moment_and_go_on_after_a_restart(used: Scene, collector: Collector) -> None:
    """Another process, and another host, tells the same counter on: it is the database's."""
    Pusher()(used.app)
    key = used.issued("bob").key.key.encode()
    now = used.app.clock.read()[0]
    more = [Decided(n, now, key, "ok", "GET", "listChats", "", "/") for n in (1, 2)]
    used.app.act(recording.record, "b", 1, api="creator", incarnation=4, entries=more, actor=Actor("worker", "drain"))
    Pusher()(used.app)
    which = ("limen_decisions_total", (("api", "creator"), ("code", "ok")))
    before, after = collector.told(0)[which], collector.told(1)[which]
    assert (before.as_int, after.as_int) == (5, 7)
    assert before.start_time_unix_nano == after.start_time_unix_nano == floor(now, "month") * 1_000_000_000
    assert before.time_unix_nano < after.time_unix_nano
    answers = collector.told()["limen_answer_seconds", (("api", "creator"),)]
    assert answers.start_time_unix_nano == floor(now, "day") * 1_000_000_000
    metrics = collector.metrics()
    decisions, spread = metrics["limen_decisions_total"].sum, metrics["limen_answer_seconds"].histogram
    assert decisions.is_monotonic
    assert {decisions.aggregation_temporality, spread.aggregation_temporality} == {AGGREGATION_TEMPORALITY_CUMULATIVE}
    assert (metrics["limen_answer_seconds"].unit, metrics["limen_decisions_total"].unit) == ("s", "{decision}")
    who = [
        {each.key: each.value.string_value for each in came.resource_metrics[0].resource.attributes}
        for came in collector.came
    ]
    assert who[0] == who[1]
    assert who[0]["service.name"] == "limen"
    assert who[0]["service.instance.id"].endswith(f"@{socket.gethostname()}")


def test_headers_are_read_at_each_push_and_told_to_nobody_else(
    used: Scene, collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "headers"
    used.app.settings = replace(used.app.settings, otlp_headers_file=file)
    with pytest.raises(Unpushed, match="LIMEN_OTLP_HEADERS_FILE cannot be read"):
        Pusher()(used.app)
    file.write_text(f"# whose\nAuthorization: {WORD}\n\nX-Scope-OrgID:acme\r\n")
    push = Pusher()
    push(used.app)
    assert collector.headers[-1]["authorization"] == WORD
    assert collector.headers[-1]["x-scope-orgid"] == "acme"
    assert collector.headers[-1]["content-type"] == "application/x-protobuf"
    assert collector.paths == ["/v1/metrics"]
    file.write_text("Authorization: another\n")
    push(used.app)
    assert collector.headers[-1]["authorization"] == "another"
    for wrong in (f"Authorization {WORD}", f"Authorization: {WORD}\x00", f"A b: {WORD}"):
        file.write_text(wrong)
        with pytest.raises(Unpushed, match="line 1 is no header") as caught:
            push(used.app)
        assert "canary" not in str(caught.value)
    file.write_text(f"Authorization: {WORD}")
    collector.status = 401
    with caplog.at_level(logging.DEBUG), pytest.raises(Unpushed, match="answered 401") as refused:
        push(used.app)
    assert "canary" not in caplog.text + str(refused.value)


def test_no_redirect_is_followed(used: Scene, collector: Collector, tmp_path: Path) -> None:
    """Whoever answers for the collector does not get to say where a token is sent."""
    file = tmp_path / "headers"
    file.write_text(f"Authorization: {WORD}")
    used.app.settings = replace(used.app.settings, otlp_headers_file=file)
    collector.status = 302
    with pytest.raises(Unpushed, match="answered 302"):
        Pusher()(used.app)
    assert collector.paths == ["/v1/metrics"]


def test_over_tls_the_collector_has_to_be_who_it_says(
    used: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    safe = Collector(context)
    used.app.settings = replace(used.app.settings, otlp_endpoint=f"https://localhost:{safe.port}")
    try:
        with pytest.raises(Unpushed, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
            Pusher()(used.app)
        assert safe.came == []
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        Pusher()(used.app)
        assert len(safe.came) == 1
        used.app.settings = replace(used.app.settings, otlp_endpoint=f"https://127.0.0.1:{safe.port}")
        with pytest.raises(Unpushed, match=r"127\.0\.0\.1"):
            Pusher()(used.app)
    finally:
        safe.close()


def test_a_path_that_is_whole_already_stays(used: Scene, collector: Collector) -> None:
    used.app.settings = replace(used.app.settings, otlp_endpoint=f"http://127.0.0.1:{collector.port}/api/v1/metrics")
    Pusher()(used.app)
    assert collector.paths == ["/api/v1/metrics"]


def test_what_a_collector_refuses_in_part_is_a_failure_and_failures_are_counted(
    used: Scene, collector: Collector
) -> None:
    push = Pusher()
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 3
    answer.partial_success.error_message = "too old\x1b[2J"
    collector.answer = answer.SerializeToString()
    with pytest.raises(Unpushed, match=r"refused 3 of the numbers: too old\[2J$"):
        push(used.app)
    collector.status = 503
    with pytest.raises(Unpushed, match="answered 503"):
        push(used.app)
    collector.status, collector.answer = 200, b""
    push(used.app)
    assert _number(collector.told()["limen_pushes_failed_total", ()]) == 2
    with used.down(), pytest.raises(StoreDown):
        push(used.app)
    assert push.failed == 3


def test_a_collector_that_is_gone_is_told_of_once_and_holds_nobody_up(
    used: Scene, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.close()
    done: list[float] = []
    push = Pusher()
    app = used.app
    app.settings = replace(app.settings, drain_ms=10)
    rota = (Chore("metrics", 0.4, push, beside=True), Chore("other", 0, lambda app: done.append(time.monotonic())))
    said: list[str] = []
    with caplog.at_level(logging.INFO), pytest.MonkeyPatch.context() as patch:
        patch.setattr("limen.drain.rounds.Rota", lambda: Rota(rota))
        drainer = Drainer(app)
        while push.failed < 3:
            said.append(drainer.failure)
            time.sleep(0.01)
        drainer.stop()
    assert len(done) >= 5
    assert {word for word in said if word} == {
        f"metrics: http://127.0.0.1:{collector.port}/v1/metrics: Connection refused"
    }
    assert caplog.records == [], "it is no fault of ours"


def test_a_collector_that_does_not_answer_holds_nobody_up(
    used: Scene, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limen.drain.otlp.TIMEOUT_S", 0.5)
    monkeypatch.setattr("limen.drain.chores.LAST_S", 0.2)
    collector.wait_s = 1.0
    done: list[int] = []
    rota = Rota((Chore("metrics", 0, Pusher(), beside=True), Chore("other", 0, lambda app: done.append(1))))
    began = time.monotonic()
    said = [str(work(used.app, rota)) for _ in range(3)]
    assert time.monotonic() - began < 0.45
    assert (len(done), said[-1]) == (3, "metrics: it is still at it since its last turn")
    began = time.monotonic()
    rota.finish()
    assert 0.15 < time.monotonic() - began < 0.4
    _until(lambda: "no answer within" in str(rota.failures["metrics"]))
    collector.wait_s = 0.0
    work(used.app, rota)
    _until(lambda: rota.failures == {})


def test_without_an_endpoint_nothing_is_sent_and_nothing_loaded(
    used: Scene, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith("opentelemetry.proto.metrics"):
            monkeypatch.setitem(sys.modules, name, None)  # whoever imports it fails
    used.app.settings = replace(used.app.settings, otlp_endpoint="")
    assert work(used.app).failures == {}
    assert collector.came == []
    used.app.settings = replace(used.app.settings, otlp_endpoint=f"http://127.0.0.1:{collector.port}")
    with pytest.raises(Unpushed, match=r"LIMEN_OTLP_ENDPOINT needs a package: pip install 'limen\[otel\]'"):
        Pusher()(used.app)


def test_an_endpoint_with_a_password_in_it_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="LIMEN_OTLP_ENDPOINT") as caught:
        read_settings({"LIMEN_OTLP_ENDPOINT": "https://me:canary@otlp.example.com"}, tmp_path)
    assert "canary" not in str(caught.value)
