"""The store: one transaction a block, tables made once, only what works."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from examples.creator_platform.store import Store

START = "import sys; from examples.creator_platform.store import Store; print(flush=True); input(); Store(sys.argv[1])"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "creator.db"])
def test_a_database_that_is_none_of_ours_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the database must be a"):
        Store(url)


def test_processes_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    command, pipe = [sys.executable, "-c", START, url], subprocess.PIPE
    starts = [subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(4)]
    for start in starts:
        assert start.stdout is not None
        start.stdout.readline()  # it has imported everything, and waits for our line
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
    errors = [start.communicate(timeout=60)[1] for start in starts]
    assert [start.returncode for start in starts] == [0] * 4, errors


def add_chat_and_fail(store: Store) -> None:
    with store.write() as conn:
        conn.exec_driver_sql("INSERT INTO chats (created_at) VALUES (0)")
        raise ZeroDivisionError


def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'one.db'}")
    with pytest.raises(ZeroDivisionError):
        add_chat_and_fail(store)
    with store.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM chats").scalar_one() == 0
    store.close()


def add_side_of_nobody(store: Store) -> None:
    with store.write() as conn:
        conn.exec_driver_sql("INSERT INTO chats (id, created_at) VALUES (1, 0)")
        conn.exec_driver_sql(
            "INSERT INTO chat_sides (user_uuid, peer_uuid, chat_id, last_message_at, unread_count, awaits_answer,"
            " is_muted, peer_is_online)"
            " VALUES ('nobody', 'noone', 1, 0, 0, FALSE, FALSE, FALSE)"
        )


def test_a_side_without_its_people_is_refused(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'keys.db'}")
    with pytest.raises(IntegrityError):
        add_side_of_nobody(store)
    store.close()
