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
    started = time.monotonic()
    made = seed(store, SIZES["small"], 7)
    assert time.monotonic() - started < 20
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
        " OR last_message_id IS NOT (SELECT id FROM messages AS m WHERE m.chat_id = side.chat_id"
        "  ORDER BY sent_at DESC, id DESC LIMIT 1)"
        " OR last_message_at IS NOT (SELECT max(sent_at) FROM messages AS m WHERE m.chat_id = side.chat_id)"
    )
    assert wrong == []
    assert seen("SELECT count(*), count(DISTINCT chat_id) FROM chat_sides") == [(100, 50)]
    early = "SELECT 1 FROM messages JOIN chats ON chats.id = chat_id WHERE sent_at < created_at"
    assert seen(early) == []
    ends = "SELECT user_uuid FROM chat_sides WHERE chat_id = m.chat_id"
    assert seen(f"SELECT 1 FROM messages AS m WHERE sender_uuid NOT IN ({ends})") == []


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
    assert told.out.startswith("40 users, 50 chats, 1,000 messages.")
    assert told.err == ""
    assert command.main(arguments) == 1
    assert "holds data already" in capsys.readouterr().err


def test_on_a_terminal_the_command_shows_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert command.main(["--database", f"sqlite:///{tmp_path / 'bar.db'}", "--size", "tiny"]) == 0
    assert capsys.readouterr().err.endswith("50 of 50 chats\n")


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://user:hidden@host/db", "creator.db"])
def test_the_command_refuses_what_is_no_sqlite_file(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--database", url])
    assert stopped.value.code == 2
    assert "hidden" not in capsys.readouterr().err
