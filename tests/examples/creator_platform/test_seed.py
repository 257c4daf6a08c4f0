"""The made-up data: the same for the same seed, of the size promised, and consistent in itself."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from examples.creator_platform import seed as command
from examples.creator_platform.generator import SIZES
from examples.creator_platform.seed import NotEmpty, seed
from examples.creator_platform.store import Store

Ask = Callable[..., list[tuple[Any, ...]]]


def dump(path: Path, size: str, number: int) -> str:
    """Everything in a new database of seed *number*, as SQL."""
    store = Store(f"sqlite:///{path}")
    seed(store, SIZES[size], number)
    store.close()
    with closing(sqlite3.connect(path)) as conn:
        return "\n".join(conn.iterdump())


def test_the_same_seed_makes_the_same_data_and_another_other_data(tmp_path: Path) -> None:
    first = dump(tmp_path / "first.db", "tiny", 7)
    assert dump(tmp_path / "again.db", "tiny", 7) == first
    assert dump(tmp_path / "other.db", "tiny", 8) != first


def test_the_small_size_is_made_in_seconds(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'small.db'}")
    started = time.process_time()
    made = seed(store, SIZES["small"], 7)
    assert time.process_time() - started < 10
    store.close()
    assert (made.users, made.chats, made.messages) == (500, 1_000, 20_000)
    with closing(sqlite3.connect(tmp_path / "small.db")) as conn:
        most = "SELECT max(n) FROM (SELECT count(*) AS n FROM chat_sides GROUP BY user_uuid)"
        assert conn.execute(most).fetchone()[0] > 50, "someone needs more than one page of the largest size"
        (chats,) = conn.execute("SELECT count(*) FROM chat_sides WHERE user_uuid = ?", (made.first_user,)).fetchone()
        assert chats > 50
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []


def test_what_is_counted_is_what_is_there(seen: Ask) -> None:
    wrong = seen(
        "SELECT * FROM chat_sides AS side WHERE"
        " unread_count <> (SELECT count(*) FROM messages AS m WHERE m.chat_id = side.chat_id"
        "  AND m.sender_uuid = side.peer_uuid AND NOT m.is_read)"
        " OR last_message_id IS DISTINCT FROM (SELECT id FROM messages AS m WHERE m.chat_id = side.chat_id"
        "  ORDER BY sent_at DESC, id DESC LIMIT 1)"
        " OR last_message_at <> (SELECT coalesce(max(sent_at), 0) FROM messages AS m WHERE m.chat_id = side.chat_id)"
        " OR awaits_answer <> (peer_uuid IN (SELECT sender_uuid FROM messages WHERE id = side.last_message_id))"
        " OR peer_is_online <> (SELECT is_online FROM users WHERE uuid = peer_uuid)"
        " OR agency_uuid IS DISTINCT FROM (SELECT agency_uuid FROM agency_creators WHERE creator_uuid = user_uuid)"
    )
    assert wrong == []
    assert seen("SELECT count(*), count(DISTINCT chat_id) FROM chat_sides") == [(100, 50)]
    early = "SELECT 1 FROM messages JOIN chats ON chats.id = chat_id WHERE sent_at < created_at"
    assert seen(early) == []
    ends = "SELECT user_uuid FROM chat_sides WHERE chat_id = m.chat_id"
    assert seen(f"SELECT 1 FROM messages AS m WHERE sender_uuid NOT IN ({ends})") == []


def test_what_is_summed_up_of_a_fan_is_what_was_paid(seen: Ask) -> None:
    wrong = seen(
        "SELECT * FROM fans AS fan LEFT JOIN (SELECT creator_uuid, fan_uuid, sum(gross) AS gross, sum(net) AS net,"
        "  max(gross) AS most, max(at) AS last_at, sum(CASE source WHEN 'tip' THEN gross ELSE 0 END) AS tips,"
        "  sum(CASE source WHEN 'message' THEN 1 ELSE 0 END) AS bought FROM earnings GROUP BY 1, 2) AS paid"
        " ON paid.creator_uuid = fan.creator_uuid AND paid.fan_uuid = fan.fan_uuid WHERE"
        " spent_gross <> coalesce(gross, 0) OR spent_net <> coalesce(net, 0)"
        " OR last_purchase_at IS DISTINCT FROM last_at"
        " OR max_payment_gross <> coalesce(most, 0) OR tipped_gross <> coalesce(tips, 0)"
        " OR messages_bought <> coalesce(bought, 0)"
    )
    assert wrong == []
    running = "SELECT count(*) FROM subscriptions WHERE ended_at IS NULL"
    assert seen("SELECT count(*) FROM fans WHERE is_subscribed") == seen(running) != [(0,)]
    assert seen("SELECT sum(subscribers_count) FROM creators") == seen(running)
    last = (
        "SELECT max(started_at) FROM subscriptions AS s"
        " WHERE (s.creator_uuid, s.fan_uuid) = (f.creator_uuid, f.fan_uuid)"
    )
    assert seen(f"SELECT * FROM fans AS f WHERE subscribed_at IS DISTINCT FROM ({last})") == []
    assert (
        seen("SELECT * FROM earnings JOIN messages ON uuid = message_uuid WHERE gross <> price OR at <> purchased_at")
        == []
    )


def test_an_agency_has_an_admin_creators_and_somebody_who_reaches_some_of_them(seen: Ask) -> None:
    assert len(seen("SELECT uuid FROM agencies")) == 2
    assert seen("SELECT count(*) FROM agency_members WHERE is_admin GROUP BY agency_uuid") == [(1,), (1,)]
    across = (
        "SELECT 1 FROM creator_access JOIN agency_members AS m ON m.user_uuid = member_uuid"
        " JOIN agency_creators AS c USING (creator_uuid) WHERE m.agency_uuid <> c.agency_uuid"
    )
    assert seen(across) == []
    assert seen("SELECT count(*) > 0 FROM creator_access")[0][0]


def test_nobody_in_it_could_be_a_person(seen: Ask) -> None:
    for email, avatar in seen("SELECT email, avatar_url FROM users"):
        assert email.endswith("@example.test")
        assert avatar is None or avatar.startswith("https://media.example.test/")


def test_a_database_with_data_is_left_alone(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'once.db'}")
    seed(store, SIZES["tiny"], 7)
    with pytest.raises(NotEmpty):
        seed(store, SIZES["tiny"], 8)
    store.close()


def test_a_seed_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "half.db"
    store = Store(f"sqlite:///{path}")

    def fail(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(store, SIZES["tiny"], 7, fail)
    store.close()
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("SELECT count(*) FROM users").fetchone() == (0,)


def test_the_command_writes_once_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--database", f"sqlite:///{tmp_path / 'told.db'}", "--size", "tiny", "--seed", "7"]
    assert command.main(arguments) == 0
    told = capsys.readouterr()
    assert told.out.startswith("40 users, 50 chats, 1,000 messages, ")
    assert told.err == ""
    assert command.main(arguments) == 1
    assert "holds data already" in capsys.readouterr().err


def test_on_a_terminal_the_command_shows_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert command.main(["--database", f"sqlite:///{tmp_path / 'bar.db'}", "--size", "tiny"]) == 0
    assert capsys.readouterr().err.endswith("50 of 50 chats\n")


@pytest.mark.parametrize("url", ["sqlite://", "mysql://user:hidden@host/db", "creator.db"])
def test_the_command_refuses_what_is_no_database_of_ours(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--database", url])
    assert stopped.value.code == 2
    assert "hidden" not in capsys.readouterr().err
