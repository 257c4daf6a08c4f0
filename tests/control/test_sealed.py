"""Secrets that are kept to be used again: sealed under a pepper, sealed anew under the next, and nobody else's."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from limen.control import channels, owners, peppers
from limen.control.channels import NewChannel
from limen.core.schemes import Keyring
from limen.db import tables
from limen.db.sealed import read_token, seal, unseal, write_token

if TYPE_CHECKING:
    from tests.control.desk import Desk

RING = Keyring({1: b"1" * 32, 2: b"2" * 32}, {"locator": b"l" * 32})


@pytest.mark.check("C108")
def test_what_is_sealed_opens_under_its_pepper_for_its_channel_alone() -> None:
    sealed = seal(RING, 1, "whsec_x", of="a", entropy=secrets.token_bytes)
    assert unseal(RING, 1, sealed, of="a") == "whsec_x"
    assert seal(RING, 1, "whsec_x", of="a", entropy=secrets.token_bytes) != sealed
    for pepper, text, of in ((2, sealed, "a"), (1, sealed, "b"), (1, sealed[:-1], "a"), (1, b"", "a")):
        with pytest.raises(ValueError, match=r"sealed|Nonce"):
            unseal(RING, pepper, text, of=of)
    with pytest.raises(LookupError):
        unseal(RING, 3, sealed, of="a")


def test_a_token_is_for_its_purpose_and_channel() -> None:
    token = write_token(RING, "mute", "0123456789Ab")
    assert read_token(RING, "mute", token) == "0123456789Ab"
    other = Keyring({}, {"locator": b"o" * 32})
    for ring, purpose, text in (
        (RING, "confirm", token),
        (other, "mute", token),
        (RING, "mute", token.replace("A", "B", 1)),
        (RING, "mute", token + "é"),
        (RING, "mute", ""),
        (RING, "mute", "." * 1_000),
    ):
        assert read_token(ring, purpose, text) is None


@pytest.mark.check("C108")
def test_a_pepper_goes_once_no_secret_is_sealed_under_it(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user", "Somebody", "u-1"))
    added = desk.act(channels.add, NewChannel("u-1", "webhook", "https://example.com/"))
    path = desk.app.settings.pepper_path
    newest = desk.act(peppers.add, path)
    assert "webhooks" in desk.refused("pepper_needed", peppers.retire, path, newest - 1)
    assert desk.ask(channels.outdated, newest)
    assert desk.act(channels.reseal) == 0
    assert not desk.ask(channels.outdated, newest)
    (row,) = desk.rows("select sealed, pepper from channels")
    assert row[1] == newest
    assert unseal(desk.app.ring.keyring, newest, bytes(row[0]), of=added.channel.channel) == added.secret
    desk.act(peppers.retire, path, newest - 1)


def test_a_secret_that_cannot_be_read_stands_in_the_way_of_no_other(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user", "Somebody", "u-1"))
    made = [desk.act(channels.add, NewChannel("u-1", "webhook", f"https://example.com/{n}")) for n in range(3)]
    broken = made[1].channel.channel
    with desk.app.store.engine.begin() as connection:
        connection.execute(update(tables.channels).where(tables.channels.c.channel == broken).values(sealed=b"else"))
    newest = desk.act(peppers.add, desk.app.settings.pepper_path)
    assert desk.act(channels.reseal) == 1
    held = dict(desk.rows("select channel, pepper from channels"))
    assert {channel for channel, pepper in held.items() if pepper == newest} == held.keys() - {broken}
    assert broken in desk.refused("pepper_wrong", channels.reseal)
