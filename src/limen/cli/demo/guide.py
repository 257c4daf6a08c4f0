"""What the demo tells people to try: a call for each answer, to be copied into a shell, in this order."""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields

from limen.cli.demo.cast import Key
from limen.cli.demo.ground import DOOR, Addresses, Ground
from limen.cli.demo.rules import ACTIVE, BURST, DEPRECATED, SUNSET
from limen.cli.demo.scene import KEY_HEADER, VERSION_HEADER
from limen.core.keys import mint

Call = tuple[str, str]
"""What a call shows, and the call."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that people are given: for some of the creator platform, for all of an agency's, for all of an
    organisation, and for the gate's door."""

    creator: Key
    agency: Key
    organisation: Key
    edge: Key

    def by_name(self) -> Iterator[tuple[str, Key]]:
        """Each with what it is for."""
        return ((each.name, getattr(self, each.name)) for each in fields(self))


_KEY, _VERSION = f'-H "{KEY_HEADER}: $KEY"', '-H "$V"'
_ME = "curl -si $API/users/me"
_ASK = f"{_ME} {_KEY} {_VERSION}"
_DOOR = f"curl -si $GATE/auth/{DOOR} -H 'X-Forwarded-Method: GET'"
_URI = "/v1/experiences"


def settings_lines(ground: Ground) -> list[str]:
    """What a shell has to know before the calls: where things are, but for the keys."""
    lines = [f"export LIMEN_DATABASE_URL={shlex.quote(ground.settings.database_url)}"]
    if shutil.which("limen") is None:
        lines.append(f'limen() {{ {shlex.quote(sys.executable)} -m limen "$@"; }}')
    return lines


def address_lines(at: Addresses) -> list[str]:
    """Where to call, and in which version."""
    addresses = f"API=http://{at.creator} ORG_API=http://{at.organisation}/v1 GATE=http://{at.gate}/gate"
    return [addresses, f"V='{VERSION_HEADER}: {ACTIVE}'"]


def key_lines(shown: Keys) -> list[str]:
    """The keys, for a shell. They are printed this once."""
    names = {"creator": "KEY", "agency": "AGENCY_KEY", "organisation": "ORG_KEY", "edge": "EDGE_KEY"}
    return [f"{names[name]}={key.text}" for name, key in shown.by_name()]


def calls(main: Key, peer: str) -> Iterator[Call]:
    """All calls. *main* may read its owner's account and write to *peer*, and nothing else."""
    yield from _answers()
    yield from _of_both()
    yield from _at_the_door()
    yield from _by_staff(main, peer)
    yield from _of_keys(main)


def _answers() -> Iterator[Call]:
    unknown = mint("fvak_", secrets.token_bytes)[1]
    yield "200, with the rate headers", _ASK
    yield "200, a public operation", "curl -s $API/openapi.json"
    yield "401, no key", f"{_ME} {_VERSION}"
    yield "401, malformed", f"{_ME} -H '{KEY_HEADER}: not-a-key' {_VERSION}"
    yield "401, unknown", f"{_ME} -H '{KEY_HEADER}: {unknown}' {_VERSION}"
    yield "400, two credentials", f"{_ME} {_KEY} {_KEY} {_VERSION}"
    yield "403, a scope that the key does not hold", f"curl -si $API/chats {_KEY} {_VERSION}"
    yield "400, no version", f"{_ME} {_KEY}"
    yield "400, a malformed version", f"{_ME} {_KEY} -H '{VERSION_HEADER}: June'"
    yield "400, an unknown version", f"{_ME} {_KEY} -H '{VERSION_HEADER}: 2020-01-01'"
    yield "200, a deprecated version: Deprecation, Sunset", f"{_ME} {_KEY} -H '{VERSION_HEADER}: {DEPRECATED}'"
    yield "410, a sunset version: nextVersion", f"{_ME} {_KEY} -H '{VERSION_HEADER}: {SUNSET}'"
    yield "404, a path that could be read in two ways", f"curl -si --path-as-is $API//users/me {_KEY} {_VERSION}"


def _of_both() -> Iterator[Call]:
    """What there is to look at on both platforms; the rest stands in their documents."""
    agency = f'-H "{KEY_HEADER}: $AGENCY_KEY" {_VERSION}'
    bearer = '-H "Authorization: Bearer $ORG_KEY"'
    query = '{"measures": [{"name": "entries", "event": "queue.consumer.entered", "op": "count"}], "timeRange": "7d"}'
    yield "200, the creators of an agency", f"curl -si $API/creators {agency}"
    earned = "$API/agencies/earnings?startDate=2025-06-01T00:00:00Z&endDate=2025-07-01T00:00:00Z"
    yield "200, what they earned in a month", f'curl -s "{earned}" {agency}'
    yield "200, the organisation's experiences", f'curl -s "$ORG_API/experiences?first=2" {bearer}'
    yield (
        "200, its figures",
        f"curl -s $ORG_API/analytics/query {bearer} -H 'Content-Type: application/json' -d '{query}'",
    )
    yield "200, what there is to call", "curl -s ${ORG_API%/v1}/openapi.json"


def _at_the_door() -> Iterator[Call]:
    """What a proxy asks, and what an API asks by call."""
    bearer = '-H "Authorization: Bearer $EDGE_KEY"'
    asked = f'{{"api": "{DOOR}", "method": "POST", "path": "{_URI}", "credential": "\'$EDGE_KEY\'"}}'
    yield "200, a bearer, with who came", f"{_DOOR} -H 'X-Forwarded-Uri: {_URI}' {bearer}"
    yield "200, a key in the query", f'{_DOOR} -H "X-Forwarded-Uri: {_URI}?api_key=$EDGE_KEY"'
    yield "400, both", f'{_DOOR} -H "X-Forwarded-Uri: {_URI}?api_key=$EDGE_KEY" {bearer}'
    yield "403, plain HTTP, by the proxy's word", f"{_DOOR} -H 'X-Forwarded-Uri: {_URI}' -H 'X-Forwarded-Proto: http'"
    yield "a verdict by call", f"curl -s $GATE/verify -d '{asked}'"


def _by_staff(main: Key, peer: str) -> Iterator[Call]:
    """What staff set by the command line holds for the next request."""
    message = "-H 'Content-Type: application/json' -d '{\"text\": \"Hello.\"}'"
    write = f"curl -si $API/chats/{peer}/message {_KEY} {_VERSION} {message}"
    yield "403, a write while the API is read-only", f"limen apis read-only creator on; {write}"
    yield "201, and after", f"limen apis read-only creator off; {write}"
    yield "403, off the allow-list", f"limen owners disallow {main.owner} creator; {_ASK}"
    yield "200, back on it", f"limen owners allow {main.owner} creator; {_ASK}"
    yield "403, suspended", f"limen owners suspend {main.owner} --reason 'a try'; {_ASK}"
    yield "200, restored", f"limen owners restore {main.owner}; {_ASK}"
    yield "401, deactivated", f"limen keys deactivate {main.key_id}; {_ASK}"
    yield "200, reactivated", f"limen keys reactivate {main.key_id}; {_ASK}"


def _of_keys(main: Key) -> Iterator[Call]:
    """From here on each call ends the key that was used before."""
    issue = f"limen keys issue creator {main.owner} --name another --scope read:self --yes"
    told = "grep -iE '^(HTTP|x-ratelimit-remaining|retry-after)'"
    yield (
        "401 for the first key, which a second one ends",
        f"OLD=$KEY KEY=$({issue} | tail -1); {_ASK.replace('$KEY', '$OLD')}",
    )
    yield "200 for the second", _ASK
    yield "401, revoked", f"printf %s \"$KEY\" | limen keys revoke - --reason 'a try' --yes; {_ASK}"
    yield "401, expired", f"KEY=$({issue} --expires-in '2 s' | tail -1); sleep 2; {_ASK}"
    yield "403, a test key on live data", f"KEY=$({issue} --environment test | tail -1); {_ASK}"
    times = f"for n in $(seq {BURST + 1}); do {_ASK} | {told}; done"
    yield f"429 at request {BURST + 1}, and 200 again after a minute", f"KEY=$({issue} | tail -1); {times}"
    yield "what there is now", "limen keys list; limen versions list creator; limen doctor"
