"""Settings: from the environment, then the file, then the default; a bad one stops the start, by its name."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from limen.core.problems import ProblemError
from limen.settings import SettingError, Settings, read_settings

GOOD: dict[str, tuple[str, Any]] = {
    "database_url": ("sqlite:////srv/limen.db", "sqlite:////srv/limen.db"),
    "state": ("/srv/state", Path("/srv/state")),
    "pepper_file": ("/run/secrets/pepper", Path("/run/secrets/pepper")),
    "tombstones": ("/other-disk/limen.tombstones", Path("/other-disk/limen.tombstones")),
    "apis": ("creator, organisation", ("creator", "organisation")),
    "environment": ("test", "test"),
    "listen": ("[::1]:8500", "[::1]:8500"),
    "gate_listen": ("unix:/run/limen/gate.sock", "unix:/run/limen/gate.sock"),
    "gate_peers": ("10.0.0.0/8,fd00::/8", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
    "gate_secret_file": ("/run/secrets/door", Path("/run/secrets/door")),
    "trusted_proxies": ("192.0.2.7", (ip_network("192.0.2.7/32"),)),
    "tls_cert": ("/etc/limen/cert.pem", Path("/etc/limen/cert.pem")),
    "tls_key": ("/etc/limen/key.pem", Path("/etc/limen/key.pem")),
    "github_keys": ("https://api.example.com/keys", "https://api.example.com/keys"),
    "records": ("2_000_000", 2_000_000),
    "unknown": ("100", 100),
    "loads": ("64", 64),
    "waiting": ("1", 1),
    "segment_bytes": ("65536", 65_536),
    "segments": ("2", 2),
    "drain_ms": ("60000", 60_000),
    "drain": ("off", False),
    "lease_ms": ("0", 0),
    "valkey_url": ("rediss://limen:word@valkey.example.com/1", "rediss://limen:word@valkey.example.com/1"),
    "metrics_public": ("on", True),
    "otlp_endpoint": ("https://otlp.example.com:4318/", "https://otlp.example.com:4318"),
    "otlp_headers_file": ("/run/secrets/otlp", Path("/run/secrets/otlp")),
    "limits_gone": ("share", "share"),
    "smtp_url": ("smtps://limen:word@mail.example.com", "smtps://limen:word@mail.example.com"),
    "smtp_password_file": ("/run/secrets/smtp", Path("/run/secrets/smtp")),
    "mail_from": ("Limen <limen@example.com>", "Limen <limen@example.com>"),
    "public_url": ("https://limen.example.com/", "https://limen.example.com"),
    "webhook_allow": ("127.0.0.1", (ip_network("127.0.0.1/32"),)),
}
"""For every setting, a value as it is written, and as it is read."""

BAD: dict[str, list[str]] = {
    "database_url": [
        "", "limen.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:////a.db?mode=ro",
        "postgresql://host", "postgresql://host/", "postgres://host/limen", "postgresql+psycopg://host/limen",
    ],
    "listen": ["8400", ":8400", "localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:http", ""],
    "gate_listen": ["127.0.0.1", "127.0.0.1:-1"],
    "gate_peers": ["everybody", "10.0.0.0/33", "10.0.0.0/8;::1"],
    "trusted_proxies": ["*", "proxy.example.com"],
    "github_keys": ["http://api.example.com/keys", "ftp://api.example.com/keys"],
    "metrics_public": ["perhaps"],
    "otlp_endpoint": ["otlp.example.com:4318", "grpc://otlp.example.com", "http://h/?x"],
    "smtp_url": ["mail.example.com", "http://mail.example.com", "smtp://mail.example.com/x", "smtp://127.example.com?plain"],
    "mail_from": ["nobody", "a b@example.com", "a@b@example.com"],
    "public_url": ["limen.example.com", "https://limen.example.com/?x"],
    "webhook_allow": ["everybody"],
    "records": ["99", "100000001", "many", "", "1e6", "-1", "1.5"],
    "unknown": ["99", "10000001"],
    "loads": ["0", "65"],
    "waiting": ["0", "100001"],
    "segment_bytes": ["65535", "1073741825", "4 MB"],
    "segments": ["1", "65537"],
    "drain_ms": ["9", "60001"],
    "drain": ["perhaps", ""],
    "lease_ms": ["99", "60001", "-1", "off"],
    "valkey_url": ["localhost", "http://localhost", "redis://", "redis://localhost:0"],
    "limits_gone": ["admit", ""],
}  # fmt: skip


def _variable(name: str) -> str:
    return f"LIMEN_{name.upper()}"


def _read(environment: dict[str, str], folder: Path) -> Settings:
    pairs = {
        "tls_cert": ("tls_key", "/the/other.pem"),
        "tls_key": ("tls_cert", "/the/other.pem"),
        "smtp_url": ("mail_from", "limen@example.com"),
        "mail_from": ("smtp_url", "smtp://mail.example.com"),
    }
    for name, (other, value) in pairs.items():  # the one is not allowed without the other
        if _variable(name) in environment:
            environment.setdefault(_variable(other), value)
    if "LIMEN_VALKEY_URL" in environment:
        environment.setdefault("LIMEN_DATABASE_URL", "postgresql://db.example.com/limen")
    return read_settings(environment, folder)


def test_every_setting_is_tried_here() -> None:
    assert list(GOOD) == [field.name for field in fields(Settings)]


def test_every_setting_says_what_is_allowed_and_why_it_is_as_it_is() -> None:
    for field in fields(Settings):
        assert field.metadata["allowed"], field.name
        assert field.metadata["reason"].endswith("."), field.name


def test_without_any_setting_the_defaults_hold(tmp_path: Path) -> None:
    assert read_settings({}, tmp_path) == Settings()
    assert read_settings({"PATH": "/bin", "LIMENADE": "1"}, tmp_path) == Settings()


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_is_read_from_the_environment(name: str, tmp_path: Path) -> None:
    text, value = GOOD[name]
    assert getattr(_read({_variable(name): text}, tmp_path), name) == value != getattr(Settings(), name)


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_is_read_from_the_file_and_the_environment_goes_before(name: str, tmp_path: Path) -> None:
    text, value = GOOD[name]
    file = tmp_path / "limen.toml"
    beside = {
        "tls_cert": "tls_key = 'k'",
        "tls_key": "tls_cert = 'c'",
        "smtp_url": "mail_from = 'limen@example.com'",
        "mail_from": "smtp_url = 'smtp://mail.example.com'",
        "valkey_url": "database_url = 'postgresql://db.example.com/limen'",
    }
    file.write_text(f"{name} = '{text}'\n{beside.get(name, '')}\n")
    assert getattr(read_settings({}, tmp_path), name) == value
    bad = BAD.get(name)
    if bad:
        file.write_text(f"{name} = '{bad[0]}'")
        assert getattr(_read({_variable(name): text}, tmp_path), name) == value


def test_the_file_may_use_the_types_of_toml(tmp_path: Path) -> None:
    (tmp_path / "limen.toml").write_text(
        "records = 5_000\ndrain = false\napis = ['a', 'b']\ngate_peers = ['10.0.0.1', '::1']\n", "utf-8"
    )
    found = read_settings({}, tmp_path)
    assert (found.records, found.drain, found.apis) == (5_000, False, ("a", "b"))
    assert found.gate_peers == (ip_network("10.0.0.1"), ip_network("::1"))


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_bad_value_is_named_with_what_was_found_and_what_is_allowed(name: str, text: str, tmp_path: Path) -> None:
    allowed = next(field for field in fields(Settings) if field.name == name).metadata["allowed"]
    with pytest.raises(SettingError) as caught:
        read_settings({_variable(name): text}, tmp_path)
    assert caught.value.problem.code == "setting_wrong"
    assert caught.value.detail == f"{_variable(name)}: found {text!r}, allowed: {allowed}."
    (tmp_path / "limen.toml").write_text(f"{name} = '{text}'")
    with pytest.raises(SettingError, match=_variable(name)):
        read_settings({}, tmp_path)


@pytest.mark.parametrize("name", ["LIMEN_PEPPER", "LIMEN_DATABASE", "LIMEN_", "LIMEN_Records", "LIMEN_records"])
def test_a_variable_that_is_no_setting_is_refused_without_its_value(name: str, tmp_path: Path) -> None:
    """A name mistyped would else mean the default; and what stands in it may be a secret."""
    with pytest.raises(SettingError, match=f"{name}: .*settings.md") as caught:
        read_settings({name: "hunter2"}, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_line_of_the_file_that_is_no_setting_is_refused(tmp_path: Path) -> None:
    for text in ("pepper = 'hunter2'", "[limen]\nrecords = 5", "LIMEN_RECORDS = 5"):
        (tmp_path / "limen.toml").write_text(text)
        with pytest.raises(SettingError, match="one of database_url, state") as caught:
            read_settings({}, tmp_path)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://limen:hunter2@db", "mysql://limen:p@hunter2@db/x"])
def test_a_password_in_an_address_is_not_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="LIMEN_DATABASE_URL") as caught:
        read_settings({"LIMEN_DATABASE_URL": url}, tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", [b"records = ", b"\xff\xfe", b"records = 5\nrecords = 6"])
def test_a_file_that_is_no_toml_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "limen.toml").write_bytes(content)
    with pytest.raises(SettingError, match=r"limen\.toml: .*a TOML file"):
        read_settings({}, tmp_path)


def test_the_file_can_be_named_and_must_then_be_there(tmp_path: Path) -> None:
    named = tmp_path / "other.toml"
    with pytest.raises(SettingError, match=r"LIMEN_CONFIG: .*a file that exists"):
        read_settings({"LIMEN_CONFIG": str(named)}, tmp_path)
    named.write_text("records = 5000")
    (tmp_path / "limen.toml").write_text("records = 6000")
    assert read_settings({"LIMEN_CONFIG": str(named)}, tmp_path).records == 5000
    with pytest.raises(SettingError, match="a TOML file"):
        read_settings({"LIMEN_CONFIG": str(tmp_path)}, tmp_path)


def test_certificate_and_key_come_together(tmp_path: Path) -> None:
    for name in ("LIMEN_TLS_CERT", "LIMEN_TLS_KEY"):
        with pytest.raises(SettingError, match=r"LIMEN_TLS_KEY: .*wherever LIMEN_TLS_CERT is set"):
            read_settings({name: "/a.pem"}, tmp_path)


def test_a_setting_error_is_a_problem_that_can_be_told() -> None:
    assert issubclass(SettingError, ProblemError)


def test_settings_do_not_change_while_a_process_runs() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().records = 5  # type: ignore[misc]


def test_state_and_pepper_lie_beside_the_database_unless_it_is_said_where() -> None:
    settings = Settings(database_url="sqlite:////srv/limen.db")
    assert settings.database_path == Path("/srv/limen.db")
    assert settings.state_folder == Path("/srv/limen.db.state")
    assert settings.pepper_path == Path("/srv/limen.db.pepper")
    elsewhere = Settings(state=Path("/var/lib/limen"), pepper_file=Path("/run/pepper"))
    assert (elsewhere.state_folder, elsewhere.pepper_path) == (Path("/var/lib/limen"), Path("/run/pepper"))
    assert Settings().database_path == Path("limen.db")
