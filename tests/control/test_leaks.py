"""Keys that were found in the open: which texts are keys, what is done with one, and that nothing of it is kept."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy import insert, select

from limen.control import apis, imports, keys, leaks
from limen.control.leaks import Finding, Leak, Reported
from limen.core.keys import mint
from limen.db.tables import keys as keys_table
from tests.db.dump import kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk, Said

ROOT = Path(__file__).resolve().parents[2]
PLACE = "https://code.example.com/acme/app/blob/0123456789abcdef0123456789abcdef01234567/.env"


@pytest.fixture
def key(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> Issued:
    """A key of ``creator``."""
    return new_key("creator", owner)


@pytest.fixture
def warning(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    """The API ``creator`` warns of leaks, and revokes nothing."""
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.on_leak": "warn"}))


def found(desk: Desk, *texts: str, where: str = PLACE) -> list[Leak]:
    """What of *texts* is a key."""
    findings = [Finding(text, where) for text in texts]
    return leaks.among(findings, desk.app.recognise(texts))


def reported(desk: Desk, *texts: str, source: str = "github", where: str = PLACE) -> list[str]:
    """What was done about each key in *texts*."""
    return [each.done for each in desk.act(leaks.report, found(desk, *texts, where=where), source=source)]


def said(desk: Desk, since: int) -> list[tuple[str, str]]:
    """Verb and event of all that was done after the first *since* things."""
    lines: list[Said] = desk.said()
    return [(line.verb, line.event) for line in lines[since:]]


def event(desk: Desk) -> dict[str, Any]:
    """The one event ``key.leaked``."""
    ((payload,),) = desk.rows("select payload from outbox where event = 'key.leaked'")
    return json.loads(payload)


# -- which texts are keys --------------------------------------------------------------------------------------------


def test_a_whole_key_is_recognised_and_an_id_alone_is_not(desk: Desk, key: Issued) -> None:
    key_id, text = key.key.key, key.text
    wrong = text[:20] + ("0" if text[20] != "0" else "1") + text[21:]
    whole, *others = desk.app.recognise(
        [text, key_id, wrong, f"{text} ", text[:-1], "", mint("fvak_", secrets.token_bytes)[1]]
    )
    assert whole == ((key_id,), "")
    assert [each.keys for each in others] == [()] * 6
    assert others[1].near == key_id


def test_keys_of_every_api_and_class_are_recognised(
    desk: Desk, key: Issued, firm: str, new_key: Callable[..., Issued]
) -> None:
    given = [key, new_key("organisation", firm), new_key("organisation", firm, key_class="public", environment="test")]
    assert [each.keys for each in desk.app.recognise([issued.text for issued in given])] == [
        (issued.key.key,) for issued in given
    ]


@pytest.mark.parametrize("hashed", ["sha256", "plain"])
def test_a_key_of_another_system_is_recognised_and_ends_in_every_api_that_has_it(
    desk: Desk, creator: App, altered: Callable[..., Profile], hashed: str
) -> None:
    foreign = {"prefix": "old_", "length": "44", "hash": hashed, "class": "secret", "environment": "live"}
    text = "old_" + secrets.token_hex(20)
    digest = hashlib.sha256(text.encode()).digest()
    said: dict[str, Any] = {"text": text} if hashed == "plain" else {"hash": hashed, "hashed": digest}
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.foreign": [foreign]}))
    desk.act(apis.create, "again", altered("creator", {"keys.foreign": [foreign]}))
    for api in ("creator", "again"):
        brought = imports.Entry(number=1, owner="u-1", scopes=("read:self",), **said)
        desk.act(imports.bring, imports.Import(api, create_owners=True, allow_owners=True), [brought])
    (what,) = desk.app.recognise([text])
    assert len(what.keys) == 2
    assert desk.app.recognise([text[:-1] + "z", text[:-1]]) == [((), ""), ((), "")]
    assert reported(desk, text) == ["revoked", "revoked"]
    assert desk.rows("select distinct state from keys") == [("revoked",)]


@pytest.mark.parametrize("text", ["\ud800" * 60, "\0" * 60, "é" * 40, "fvak_" + "0" * 5000, " ", "x" * 51])
def test_whatever_text_comes_is_looked_at_unharmed(desk: Desk, creator: App, text: str) -> None:
    assert desk.app.recognise([text])[0].keys == ()


# -- what is done ----------------------------------------------------------------------------------------------------


@pytest.mark.req("R28")
@pytest.mark.check("C024")
def test_a_leaked_key_is_dead_audited_and_its_owner_told(desk: Desk, key: Issued) -> None:
    assert desk.verdict(key.text) == "ok"
    before = len(desk.said())
    (done,) = desk.act(leaks.report, found(desk, key.text), source="github")
    assert done == Reported(key.key.key, "creator", "u-1", "revoked")
    assert desk.verdict(key.text) == "key_revoked"
    held = desk.ask(keys.require, key.key.key)
    assert (held.state, held.ended_reason, held.ended_at) == ("revoked", "leaked (github)", desk.now)
    assert desk.rows("select leaked_at from keys") == [(desk.now,)]
    assert said(desk, before) == [("keys.revoke", "key.revoked"), ("leaks.report", "key.leaked")]
    expected = {"api": "creator", "subject": key.key.key, "owner": "u-1", "source": "github", "where": PLACE}
    assert event(desk) == expected | {"done": "revoked"}


@pytest.mark.check("C024")
def test_reported_again_it_is_done_audited_and_told_no_second_time(desk: Desk, key: Issued) -> None:
    reported(desk, key.text)
    before = desk.dump()
    desk.now += 60
    assert reported(desk, key.text, source="gitlab") == ["known"]
    assert desk.dump() == before


@pytest.mark.check("C024")
@pytest.mark.usefixtures("warning")
def test_where_the_policy_is_to_warn_the_key_goes_on_and_its_owner_is_told(desk: Desk, key: Issued) -> None:
    before = len(desk.said())
    assert reported(desk, key.text) == ["warned"]
    assert desk.verdict(key.text) == "ok"
    assert desk.rows("select leaked_at from keys") == [(desk.now,)]
    assert said(desk, before) == [("leaks.report", "key.leaked")]
    assert event(desk)["done"] == "warned"
    assert reported(desk, key.text) == ["known"]


@pytest.mark.usefixtures("warning")
def test_a_key_that_was_warned_of_ends_once_the_policy_is_to_revoke(
    desk: Desk, key: Issued, altered: Callable[..., Profile]
) -> None:
    reported(desk, key.text)
    desk.act(apis.apply_profile, "creator", altered("creator", {}))
    before = len(desk.said())
    assert reported(desk, key.text) == ["revoked"]
    assert said(desk, before) == [("keys.revoke", "key.revoked")]


def test_a_sleeping_key_ends_too(desk: Desk, key: Issued) -> None:
    desk.act(keys.deactivate, key.key.key)
    assert reported(desk, key.text) == ["revoked"]


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_of_a_key_that_has_ended_is_told_once_and_its_end_stays_what_it_was(
    desk: Desk, owner: str, new_key: Callable[..., Issued], end: str
) -> None:
    key = new_key("creator", owner, expires_at=desk.now + 60)
    if end == "revoked":
        desk.act(keys.revoke, key.key.key, reason="a test")
    desk.now += 60
    assert reported(desk, key.text) == ["ended"]
    held = desk.ask(keys.require, key.key.key)
    assert (held.state, held.ended_reason) == (end, "a test" if end == "revoked" else "")
    assert event(desk)["done"] == "ended"
    assert reported(desk, key.text) == ["known"]


def test_a_deleted_key_is_known_and_nothing_is_said_of_it(desk: Desk, key: Issued) -> None:
    desk.act(keys.delete, key.key.key)
    before = desk.dump()
    assert reported(desk, key.text) == ["known"]
    assert desk.dump() == before


@pytest.mark.check("C024")
def test_what_is_no_key_leaves_nothing_behind(desk: Desk, key: Issued) -> None:
    before = desk.dump()
    assert found(desk, key.key.key, key.text[:-1], "nonsense", mint("fvak_", secrets.token_bytes)[1]) == []
    assert desk.act(leaks.report, [], source="github") == []
    assert desk.dump() == before


def test_a_key_that_was_found_twice_is_one(desk: Desk, key: Issued) -> None:
    assert [leak.key for leak in found(desk, key.text, "nonsense", key.text)] == [key.key.key]


def test_the_text_of_a_key_is_kept_nowhere(desk: Desk, key: Issued, tmp_path: Path) -> None:
    reported(desk, key.text, where=f"https://example.com/{key.text}?api_key={key.text}#{key.text}")
    desk.app.close()
    found = kept(desk.path, tmp_path)
    assert [name for name, content in found.items() if key.key.key.encode() in content] != []
    assert [name for name, content in found.items() if key.text.encode() in content] == []


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (PLACE, PLACE),
        ("", ""),
        ("not an address", ""),
        ("ftp://example.com/a", ""),
        ("javascript:alert(1)", ""),
        ("https://", ""),
        ("https://[", ""),
        ("https://name:word@example.com/a", "https://example.com/a"),
        ("https://example.com/a?b=c#d", "https://example.com/a"),
        ("https://example.com/a\nb", "https://example.com/ab"),  # as urllib reads addresses
        ("https://example.com/\x1b[2J", ""),
        ("https://example.com/KEY", "https://example.com/…"),
        ("https://example.com/%66KEY", "https://example.com/…"),
        ("https://KEY.example.com/a", ""),
        ("https://example.com/" + "a1" * 25, "https://example.com/…"),
        ("https://example.com/" + "a-" * 400, ("https://example.com/" + "a-" * 400)[:300]),
    ],
)
def test_of_an_address_the_place_is_kept_and_nothing_else(desk: Desk, key: Issued, where: str, kept: str) -> None:
    where = where.replace("%66KEY", "%66" + key.text[1:]).replace("KEY", key.text)
    (leak,) = found(desk, key.text, where=where)
    assert leak.where == kept


def test_where_it_was_found_is_personal_in_the_audit(desk: Desk, key: Issued) -> None:
    reported(desk, key.text)
    assert desk.rows("select field, value from audit_personal where field = 'where'") == [("where", PLACE)]
    ((detail,),) = desk.rows("select detail from audit where verb = 'leaks.report'")
    assert "code.example.com" not in detail


@pytest.mark.check("C024")
def test_a_thousand_are_handled_within_seconds(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> None:
    texts = _thousand(desk, new_key("organisation", firm))
    began = time.process_time()
    assert reported(desk, *texts) == ["revoked"] * 1_000
    taken_s = time.process_time() - began
    print(f"a thousand keys: {taken_s:.2f} s of work")
    assert taken_s < 10
    assert desk.rows("select count(*) from keys where state = 'revoked' and leaked_at is not null") == [(1_000,)]


def _thousand(desk: Desk, like: Issued) -> list[str]:
    """The texts of a thousand keys: rows like that of *like*."""
    with desk.app.store.engine.begin() as connection:
        row = connection.execute(select(keys_table).where(keys_table.c.key == like.key.key)).one()._asdict()
        texts, made = [], []
        for _ in range(1_000):
            key_id, text = mint("sk_live_", secrets.token_bytes)
            digest = desk.keyring.digest(1)(text.encode())
            own = {"key": key_id, "locator": key_id.encode(), "lineage": key_id.encode(), "digest": digest}
            texts.append(text)
            made.append(row | own)
        connection.execute(insert(keys_table), made)
    return texts


# -- rules for scanners ----------------------------------------------------------------------------------------------


@pytest.fixture
def minted(desk: Desk, firm: str, owner: str, new_key: Callable[..., Issued]) -> dict[str, str]:
    """A key of every class and environment of the two shipped profiles: what its rule is called, and its text."""
    made = {}
    for api, holder, key_class in (
        ("creator", owner, "secret"),
        ("organisation", firm, "secret"),
        ("organisation", firm, "public"),
    ):
        for environment in ("live", "test"):
            new = new_key(api, holder, key_class=key_class, environment=environment)
            made[f"limen_{api}_{key_class}_{environment}"] = new.text
    return made


@pytest.fixture
def leaky(tmp_path: Path, minted: dict[str, str]) -> Path:
    """A folder in which every key stands as a literal, in a URL and in a file of settings."""
    folder = tmp_path / "leaky"
    folder.mkdir()
    for name, text in minted.items():
        (folder / f"{name}.py").write_text(f'api_key = "{text}"\n')
        (folder / f"{name}.md").write_text(f"Open https://api.example.com/v1/things?api_key={text}&page=2 and look.\n")
        (folder / f"{name}.env").write_text(f"DEBUG=1\nAPI_KEY={text}\n")
    return folder


def rules(desk: Desk, form: str) -> str:
    """The rules for a scanner."""
    return leaks.written(form, desk.ask(leaks.patterns))


def gitleaks(desk: Desk, folder: Path, of: Path) -> list[dict[str, Any]]:
    """What gitleaks finds in *of* by our rules."""
    config, told = folder / "gitleaks.toml", folder / "told.json"
    config.write_text(rules(desk, "gitleaks"))
    line = ["gitleaks", "dir", of, "--config", config, "--report-path", told, "--exit-code", "0", "--no-banner"]
    ended = subprocess.run(
        [Path(sys.prefix) / "bin" / line[0], *line[1:]], capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(told.read_text())


@pytest.mark.check("C026")
@pytest.mark.req("R21")
def test_gitleaks_finds_every_key_wherever_it_stands(
    desk: Desk, tmp_path: Path, leaky: Path, minted: dict[str, str]
) -> None:
    told = gitleaks(desk, tmp_path, leaky)
    seen = {(each["RuleID"], Path(each["File"]).name, each["Secret"]) for each in told}
    assert seen == {(name, f"{name}.{kind}", text) for name, text in minted.items() for kind in ("py", "md", "env")}
    assert len(told) == len(seen)


@pytest.mark.check("C026")
def test_gitleaks_finds_nothing_in_our_own_pages(desk: Desk, tmp_path: Path, minted: dict[str, str]) -> None:
    assert minted
    assert gitleaks(desk, tmp_path, ROOT / "docs") == []


@pytest.mark.check("C026")
def test_detect_secrets_finds_every_key_and_none_whose_checksum_is_wrong(
    desk: Desk, tmp_path: Path, leaky: Path, minted: dict[str, str]
) -> None:
    plugin = tmp_path / "limen_plugin.py"
    plugin.write_text(rules(desk, "detect-secrets"))
    (leaky / "made_up.py").write_text(f'key = "fvak_{"0123456789" * 5}"\n')
    line = [Path(sys.prefix) / "bin" / "detect-secrets", "scan", "--all-files", "-p", plugin, "."]
    ended = subprocess.run(line, cwd=leaky, capture_output=True, check=True, timeout=60)
    told = json.loads(ended.stdout)["results"]
    ours = {Path(file).name for file, found in told.items() if "Limen key" in {each["type"] for each in found}}
    assert ours == {f"{name}.{kind}" for name in minted for kind in ("py", "md", "env")}


@pytest.mark.check("C026")
@pytest.mark.parametrize("form", ["secretlint", "trufflehog", "github"])
def test_the_patterns_of_the_others_find_each_key_once(
    desk: Desk, leaky: Path, minted: dict[str, str], form: str
) -> None:
    document = yaml.safe_load(rules(desk, form))  # JSON is YAML
    if form == "secretlint":
        (rule,) = document["rules"]
        assert rule["id"] == "@secretlint/secretlint-rule-pattern"
        found = [each["pattern"][1:-1] for each in rule["options"]["patterns"]]
    elif form == "trufflehog":
        found = [each["regex"]["key"] for each in document["detectors"]]
        assert all(len(each["keywords"]) == 1 for each in document["detectors"])
    else:
        ends = {"before_secret": r"\A|[^0-9A-Za-z_]", "after_secret": r"\z|[^0-9A-Za-z_]"}
        assert all(each.items() >= ends.items() for each in document)
        found = [rf"\b({each['secret_format']})\b" for each in document]
    texts = [text for path in sorted(leaky.iterdir()) for each in found for text in re.findall(each, path.read_text())]
    assert sorted(texts) == sorted(list(minted.values()) * 3)


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs what secretlint would run")
def test_the_pattern_for_secretlint_is_one_of_javascript(desk: Desk, minted: dict[str, str]) -> None:
    script = """
        const [patterns, texts] = JSON.parse(require("fs").readFileSync(0));
        const found = texts.map((text) => patterns.filter((each) => new RegExp(each.slice(1, -1)).test(text)).length);
        console.log(JSON.stringify(found));
    """
    (rule,) = json.loads(rules(desk, "secretlint"))["rules"]
    given = json.dumps([[each["pattern"] for each in rule["options"]["patterns"]], list(minted.values())])
    ended = subprocess.run(["node", "-e", script], input=given, capture_output=True, check=True, text=True, timeout=60)
    assert json.loads(ended.stdout) == [1] * len(minted)


def test_rules_of_one_api_and_of_all(desk: Desk, minted: dict[str, str]) -> None:
    assert [each.name for each in desk.ask(leaks.patterns, api="creator")] == list(minted)[:2]
    assert {each.name for each in desk.ask(leaks.patterns)} >= set(minted)
    desk.refused("api_unknown", leaks.patterns, api="nowhere")


def test_a_prefix_that_two_apis_have_is_one_pattern(
    desk: Desk, minted: dict[str, str], altered: Callable[..., Profile]
) -> None:
    before = desk.ask(leaks.patterns)
    desk.act(apis.create, "again", altered("creator", {}))
    assert len(desk.ask(leaks.patterns)) == len(before)
