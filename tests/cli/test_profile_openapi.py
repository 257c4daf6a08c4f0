"""``limen profile import-openapi``."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from limen.cli import documents
from limen.profiles import load

HELD = load("creator")


def described(*, without: str = "", **more: Any) -> dict[str, Any]:
    """A document that describes what the shipped profile ``creator`` has, without the operation *without*."""
    paths: dict[str, Any] = {}
    for operation in HELD.operations:
        if operation.name != without:
            asked = [] if operation.public else [{"ApiKey": sorted(operation.scopes)}]
            said = {"operationId": operation.name, "security": asked}
            if operation.method == "POST" and not operation.write:
                said["x-limen-write"] = False
            paths.setdefault(operation.path, {})[operation.method.lower()] = said
    return {"openapi": "3.1.0", "paths": paths, "components": {"securitySchemes": {"ApiKey": {}}}, **more}


NEW = {"get": {"operationId": "listThings", "security": [{"ApiKey": ["read:self"]}]}}
OPEN = {"get": {"operationId": "listThings"}}
LINE = "  - {id: listThings, call: GET /things, scopes: [read:self]}\n"


@pytest.fixture
def files(bare, shipped: str):
    """A profile in ``mine.yaml``, and a function that writes a document to ``openapi.json``."""
    (bare.folder / "mine.yaml").write_text(shipped)

    def write(document: Any = None, **paths: Any) -> str:
        document = described() if document is None else document
        document["paths"].update({f"/{name}": item for name, item in paths.items()})
        (bare.folder / "openapi.json").write_text(json.dumps(document))
        return "openapi.json"

    return write


@pytest.fixture(scope="module")
def shipped() -> str:
    """The shipped profile's text."""
    from limen import profiles

    return (Path(profiles.__file__).parent / "creator.yaml").read_text("utf-8")


def mine(terminal) -> str:
    """The profile's text now."""
    return (terminal.folder / "mine.yaml").read_text("utf-8")


@pytest.mark.req("R50")
def test_the_check_holds_where_both_say_the_same(bare, files) -> None:
    count = len(HELD.operations)
    for profile in ("creator", "mine.yaml"):
        result = bare("profile", "import-openapi", files(), "--into", profile, "--check")
        assert result.stdout == f"{profile} has the operations of the document: {count}.\n"
    found = bare.json("profile", "import-openapi", files(), "--into", "creator", "--check")
    assert (found["problems"], found["differences"], found["written"]) == ([], [], False)
    assert (found["document"], found["profile"], len(found["operations"])) == ("openapi.json", "creator", count)


@pytest.mark.req("R50")
def test_an_operation_without_a_scope_fails_the_check(bare, files) -> None:
    words = ("profile", "import-openapi", files(things=OPEN), "--into", "mine.yaml")
    for more in (("--check",), ("--yes",)):
        result = bare(*words, *more, expect=1)
        assert "openapi.json: /paths/~1things/get/security: found nothing, allowed: security with" in result.stderr
        assert result.stdout == ""
    found = bare.json(*words, "--check", expect=1)
    assert [each["pointer"] for each in found["problems"]] == ["/paths/~1things/get/security"]
    assert found["operations"] == []


def test_each_difference_fails_the_check_and_is_named(bare, files, shipped: str) -> None:
    document = files(described(without="listChats"), things=NEW)
    result = bare("profile", "import-openapi", document, "--into", "mine.yaml", "--check", expect=1)
    assert result.stderr.splitlines() == [
        "mine.yaml: GET /things (listThings): in the document, and not in the profile",
        "mine.yaml: GET /chats (listChats): in the profile, and not in the document",
    ]
    assert mine(bare) == shipped


def test_a_scope_that_the_profile_does_not_have_is_a_problem(bare, files) -> None:
    new = {"get": {"operationId": "listThings", "security": [{"ApiKey": ["read:things"]}]}}
    result = bare("profile", "import-openapi", files(things=new), "--into", "mine.yaml", "--yes", expect=1)
    assert "the scope 'read:things', allowed: one of the profile's: read:self" in result.stderr


def test_the_operations_alone_are_written_after_the_difference_was_shown(bare, files, shipped: str) -> None:
    words = ("profile", "import-openapi", files(things=NEW), "--into", "mine.yaml")
    refused = bare(*words, expect=2)
    assert "--yes" in refused.stderr
    assert f"+{LINE}" in refused.stdout
    assert mine(bare) == shipped
    (bare.folder / "mine.yaml").chmod(0o640)
    result = bare(*words, "--yes")
    assert mine(bare).replace(LINE, "") == shipped
    assert (bare.folder / "mine.yaml").stat().st_mode & 0o777 == 0o640
    assert f"mine.yaml has the {len(HELD.operations) + 1} operations of the document." in result.stdout
    assert "Nothing changes" in bare(*words).stdout
    assert sorted(path.name for path in bare.folder.iterdir()) == ["mine.yaml", "openapi.json"]
    assert "no mistakes" in bare("profile", "check", "mine.yaml").stdout


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not on this machine")
def test_what_was_written_can_be_taken_back(bare, files, shipped: str) -> None:
    document = files(described(without="getCurrentUser"), things=NEW)
    told = bare.json("profile", "import-openapi", document, "--into", "mine.yaml", "--yes")
    assert told["written"] is True
    assert mine(bare) != shipped
    patch = "\n".join(told["differences"]) + "\n"
    subprocess.run(["patch", "-R", "-p0", "-s"], input=patch, text=True, cwd=bare.folder, check=True)
    assert mine(bare) == shipped


def test_a_link_stays_a_link(bare, files) -> None:
    (bare.folder / "link.yaml").symlink_to("mine.yaml")
    bare("profile", "import-openapi", files(things=NEW), "--into", "link.yaml", "--yes")
    assert (bare.folder / "link.yaml").is_symlink()
    assert LINE in mine(bare)


def test_a_profile_that_was_changed_meanwhile_is_left_as_it_is(bare, files, monkeypatch) -> None:
    from limen.cli import openapi

    monkeypatch.setattr(openapi, "confirm", lambda *_, **__: (bare.folder / "mine.yaml").write_text("profile: other\n"))
    words = ("profile", "import-openapi", files(things=NEW), "--into", "mine.yaml")
    assert "meanwhile" in bare(*words, expect=1).stderr
    assert mine(bare) == "profile: other\n"


def test_what_would_be_no_profile_is_not_written(bare, files, shipped: str) -> None:
    (bare.folder / "mine.yaml").write_text(shipped.replace("issuance: approval", "issuance: whenever"))
    before = mine(bare)
    result = bare("profile", "import-openapi", files(things=NEW), "--into", "mine.yaml", "--yes", expect=1)
    assert "found 'whenever', allowed: self_service, approval" in result.stderr
    assert mine(bare) == before


def test_a_profile_without_operations_gets_them(bare, files, shipped: str) -> None:
    before, _, after = shipped.partition("\noperations:\n")
    rest = after[after.index("\nerrors:") :]
    (bare.folder / "mine.yaml").write_text(before + rest)
    bare("profile", "import-openapi", files(), "--into", "mine.yaml", "--yes")
    assert {each.name for each in load(bare.folder / "mine.yaml").operations} == {each.name for each in HELD.operations}


def test_without_a_profile_the_section_is_printed(bare, files) -> None:
    printed = bare("profile", "import-openapi", files(things=NEW)).stdout
    assert printed.startswith("operations:\n")
    assert LINE in printed
    assert yaml.safe_load(printed)["operations"] == bare.json("profile", "import-openapi", "openapi.json")["operations"]


def test_the_version_in_the_path_is_left_out(bare, files) -> None:
    profile = load("organisation")
    document = copy.deepcopy(described())
    document["paths"] = {}
    for each in profile.operations:
        said = {"operationId": each.name, "security": [] if each.public else [{"ApiKey": sorted(each.scopes)}]}
        said |= {"x-limen-write": each.write} if each.method == "POST" else {}
        document["paths"].setdefault(f"/v1{each.path}", {})[each.method.lower()] = said
    bare("profile", "import-openapi", files(document), "--into", "organisation", "--check")


def test_json_yaml_and_standard_input(bare, files) -> None:
    text = (bare.folder / files()).read_text()
    (bare.folder / "openapi.yaml").write_text(yaml.safe_dump(json.loads(text)))
    bare("profile", "import-openapi", "openapi.yaml", "--into", "creator", "--check")
    bare("profile", "import-openapi", "-", "--into", "creator", "--check", input=text)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"{", "no JSON"),
        (b'{"paths": {}, "paths": {}}', "'paths' stands twice"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "deeper nesting"),
        (b"a: [", "no YAML"),
        (b"a: 1\na: 2\n", "the key 'a' again"),
        (b"", "nothing"),
        (b"openapi: 2.0\n", "'2.0'"),
        (b" " * (documents.MOST_BYTES + 1), "a larger document"),
    ],
)
def test_a_document_that_cannot_be_read(bare, content: bytes, found: str) -> None:
    (bare.folder / "openapi.json").write_bytes(content)
    assert found in bare("profile", "import-openapi", "openapi.json", expect=1).stderr
    assert found in bare.json("profile", "import-openapi", "openapi.json", expect=1)["problems"][0]["found"]


def test_what_is_called_in_a_wrong_way(bare, files) -> None:
    assert "--into" in bare("profile", "import-openapi", files(), "--check", expect=2).stderr
    assert "comes with Limen" in bare("profile", "import-openapi", files(), "--into", "creator", expect=2).stderr
    assert "No such file" in bare("profile", "import-openapi", "nowhere.json", expect=1).stderr
    assert "nowhere.yaml" in bare("profile", "import-openapi", files(), "--into", "nowhere.yaml", expect=1).stderr
    for address in ("http://192.0.2.1/x", "http://example.com/x", "ftp://127.0.0.1/x", "https://me@example.com/x"):
        assert "allowed: https://" in bare("profile", "import-openapi", address, expect=2).stderr


class Application(BaseHTTPRequestHandler):
    """Serves ``answers``: a status, headers and a body by path."""

    answers: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {}

    def do_GET(self) -> None:
        status, headers, body = self.answers[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def served() -> Iterator[str]:
    """An address on this host that answers a document, a redirect, an error, and what has no end."""
    Application.answers = {
        "/openapi.json?v=1": (200, {}, json.dumps(described()).encode()),
        "/moved": (307, {"Location": "http://192.0.2.1/"}, b""),
        "/gone": (404, {}, b"{}"),
        "/endless": (200, {}, b" " * (documents.MOST_BYTES + 100)),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_application_that_runs_here_is_asked(bare, served: str, monkeypatch) -> None:
    bare("profile", "import-openapi", f"{served}/openapi.json?v=1", "--into", "creator", "--check")
    for path, found in {"/moved": "the answer 307", "/gone": "the answer 404", "/endless": "a larger document"}.items():
        assert found in bare("profile", "import-openapi", f"{served}{path}", expect=1).stderr
    assert "no answer" in bare("profile", "import-openapi", "http://127.0.0.1:1/openapi.json", expect=1).stderr
    monkeypatch.setattr(documents, "LONGEST_S", -1.0)
    assert "no end after" in bare("profile", "import-openapi", f"{served}/openapi.json?v=1", expect=1).stderr
