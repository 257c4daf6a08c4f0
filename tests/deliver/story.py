"""Everything that an owner can be told of, happening to one: for whoever looks at what is sent of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from limen.control import alerts, channels, delivery, expiry, imports, keys, leaks, members, owners, recording, terms
from limen.control.channels import NewChannel
from limen.control.requests import Wish, ask, grant, refuse, reveal, withdraw
from limen.core.limits import Limit
from limen.core.people import Role
from limen.core.usage import Decided, Outcome
from tests.deliver.conftest import LOOPBACK

if TYPE_CHECKING:
    from limen.control.keys import Issued
    from tests.deliver.conftest import Office

VERSION = "2025-06-26"
FOREIGN = {"prefix": "old_", "length": "20", "hash": "sha256", "class": "secret", "environment": "live"}
PROFILE = {"keys__max_active_per_owner": "unlimited", "versioning__missing": "pin", "keys__foreign": [FOREIGN]}
"""What the profile of ``creator`` has to say so that all of it can happen."""


@dataclass
class Story:
    """One user and one organisation, called *word* whatever else they are, who want to be told of everything."""

    office: Office
    word: str
    hook: str
    """Where their endpoint is."""
    secrets: set[str] = field(default_factory=set)
    """What nobody is told again: keys, secrets of endpoints, tokens."""
    _number: int = 0

    def __post_init__(self) -> None:
        self.user, self.firm, self.friend = f"u-{self.word}", f"o-{self.word}", f"f-{self.word}"

    def do(self, verb: Any, *args: Any, **more: Any) -> Any:
        """What *verb* comes to."""
        return self.office.act(verb, *args, **more)

    def key(self, owner: str = "", api: str = "creator", **more: Any) -> Issued:
        """A new key."""
        scopes = ("read:self", "read:chat") if api == "creator" else None
        name = f"key of {self.word}"
        issued: Issued = self.do(keys.issue, keys.NewKey(api, owner or self.user, name=name, scopes=scopes, **more))
        self.secrets.add(issued.text)
        return issued

    def begin(self) -> None:
        """They are there, and have addresses; one is asked whether it is theirs."""
        for kind, owner in (("user", self.user), ("user", self.friend), ("organisation", self.firm)):
            self.do(owners.create, owners.NewOwner(kind, f"Name of {self.word}", owner))
        self.do(owners.allow, self.user, "creator")
        for owner, api in ((self.user, "creator"), (self.firm, "")):
            self.add(owner, "webhook", f"{self.hook}/{owner}", api)
            mail = self.add(owner, "email", f"{owner}@example.com", "")
            self.office.send()
            self.do(channels.confirm, mail)

    def add(self, owner: str, kind: str, address: str, api: str) -> str:
        """A channel for all events."""
        new = NewChannel(owner, kind, address, api, ("*",))
        added = self.do(channels.add, new, allowed=LOOPBACK)
        self.secrets |= {added.secret} - {""}
        return str(added.channel.channel)

    def of_keys(self) -> None:
        """What happens to keys."""
        first = self.key()
        self.secrets.add(self.do(keys.regenerate, first.key.key).text)
        asleep = self.key().key.key
        self.do(keys.deactivate, asleep)
        self.do(keys.reactivate, asleep)
        self.do(terms.set_limits, asleep, limits=(Limit("allowance", 5, 60),))
        self.do(terms.pin, asleep, version=VERSION)
        self.do(keys.set_expiry, asleep, expires_at=self.office.now + 60)
        self.do(keys.revoke, self.key().key.key, reason=f"a reason of {self.word}")
        self.do(keys.delete, self.key().key.key)
        leak = leaks.Leak(self.key().key.key, f"https://example.com/{self.word}")
        self.do(leaks.report, [leak], source="a scanner")
        old = hashlib.sha256(self.word.encode())
        self.secrets.add(old.hexdigest())
        entry = imports.Entry(1, self.user, scopes=("read:self",), hash="sha256", hashed=old.digest())
        self.do(imports.bring, imports.Import("creator"), [entry])
        self.used(self.key(), 30, code="limit_exceeded")
        self.office.now += 61
        self.do(expiry.mark)

    def used(self, key: Issued, count: int, *, code: str = "ok", status: int = 0) -> None:
        """The key was used."""
        entries: list[Any] = []
        at, path = self.office.now - 30, f"/chats/{self.word}"
        for _ in range(count):
            self._number += 1
            entries.append(Decided(self._number, at, key.key.key.encode(), code, "GET", "listChats", VERSION, path))
            entries += [Outcome(hash(self.word) % 10**6, self._number, status, at)] if status else []
        of = {"api": "creator", "incarnation": hash(self.word) % 10**6, "entries": entries}
        self.do(recording.record, f"{self.word}-{self._number}.seg", 64, **of)

    def of_requests(self) -> None:
        """What becomes of wishes."""
        wish = Wish("creator", self.user, f"wish of {self.word}", {"read:self": f"For {self.word}."}, "Tests.")
        granted, refused, withdrawn = [self.do(ask, wish).request for _ in range(3)]
        self.do(grant, granted, scopes=("read:self",))
        self.secrets.add(self.do(reveal, granted).text)
        self.do(refuse, refused, reason=f"{self.word} may not")
        self.do(withdraw, withdrawn)

    def of_people(self) -> None:
        """Who comes and goes."""
        for user in (self.user, self.friend):
            invited = self.do(members.invite, self.firm, email=f"{user}@example.com", role=Role.OWNER)
            self.secrets.add(invited.token)
            self.do(members.accept, invited.token, member=user)
        self.do(members.set_role, self.firm, self.friend, role=Role.ADMIN)
        invited = self.do(members.invite, self.firm, email=f"new-{self.word}@example.com", role=Role.ADMIN)
        self.secrets.add(invited.token)
        self.do(members.withdraw, self.firm, invited.invitation.invitation)
        self.do(members.remove, self.firm, self.friend)

    def of_owners(self) -> None:
        """What staff do."""
        self.do(owners.set_plan, self.user, "creator", plan="", limits=(Limit("allowance", 9_000, 60),))
        self.do(owners.disallow, self.user, "creator")
        self.do(owners.allow, self.user, "creator")
        self.do(owners.suspend, self.user, reason=f"{self.word} spams")
        self.do(owners.restore, self.user)

    def of_alerts(self) -> None:
        """What is found in what their keys do."""
        self.office.now += 86_400  # some rules have their turn once a day
        self.used(self.key(), 60, status=500)
        for _ in range(4):
            self.key(self.firm, "organisation", expires_at=self.office.now + 86_400)
        self.look()
        found = self.office.ask(alerts.listed, owner=self.firm)
        self.do(alerts.acknowledge, found[0].alert)
        self.do(alerts.mute, found[1].alert, until=self.office.now + 60)
        self.do(alerts.set_rule, "unused_key", owner=self.user, numbers={})
        for _ in range(3):
            self.office.now += 1_000
            self.look()

    def look(self) -> None:
        """Every rule has its turn."""
        for _ in range(3):
            self.office.now += 61
            for pace in ("minute", "hour", "day"):
                while (looked := self.office.ask(alerts.look, pace)) is not None:
                    self.do(alerts.settle, looked)

    def of_channels(self) -> None:
        """What becomes of the addresses themselves; one of them is gone."""
        other = self.add(self.firm, "webhook", f"{self.hook}/other-{self.word}", "")
        self.do(delivery.test, other)
        self.office.send()
        self.secrets.add(self.do(channels.rotate, other).secret)
        self.do(channels.change, other, muted=True)
        self.do(channels.remove, other)
        self.add(self.firm, "webhook", f"{self.hook}/gone-{self.word}", "")
        self.key(self.firm, "organisation")
        self.office.send()
