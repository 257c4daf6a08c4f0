"""Counting in Valkey: on servers of every kind, emptied and replaced ones too, and without a word of its password."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import Any

import pytest
import redis
import trustme

from limen.cli.doctor.counters import counters
from limen.cli.doctor.finding import FAIL, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.cluster.barrier import boottime
from limen.cluster.valkey import ValkeyWindows
from limen.cluster.valkey_link import Link
from limen.core.limits import Limit
from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Claim, Return
from limen.settings import Settings
from tests.faults.processes import wait_until
from tools.servers.postgres import free_port
from tools.servers.valkey import Valkey

LIMIT = Limit("allowance", 3, 1)
ROOT = Path(__file__).parents[2]
WIDE = Limit("allowance", 1_000, 60)


class Eras:
    """What the database remembers: the first era of each API."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def __call__(self, api: str, era: str) -> str:
        """The era that is kept."""
        return self.kept.setdefault(api, era)


@contextmanager
def _running(*arguments: str) -> Iterator[Valkey]:
    server = Valkey(*arguments)
    try:
        yield server.start()
    finally:
        server.remove()


@contextmanager
def _counting(url: str, api: str = "", eras: Eras | None = None) -> Iterator[ValkeyWindows]:
    link = Link(url)
    try:
        yield ValkeyWindows(link, api or token_hex(8), eras or Eras())
    finally:
        link.close()


def _take(authority: ValkeyWindows, limit: Limit = LIMIT, whose: bytes = b"a") -> Answer:
    return authority.decide([(Claim(limit, whose),)])[0]


def _full(authority: ValkeyWindows, limit: Limit = LIMIT) -> None:
    """Everything is taken, and was not before."""
    assert [_take(authority, limit).granted for _ in range(limit.count + 1)] == [True] * limit.count + [False]


def _refuses(authority: ValkeyWindows, *, more_s: float = 0.1) -> float:
    """Windows count as full, and for no longer than they could have been open and *more_s*; for how long."""
    refused = _take(authority)
    assert not refused.granted
    assert refused.grants[0].free == 0
    assert 0 < refused.grants[0].ends_in <= LIMIT.window_s + more_s
    assert not _take(authority, whose=b"somebody else").granted, "who had a window is not known"
    assert 50 < _take(authority, WIDE).grants[0].ends_in < 61 + more_s
    return refused.grants[0].ends_in


def test_a_server_that_nothing_was_counted_by_has_room_at_once(valkey: Valkey) -> None:
    with _counting(valkey.url) as authority:
        _full(authority)


@pytest.mark.parametrize("how", ["flushall", "clock", "windows", "restart"])
def test_what_is_lost_counts_as_full_until_it_would_have_ended(how: str) -> None:
    with _running() as server, _counting(server.url, "creator") as authority, redis.Redis.from_url(server.url) as hand:
        _full(authority)
        _take(authority, WIDE)
        if how == "restart":
            server.stop()
            server.start()
        elif how == "flushall":
            hand.flushall()
        else:
            hand.delete(*(["limen:{creator}:clock"] if how == "clock" else ["limen:{creator}:0", "limen:{creator}:1"]))
        time.sleep(_refuses(authority) + 0.01)
        _full(authority)
        assert not _take(authority, WIDE).granted


def test_a_replica_that_takes_over_may_have_missed_something() -> None:
    """It has all that it had been told, and nobody knows what it had not."""
    eras = Eras()
    with _running() as first, _running() as second, redis.Redis.from_url(second.url) as hand:
        with _counting(first.url, "creator", eras) as authority:
            _full(authority)
        hand.replicaof("127.0.0.1", str(first.port))
        deadline = time.monotonic() + 20
        while not hand.exists("limen:{creator}:clock"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with _counting(second.url, "creator", eras) as authority, pytest.raises(AuthorityBusy, match="replica"):
            _take(authority)
        first.stop()
        hand.replicaof("NO", "ONE")
        with _counting(second.url, "creator", eras) as authority:
            _refuses(authority, more_s=60)  # it has just come, too, and knows no better


def test_in_cluster_mode_all_keys_of_a_request_lie_in_one_slot() -> None:
    with _running(*_clustered()) as server, redis.Redis(port=server.port) as client:
        hand: Any = client
        hand.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        _formed(hand)
        with _counting(f"redis://127.0.0.1:{server.port}", "creator") as authority:
            _full(authority)
            several = (Claim(WIDE, b"an owner"), Claim(Limit("emergency", 9, 60), b""), Claim(Limit("x", 9, 9), b"key"))
            answer = authority.decide([several])[0]
            assert (answer.granted, [grant.free for grant in answer.grants]) == (True, [999, 8, 8])


def _clustered(bus: int = 0) -> tuple[str, ...]:
    """What makes a server one of a cluster; the port by which they talk to one another lies anywhere."""
    return "--cluster-enabled", "yes", "--cluster-port", str(bus or free_port())


def _formed(hand: Any) -> None:
    deadline = time.monotonic() + 30
    while "cluster_state:ok" not in str(hand.execute_command("CLUSTER", "INFO")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_of_a_cluster_that_does_not_hold_the_keys_says_who_does() -> None:
    bus = free_port()
    with ExitStack() as stack:
        one = stack.enter_context(_running(*_clustered()))
        other = stack.enter_context(_running(*_clustered(bus)))
        hand: Any = stack.enter_context(redis.Redis(port=one.port))
        second: Any = stack.enter_context(redis.Redis(port=other.port))
        second.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        hand.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        _formed(hand)
        _formed(second)
        authority = stack.enter_context(_counting(f"redis://127.0.0.1:{one.port}"))
        _full(authority)
        assert second.dbsize() == 3
        assert hand.dbsize() == 0


@pytest.mark.parametrize("rule", ["-function|load", "-fcall -function"])
def test_where_functions_may_not_be_loaded_a_script_does(rule: str) -> None:
    with _running() as server, redis.Redis.from_url(server.url) as client:
        hand: Any = client
        hand.execute_command("ACL", "SETUSER", "plain", "on", ">word", "~*", "+@all", *rule.split())
        with _counting(f"redis://plain:word@127.0.0.1:{server.port}/0") as authority:
            _full(authority)
            hand.execute_command("SCRIPT", "FLUSH")
            assert not _take(authority).granted, "it is loaded anew, and nothing is forgotten"


def test_functions_that_are_gone_are_loaded_again(valkey: Valkey) -> None:
    with _counting(valkey.url) as authority, redis.Redis.from_url(valkey.url) as hand:
        _full(authority)
        hand.function_flush()
        assert not _take(authority).granted


def test_a_user_needs_no_more_rights_than_the_guide_says() -> None:
    rights = "+fcall +function|load +info +ping +time +@hash +@keyspace ~limen:*"
    assert rights.replace("|", "\\|") in (ROOT / "docs/how-to/limits-across-hosts.md").read_text("utf-8")
    with _running() as server, redis.Redis.from_url(server.url) as client:
        hand: Any = client
        hand.execute_command("ACL", "SETUSER", "limen", "reset", "on", ">word", *rights.split())
        with _counting(f"redis://limen:word@127.0.0.1:{server.port}/0") as authority:
            _full(authority)


class _Tls(Thread):
    """What ends TLS in front of a server, which was built without."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self._port, self._context = port, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        """Let every connection through, one after the other."""
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), ExitStack() as stack:
                far = stack.enter_context(socket.create_connection(("127.0.0.1", self._port)))
                self._between(stack.enter_context(self._context.wrap_socket(plain, server_side=True)), far)

    def _between(self, near: ssl.SSLSocket, far: socket.socket) -> None:
        while True:
            ready = [near] if near.pending() else select.select([near, far], [], [], 10)[0]
            for each in ready:
                received = each.recv(65_536)
                if not received:
                    return
                (far if each is near else near).sendall(received)

    def close(self) -> None:
        """No more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(10)


def test_with_tls_a_server_is_believed_by_its_certificate_alone(valkey: Valkey, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    relay = _Tls(valkey.port, context)
    relay.start()
    try:
        url = f"rediss://127.0.0.1:{relay.port}/0"
        with _counting(url) as stranger, pytest.raises(AuthorityBusy, match="certificate"):
            _take(stranger)
        with _counting(f"{url}?ssl_ca_certs={tmp_path}/ca.pem") as trusting:
            _full(trusting)
    finally:
        relay.close()


# What doctor says of it.


def _said(url: str) -> Finding:
    settings = Settings(database_url="postgresql://limen@127.0.0.1/limen", valkey_url=url)
    (found,) = counters(Ward(settings))
    return found


def test_doctor_says_what_counts_and_whether_it_can_be_relied_upon() -> None:
    assert _said("").found == "PostgreSQL counts every window."
    gone = _said("redis://:secret-1024@127.0.0.1:1/0")
    assert gone.state == FAIL
    assert "secret-1024" not in f"{gone}"
    with _running() as server, redis.Redis.from_url(server.url) as hand:
        assert re.fullmatch(r"Valkey \d+\.\d+\.\d+ answers in \d+\.\d ms\.", _said(server.url).found)
        hand.config_set("maxmemory-policy", "allkeys-lru")
        assert (_said(server.url).state, "noeviction" in _said(server.url).advice) == (WARN, True)
        hand.config_set("maxmemory-policy", "noeviction")
        with _running("--replicaof", f"127.0.0.1 {server.port}"):
            wait_until(lambda: hand.info("replication")["connected_slaves"] == 1, "its replica")
            assert "min-replicas-to-write" in _said(server.url).advice
            hand.config_set("min-replicas-to-write", "1")
            assert "min-replicas-to-write" not in _said(server.url).advice


@pytest.mark.check("C020")
def test_the_password_is_in_no_error() -> None:
    with _running() as server:
        with redis.Redis.from_url(server.url) as hand:
            hand.config_set("requirepass", "right-word-1024")
        with _counting(f"redis://:right-word-1024@127.0.0.1:{server.port}/0") as authority:
            _full(authority)
        for address in (f"127.0.0.1:{server.port}", "127.0.0.1:1"):
            with (
                _counting(f"redis://:wrong-word-4096@{address}/0") as authority,
                pytest.raises(AuthorityBusy) as refusal,
            ):
                _take(authority)
            cause: BaseException | None = refusal.value
            while cause is not None:
                assert "word-4096" not in repr(cause) + str(cause)
                cause = cause.__cause__ or cause.__context__


def test_a_server_that_stands_still_is_waited_for_half_a_second() -> None:
    with _running() as server, _counting(server.url) as authority:
        _full(authority)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            began = boottime()
            with pytest.raises(AuthorityGone) as gone:
                _take(authority)
            assert not isinstance(gone.value, AuthorityBusy), "it may have counted, and not have said so"
            assert 0.4 < boottime() - began < 2.0
            with pytest.raises(AuthorityBusy):
                _take(authority)
            assert boottime() - began < 2.5, "whoever comes next is told at once"
        finally:
            os.kill(server.pid, signal.SIGCONT)
        time.sleep(1.0)
        _full(authority)


def test_a_server_that_is_full_counts_nothing_rather_than_forget() -> None:
    with _running() as server, redis.Redis.from_url(server.url) as hand, _counting(server.url) as authority:
        assert _take(authority, WIDE).granted
        hand.config_set("maxmemory", "1")
        with pytest.raises(AuthorityBusy):
            _take(authority, WIDE)
        hand.config_set("maxmemory", "0")
        time.sleep(0.25)
        assert _take(authority, WIDE).grants[0].free == 998


def test_a_batch_of_any_size_is_one_pipeline_and_what_is_given_back_is_so_once(valkey: Valkey) -> None:
    with _counting(valkey.url) as authority, redis.Redis.from_url(valkey.url) as hand:
        grant = _take(authority, WIDE).grants[0]
        hand.config_resetstat()
        answers = authority.decide([(Claim(WIDE, b"a"),)] * 400, [Return(WIDE, b"a", grant.opened, 1)])
        assert [answer.grants[0].free for answer in answers] == list(range(999, 599, -1))
        said: Any = hand.info("commandstats")
        assert said["cmdstat_fcall"]["calls"] == 4


def test_windows_that_ended_are_dropped_with_their_generation(valkey: Valkey) -> None:
    link, api = Link(valkey.url), token_hex(8)
    short = Limit("allowance", 3, 1)
    authority = ValkeyWindows(link, api, Eras(), longest_s=1)
    with redis.Redis.from_url(valkey.url) as hand:
        for _ in range(3):
            authority.decide([(Claim(short, token_hex(4).encode()),) for _ in range(100)])
            time.sleep(1.05)
        authority.decide([(Claim(short, b"a"),)])
        kept = sum(int(str(hand.hlen(f"limen:{{{api}}}:{part}"))) for part in "01")
        assert kept <= 100 + 1 + 2
        assert sorted(hand.keys(f"limen:{{{api}}}:*")) == [
            f"limen:{{{api}}}:{part}".encode() for part in ("0", "1", "clock")
        ]
    link.close()
