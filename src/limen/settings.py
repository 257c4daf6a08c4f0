"""Settings: from the environment (``LIMEN_…``), then ``limen.toml``, then the default. A bad one stops the start.

Every field names its unit, its default and why that is the default; ``docs/reference/settings.md`` is written from it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from email.utils import formataddr, parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from limen.core.problems import ProblemError

Network = IPv4Network | IPv6Network
FILE = "limen.toml"
_USER_INFO = re.compile(r"//.*@")
"""In an address, what may hold a password."""


class SettingError(ProblemError):
    """A setting is not what is allowed: its name, what was found and what is allowed."""

    def __init__(self, name: str, found: object, allowed: str) -> None:
        shown = _USER_INFO.sub("//…@", found) if isinstance(found, str) else found
        super().__init__("setting_wrong", f"{name}: found {shown!r}, allowed: {allowed}.")


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    known = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    return known[value.strip().lower()]


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value.replace("_", ""))
        if not least <= number <= most:
            raise ValueError
        return number

    return read


def _lease(value: str) -> int:
    return 0 if value == "0" else _whole(100, 60_000)(value)


def _path(value: str) -> Path | None:
    return Path(value).expanduser() if value else None


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _networks(value: str) -> tuple[Network, ...]:
    return tuple(ip_network(name, strict=False) for name in _names(value))


def _listen(value: str) -> str:
    if value.startswith("unix:"):
        return value
    host, colon, port = value.rpartition(":")
    if not (host and colon and 0 < int(port) < 65_536):
        raise ValueError
    return value


def _database_url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    file = rest.removeprefix("/")
    if scheme == "sqlite" and rest.startswith("/") and file not in ("", ":memory:") and "?" not in file:
        return value
    if scheme != "postgresql" or not urlsplit(value).path.strip("/"):
        raise ValueError
    return value


def _valkey_url(value: str) -> str:
    """A server's address; TLS and the password are part of it."""
    if value and not (value.startswith("unix:///") or urlsplit(value).scheme in ("redis", "rediss")):
        raise ValueError
    if value and not value.startswith("unix:") and not (urlsplit(value).hostname and urlsplit(value).port != 0):
        raise ValueError
    return value


def _smtp_url(value: str) -> str:
    """A mail server's address; STARTTLS is on unless it is said to be a server of this host."""
    parts = urlsplit(value)
    if value and (parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.port == 0):
        raise ValueError
    if parts.path.strip("/") or parts.fragment or parts.query not in ("", "starttls", "plain"):
        raise ValueError
    if parts.query == "plain" and parts.hostname != "localhost" and not ip_address(parts.hostname or "").is_loopback:
        raise ValueError
    return value


def _from(value: str) -> str:
    """Who mail is from: an address, or NAME <ADDRESS>."""
    name, address = parseaddr(value)
    if value and (not value.isprintable() or len(value) > 300 or address.count("@") != 1 or " " in address):
        raise ValueError
    return formataddr((name, address)) if value else ""


def _public_url(value: str) -> str:
    """An address to which a path is added, without a slash at its end."""
    parts = urlsplit(value)
    if value and (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError
    return value.rstrip("/")


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError
        return value

    return read


def _near(value: str) -> str:
    """Where to listen, on this very host: what is asked there travels in the clear."""
    host = _listen(value).rpartition(":")[0].strip("[]")
    if not value.startswith("unix:") and host != "localhost" and not ip_address(host).is_loopback:
        raise ValueError
    return value


def _source(value: str) -> str:
    """A file, or an address that nobody on the way can change the answer of."""
    if "://" in value and not value.startswith("https://"):
        raise ValueError
    return value if "://" in value or not value else str(Path(value).expanduser())


def _setting(default: Any, read: Callable[[str], Any], allowed: str, reason: str) -> Any:
    return field(default=default, metadata={"read": read, "allowed": allowed, "reason": reason})


@dataclass(frozen=True, slots=True)
class Settings:
    """How this installation runs. Frozen: what may change while it runs lies in the database."""

    database_url: str = _setting(
        "sqlite:///limen.db",
        _database_url,
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
        "One file, nothing to install; PostgreSQL for more than one host.",
    )
    state: Path | None = _setting(
        None,
        _path,
        "a folder",
        "Locks, epoch, journal. Default: the database's path with '.state' added; on PostgreSQL 'limen.state'.",
    )
    pepper_file: Path | None = _setting(
        None, _path, "a file, mode 0600", "Default: the database's path with '.pepper' added; keep a copy elsewhere."
    )
    tombstones: Path | None = _setting(
        None,
        _path,
        "a file",
        "The ends of keys, for 'limen restore'. Default: the database's path and '.tombstones'; better elsewhere.",
    )
    apis: tuple[str, ...] = _setting(
        (), _names, "names, separated by commas", "The APIs that this server's gate decides for. Default: every API."
    )
    environment: str = _setting("live", _text, "a profile's environment", "What an ask is for where it does not say.")
    listen: str = _setting(
        "127.0.0.1:8400", _listen, "HOST:PORT or unix:PATH", "Loopback: what faces the world is put in front of it."
    )
    gate_listen: str = _setting(
        "127.0.0.1:8401",
        _near,
        "HOST:PORT on this host, or unix:PATH",
        "The gate's own door: its peers are proxies and APIs, not the world.",
    )
    gate_peers: tuple[Network, ...] = _setting(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        _networks,
        "addresses or ranges",
        "Who may ask without the door's secret.",
    )
    gate_secret_file: Path | None = _setting(
        None, _path, "a file", "What peers beyond gate_peers must send as 'Limen-Door'. Default: they are refused."
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (),
        _networks,
        "addresses or ranges",
        "Whose X-Forwarded-For and X-Forwarded-Proto are believed. Default: nobody's.",
    )
    tls_cert: Path | None = _setting(None, _path, "a PEM file", "Serves TLS 1.2 and up, with tls_key.")
    tls_key: Path | None = _setting(None, _path, "a PEM file", "The key of tls_cert.")
    github_keys: str = _setting(
        "",
        _source,
        "a file, or an https:// address",
        "The public keys with which GitHub signs its alerts. Default: alerts are not taken.",
    )
    records: int = _setting(
        1_000_000, _whole(100, 100_000_000), "100 to 100,000,000", "Records a gate holds; 0.5 kB each."
    )
    unknown: int = _setting(
        50_000,
        _whole(100, 10_000_000),
        "100 to 10,000,000",
        "Locators a gate remembers as naming nothing; 0.1 kB each.",
    )
    loads: int = _setting(4, _whole(1, 64), "1 to 64", "Threads that load what a gate does not hold.")
    waiting: int = _setting(
        1_024, _whole(1, 100_000), "1 to 100,000", "Asks that may wait for them; the next is refused, 503."
    )
    segment_bytes: int = _setting(
        4_194_304,
        _whole(65_536, 1_073_741_824),
        "65,536 to 1,073,741,824",
        "A journal segment: about 30,000 decisions.",
    )
    segments: int = _setting(256, _whole(2, 65_536), "2 to 65,536", "Segments that may wait for the worker; then 503.")
    drain_ms: int = _setting(
        500, _whole(10, 60_000), "10 to 60,000 ms", "How often the worker drains and syncs the journal."
    )
    drain: bool = _setting(True, _flag, "on or off", "Whether a Guard drains its own journal, where no worker runs.")
    lease_ms: int = _setting(
        2_000,
        _lease,
        "0, or 100 to 60,000 ms",
        "On PostgreSQL: how long a process that hears nothing answers from memory, and a revocation waits for it.",
    )

    valkey_url: str = _setting(
        "",
        _valkey_url,
        "redis:// or rediss:// or unix://, beside a PostgreSQL database",
        "Where windows of a minute at most are counted. Default: PostgreSQL counts them too.",
    )
    metrics_public: bool = _setting(
        False,
        _flag,
        "on or off",
        "Whether the public listener answers /metrics too; the gate's own door always does.",
    )
    otlp_endpoint: str = _setting(
        "", _public_url, "https://HOST:4318", "The OpenTelemetry collector that is told our numbers. Default: none is."
    )
    otlp_headers_file: Path | None = _setting(
        None, _path, "a file, 'NAME: VALUE' a line", "What is sent to it along with them, as a token."
    )
    limits_gone: str = _setting(
        "deny",
        _one_of("deny", "share"),
        "deny or share",
        "While what counts is gone: nobody is admitted who has to be counted, or its part of each limit by a process.",
    )

    smtp_url: str = _setting(
        "",
        _smtp_url,
        "smtp://USER:PASSWORD@HOST:587 or smtps://…; '?plain' without TLS, to this host alone",
        "The server that takes our mail; smtp:// means STARTTLS. Default: no mail is sent.",
    )
    smtp_password_file: Path | None = _setting(
        None, _path, "a file", "The password for it, in place of one in the address."
    )
    mail_from: str = _setting("", _from, "NAME@DOMAIN, or NAME <NAME@DOMAIN>", "Who mail is from. Needed for mail.")
    public_url: str = _setting(
        "", _public_url, "https://HOST", "Where the public listener is reached from outside: links in mail lead there."
    )
    webhook_allow: tuple[Network, ...] = _setting(
        (),
        _networks,
        "addresses or ranges",
        "Networks of one's own that webhooks may reach, for development. Dangerous: owners choose the addresses.",
    )

    @property
    def state_folder(self) -> Path:
        """Where epoch, locks and journal lie."""
        return self.state or Path(f"{self._stem}.state")

    @property
    def pepper_path(self) -> Path:
        """Where the peppers lie."""
        return self.pepper_file or Path(f"{self._stem}.pepper")

    @property
    def tombstones_path(self) -> Path:
        """Where the tombstones lie."""
        return self.tombstones or Path(f"{self._stem}.tombstones")

    @property
    def on_one_host(self) -> bool:
        """Whether the database is a SQLite file: all processes of the installation are on its host."""
        return self.database_url.startswith("sqlite:")

    @property
    def database_path(self) -> Path:
        """The SQLite file. Raises SettingError where the database is none."""
        if not self.on_one_host:
            raise SettingError("LIMEN_DATABASE_URL", self.database_url, "sqlite:///FILE, for what works on its file")
        return Path(unquote(self.database_url.removeprefix("sqlite:///")))  # as the engine reads it

    @property
    def database_shown(self) -> str:
        """The database as it may be shown: without a password."""
        return _USER_INFO.sub("//…@", self.database_url)

    @property
    def _stem(self) -> Path:
        """What the names of the files beside the database begin with."""
        return self.database_path if self.on_one_host else Path("limen")


def read_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """The settings of this process. Raises SettingError for the first that is wrong, by its name."""
    environment = os.environ if environment is None else environment
    written = _file(Path(environment.get("LIMEN_CONFIG", (folder or Path()) / FILE)), "LIMEN_CONFIG" in environment)
    known = {spec.name: spec for spec in fields(Settings)}
    for name in written:
        if name not in known:
            raise SettingError(name, name, f"one of {', '.join(known)}")
    variables = {"LIMEN_CONFIG", *(f"LIMEN_{name.upper()}" for name in known)}
    for name in environment:
        if name.startswith("LIMEN_") and name not in variables:  # its value is not shown: it may be a secret
            raise SettingError(name, name, "a name from docs/reference/settings.md")
    values = {}
    for name, spec in known.items():
        variable = f"LIMEN_{name.upper()}"
        found = environment.get(variable, written.get(name))
        if found is None:
            continue
        try:
            values[name] = spec.metadata["read"](found)
        except (ValueError, KeyError) as error:
            raise SettingError(variable, found, spec.metadata["allowed"]) from error
    settings = Settings(**values)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingError(
            "LIMEN_TLS_KEY", settings.tls_key, "a PEM file wherever LIMEN_TLS_CERT is set, and only there"
        )
    if settings.valkey_url and settings.on_one_host:
        raise SettingError("LIMEN_VALKEY_URL", settings.valkey_url, "nothing, where the database is a SQLite file")
    if bool(settings.smtp_url) != bool(settings.mail_from):
        raise SettingError(
            "LIMEN_MAIL_FROM", settings.mail_from, "an address wherever LIMEN_SMTP_URL is set, and only there"
        )
    return settings


def _file(path: Path, named: bool) -> dict[str, str]:
    """The file's settings as text: lists joined by commas, so that file and environment are read by one reader."""
    if not path.exists():
        if named:
            raise SettingError("LIMEN_CONFIG", str(path), "a file that exists")
        return {}
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(str(path), str(error), "a TOML file") from error
    return {name: _written(value) for name, value in data.items()}


def _written(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
