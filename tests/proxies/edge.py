"""An API behind a real proxy: the proxy runs as its file in ``deploy`` says, and asks a real ``limen serve``.

Of the files nothing is changed but what their reader has to change too: addresses, places of files. Callers speak to
the proxy byte by byte, so that no client tidies what they send.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import trustme

from tests.faults.processes import wait_until
from tools.servers.postgres import free_port
from tools.servers.proxies import Proxy

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "api.example.com"
VERSION, OLD, GONE = "2025-06-26", "2025-01-15", "2024-01-15"
"""A version that is active, one that is deprecated, and one that was sunset."""

VERSIONS = {
    VERSION: {},
    OLD: {"deprecated": "2025-07-01", "sunset": "2199-01-01", "successor": VERSION},
    GONE: {"deprecated": "2025-01-01", "sunset": "2025-02-01", "successor": OLD},
}

Pairs = list[tuple[str, str]]


class Seen(NamedTuple):
    """A request as the API received it."""

    method: str
    target: str
    headers: HTTPMessage
    body: bytes

    def limen(self) -> dict[str, str]:
        """What it says of who came: each header that Limen sets, or that an API may take for one, if not empty."""
        pairs = [(name.lower(), value) for name, value in self.headers.items()]
        said = [(name, value) for name, value in pairs if name.replace("_", "-").startswith("limen-") and value]
        assert len(said) == len(dict(said)), said
        return dict(said)


class Answer(NamedTuple):
    """What a caller got."""

    status: int
    headers: HTTPMessage
    body: bytes

    def code(self) -> str:
        """The code of a refusal."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return str(found["code"])


class Api(ThreadingHTTPServer):
    """The API: it keeps what it received, and answers with the status that the query asks for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[Seen] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def close(self) -> None:
        """It answers no more."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(Seen(self.command, self.path, self.headers, body))
        status = int(parse_qs(urlsplit(self.path).query).get("status", ["200"])[0])
        said = f"the API's own {status}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_OPTIONS = _answer  # noqa: N815 - as it looks for them

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Certificate(NamedTuple):
    """Files with the proxy's certificate and its key, and what a caller trusts."""

    chain: Path
    key: Path
    trust: ssl.SSLContext

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """A new one, for ``HOST``, in *folder*."""
        authority = trustme.CA()
        made = authority.issue_cert(HOST)
        chain, key = folder / "chain.pem", folder / "key.pem"
        made.cert_chain_pems[0].write_to_path(chain)
        made.private_key_pem.write_to_path(key)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        return cls(chain, key, trust)


class Places(NamedTuple):
    """What a configuration is told: ports, and the folder in which the proxy writes."""

    secure: int
    plain: int
    door: int
    api: int
    folder: Path
    certificate: Certificate

    def common(self) -> dict[str, str]:
        """What stands in the files of several proxies, and what stands there instead."""
        return {
            "127.0.0.1:8401": f"127.0.0.1:{self.door}",
            "127.0.0.1:8080": f"127.0.0.1:{self.api}",
            "/etc/ssl/api.example.com.pem": str(self.certificate.chain),
            "/etc/ssl/api.example.com.key": str(self.certificate.key),
        }


def _nginx(at: Places) -> Path:
    _copy(
        "nginx/limen.conf",
        at.folder / "limen.conf",
        at.common()
        | {
            "listen 80;": f"listen 127.0.0.1:{at.plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{at.secure} ssl;",
            "/var/log/nginx/limen.log": f"{at.folder}/limen.log",
        },
    )
    # Around it what a distribution's nginx.conf has; `user` only because its folder is private to whoever runs this.
    file = at.folder / "nginx.conf"
    temporary = "".join(f"{each}_temp_path {at.folder}/{each};" for each in ("client_body", "proxy"))
    file.write_text(
        f"user root root;\npid {at.folder}/pid;\nevents {{}}\nhttp {{ {temporary} include {at.folder}/limen.conf; }}\n"
    )
    return file


def _caddy(at: Places) -> Path:
    common = at.common()
    pem, key = common.pop("/etc/ssl/api.example.com.pem"), common.pop("/etc/ssl/api.example.com.key")
    changes = {
        f"https://{HOST} {{": f"https://{HOST}:{at.secure} {{\n\tbind 127.0.0.1\n\ttls {pem} {key}",
        f"http://{HOST} {{": f"http://{HOST}:{at.plain} {{\n\tbind 127.0.0.1",
        "/var/log/caddy/limen.log": f"{at.folder}/limen.log",
    }
    file = _copy("caddy/Caddyfile", at.folder / "Caddyfile", common | changes)
    file.write_text("{\n\tadmin off\n}\n" + file.read_text())
    return file


def _traefik(at: Places) -> Path:
    _copy("traefik/limen.yml", at.folder / "limen.yml", at.common())
    changes = {
        '":80"': f"127.0.0.1:{at.plain}",
        '":443"': f"127.0.0.1:{at.secure}",
        "/etc/traefik/limen.yml": f"{at.folder}/limen.yml",
        "/var/log/traefik/limen.log": f"{at.folder}/limen.log",
    }
    file = _copy("traefik/traefik.yml", at.folder / "traefik.yml", changes)
    file.write_text(file.read_text() + "global:\n  checkNewVersion: false\n  sendAnonymousUsage: false\n")
    return file


def _envoy(at: Places) -> Path:
    changes = {
        "address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {at.secure}",
        "address: 127.0.0.1, port_value: 8401": f"address: 127.0.0.1, port_value: {at.door}",
        "address: 127.0.0.1, port_value: 8080": f"address: 127.0.0.1, port_value: {at.api}",
        "/var/log/envoy/limen.log": f"{at.folder}/limen.log",
    }
    common = {of: to for of, to in at.common().items() if "8080" not in of}
    return _copy("envoy/envoy.yaml", at.folder / "envoy.yaml", common | changes)


def _copy(name: str, to: Path, changes: Mapping[str, str]) -> Path:
    """The file *name* of ``deploy``, at *to*, with each of *changes* made, which all have to be there."""
    said = (DEPLOY / name).read_text()
    for old, new in changes.items():
        assert old in said, f"{old} is not in deploy/{name}"
        said = said.replace(old, new)
    to.write_text(said)
    return to


CONFIGURE: dict[str, Callable[[Places], Path]] = {
    "nginx": _nginx,
    "caddy": _caddy,
    "traefik": _traefik,
    "envoy": _envoy,
}
"""The proxies, and what writes the configuration of each."""


class Edge:
    """A running proxy, and the API behind it."""

    def __init__(self, proxy: Proxy, at: Places, api: Api) -> None:
        self.name, self.proxy, self.at, self.api = proxy.name, proxy, at, api
        self.log = at.folder / "limen.log"
        """The proxy's access log."""

    def __call__(
        self, call: str, key: str | None = None, *more: tuple[str, str], body: bytes | None = None, **how: Any
    ) -> Answer:
        """The answer to *call*, such as ``GET /chats``, of a caller with *key*.

        *version*: None for no header, default the active one. *plain*: without TLS.
        """
        method, target = call.split(" ", 1)
        version, plain = how.pop("version", VERSION), how.pop("plain", False)
        assert not how
        pairs: Pairs = [("Host", HOST), *more]
        pairs += [] if key is None else [("X-Fanvue-API-Key", key)]
        pairs += [] if version is None else [("X-Fanvue-API-Version", version)]
        pairs += [] if body is None else [("Content-Length", str(len(body)))]
        with closing(self._connection(plain=plain)) as connection:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in pairs:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def asks(self) -> bool:
        """Whether it has read its configuration: a port may be open before that."""
        with suppress(OSError):
            answer = self("GET /nowhere")
            return answer.status != 404 or answer.headers["Content-Type"] == "application/problem+json"
        return False

    def _connection(self, *, plain: bool) -> HTTPConnection:
        if plain:
            return HTTPConnection("127.0.0.1", self.at.plain, timeout=20)
        return _ByName("127.0.0.1", self.at.secure, context=self.at.certificate.trust, timeout=20)

    def reached(self, call: str, key: str | None = None, *more: tuple[str, str], **how: Any) -> tuple[Answer, Seen]:
        """The answer to a *call* that reached the API, and what the API saw of it."""
        before = len(self.api.seen)
        answer = self(call, key, *more, **how)
        (seen,) = self.api.seen[before:]
        return answer, seen

    def refused(self, call: str, key: str | None = None, *more: tuple[str, str], **how: Any) -> Answer:
        """The answer to a *call* that did not reach the API."""
        before = len(self.api.seen)
        answer = self(call, key, *more, **how)
        assert self.api.seen[before:] == [], answer
        return answer


class _ByName(HTTPSConnection):
    """A connection to an address whose certificate is for ``HOST``."""

    def connect(self) -> None:
        HTTPConnection.connect(self)
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
        self.sock = context.wrap_socket(self.sock, server_hostname=HOST)


@contextmanager
def edge(
    name: str, api: Api, door: int, certificate: Certificate, changes: Mapping[str, str] | None = None
) -> Iterator[Edge]:
    """The proxy *name* before *api*, asking the gate's door at the port *door*, for as long as the block runs.

    *changes*: of its file, beyond what every reader changes.
    """
    proxy = Proxy(name)
    try:
        at = Places(free_port(), free_port(), door, api.port, proxy.folder, certificate)
        file = CONFIGURE[name](at)
        for old, new in (changes or {}).items():
            assert old in file.read_text(), old
            file.write_text(file.read_text().replace(old, new))
        made = Edge(proxy.start(file, at.secure), at, api)
        wait_until(made.asks, f"{name} to ask Limen")
        yield made
    finally:
        proxy.remove()
