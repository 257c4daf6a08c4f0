"""Routing: a path names the best template that fits it, and a path that could be read in two ways names none."""

from __future__ import annotations

import string
import time
import urllib.parse
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limen.core.routes import METHODS, Operation, Routes, overlap, split_template

UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()
RAW = UNRESERVED + b"!$&'()*+,=:@"

LITERALS = ["a", "b", "v1", "a.b", "~c"]
templates = st.lists(st.sampled_from([*LITERALS[:3], "{x}", "{y}"]), min_size=1, max_size=4).map(
    lambda segments: "/" + "/".join(segments)
)
segments = st.one_of(
    st.sampled_from([literal.encode() for literal in LITERALS]),
    st.sampled_from([b"q", b"%20", b"%C3%A9", b"A", b"3f2b8c1e-0000", b"{x}"]),
    st.sampled_from([b"", b".", b"..", b"%2e%2E", b"%2F", b"%61", b"a;b", b"\x00", b"\xe9", b"%", b"a" * 257]),
)
paths = st.lists(segments, min_size=1, max_size=5).map(lambda found: b"/" + b"/".join(found))


def _operation(path: str, method: str = "GET") -> Operation:
    return Operation(f"{method} {path}", method, path)


def _routes(*paths: str) -> Routes:
    return Routes(_operation(path) for path in paths)


def _found(routes: Routes, path: bytes, method: bytes = b"GET") -> str | None:
    operation = routes.find(method, path)
    return operation.path if operation else None


def _one_each(found: Iterable[str]) -> list[str]:
    """Of templates that differ in the names of their parameters only, the first."""
    shapes: dict[tuple[str, ...], str] = {}
    for path in found:
        shapes.setdefault(tuple("{}" if part[0] == "{" else part for part in split_template(path)), path)
    return list(shapes.values())


# The oracle, written apart from the code under test: no tree, no regular expression, every template tried.


def _clear(value: bytes) -> bool:
    """Whether a parameter's value reads the same to every program."""
    characters, at = 0, 0
    while at < len(value):
        if value[at] == ord("%"):
            digits = value[at + 1 : at + 3].decode("latin-1")
            if len(digits) < 2 or not set(digits) <= set(string.hexdigits):
                return False
            byte = int(digits, 16)
            if byte < 0x20 or byte == 0x7F or byte in UNRESERVED + b"%/\\;" or _overlong(value[at : at + 6]):
                return False
            at += 2
        elif value[at] not in RAW:
            return False
        characters, at = characters + 1, at + 1
    return 1 <= characters <= 256 and value not in {b".", b".."}


def _overlong(encoded: bytes) -> bool:
    """Whether UTF-8 that *encoded* begins with is longer than it need be, or of five bytes and more (RFC 3629 §3)."""
    lead, *rest = urllib.parse.unquote_to_bytes(encoded)
    follow = rest[0] if rest and encoded[3:4] == b"%" else 0
    lowest = {0xE0: 0xA0, 0xF0: 0x90}.get(lead, 0x80)
    return lead in {0xC0, 0xC1} or lead >= 0xF5 or 0x80 <= follow < lowest


def _fits(template: str, path: bytes) -> bool:
    want, have = split_template(template), path.split(b"/")[1:]
    return len(want) == len(have) and all(
        _clear(value) if part[0] == "{" else part.encode() == value for part, value in zip(want, have, strict=True)
    )


def _best(found: Iterable[str], path: bytes) -> str | None:
    """Of the templates that fit *path*, the one with a literal where, from the left, they first differ."""
    fitting = [template for template in found if _fits(template, path)]
    return min(fitting, key=lambda template: [part[0] == "{" for part in split_template(template)], default=None)


@pytest.mark.req("R50")
@pytest.mark.check("C061")
@given(st.lists(templates, max_size=12).map(_one_each), st.lists(paths, min_size=1, max_size=12))
@example(["/{y}/b/v1", "/{y}/{x}/a", "/a/{x}/a"], [b"/a/b/a"])
@example(["/a/{x}", "/{x}/b"], [b"/a/b"])
@example(["/a/b/v1", "/a/{x}/a", "/{x}/b/b", "/{x}/{y}/~c"], [b"/a/b/v1", b"/a/b/a", b"/a/b/b", b"/a/b/~c"])
def test_the_best_of_all_fitting_templates_is_found_in_whatever_order_they_came(
    listed: list[str], asked: list[bytes]
) -> None:
    for ordered in (listed, listed[::-1]):
        routes = _routes(*ordered)
        assert [_found(routes, path) for path in asked] == [_best(listed, path) for path in asked]


def _segment_of(characters: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from([bytes((character,)) for character in characters]), max_size=6).map(b"".join)


leads_and_follows = st.one_of(st.integers(0, 255), st.sampled_from([0xC1, 0xC2, 0xE0, 0xF0, 0x80, 0x8F, 0x9F, 0xA0]))
encoded = st.lists(leads_and_follows, max_size=4).map(lambda found: b"".join(b"%%%02X" % byte for byte in found))


@pytest.mark.check("C061")
@given(
    st.one_of(
        st.binary(max_size=12),
        _segment_of(RAW),
        encoded,
        encoded.map(bytes.lower),
        st.tuples(_segment_of(RAW), encoded, _segment_of(b"%2eEfF5cC./\\;")).map(b"".join),
    )
)
def test_a_parameter_takes_exactly_the_values_that_read_the_same_to_every_program(value: bytes) -> None:
    routes = _routes("/things/{thing}/end")
    taken = _found(routes, b"/things/" + value + b"/end") is not None
    assert taken is (b"/" not in value and _clear(value))


def test_every_byte_raw_and_encoded_is_taken_or_refused_as_the_rule_says() -> None:
    routes = _routes("/things/{thing}")
    raw = {byte for byte in range(256) if _found(routes, b"/things/x%cx" % byte)}
    assert raw == set(RAW)
    for form in (b"%%%02X", b"%%%02x"):
        taken = {byte for byte in range(256) if _found(routes, b"/things/x" + form % byte)}
        assert taken == set(range(0x20, 0xF5)) - {0x7F, 0xC0, 0xC1} - set(UNRESERVED + b"%/\\;")


AMBIGUOUS = {
    "dot segment": [b".", b"..", b"%2e", b"%2E", b"%2e%2e", b".%2e", b"%2E."],
    "encoded slash": [b"%2f", b"%2F", b"a%2Fb", b"..%2fmessages", b"%5c", b"%5C..%5C"],
    "encoded dot": [b"file%2Epdf"],
    "encoded percent": [b"%25", b"%252F", b"%25%32%46"],
    "broken encoding": [b"%", b"%2", b"%zz", b"%-1", b"% 2", b"a%", b"%u002F", b"%%32F"],
    "control character": [b"\x00", b"a\x00b", b"%00", b"a%00b", b"\n", b"%0A", b"%0d%0a", b"\x7f", b"%7F", b"%1F"],
    "semicolon": [b";", b"a;b=c", b"a;/..", b"%3B", b"%3b"],
    "backslash": [b"\\", b"a\\b", b"..\\"],
    "empty segment": [b"", b"/", b"a/", b"/a"],
    "beyond ASCII": [b"\xc3\xa9", b"\xe9", b"\xff", b"\xc0\xaf", "\uff0f".encode()],
    "overlong UTF-8": [b"%C0%AF", b"%c0%ae", b"%C1%9C", b"%E0%80%AF", b"%e0%9f%bf", b"%F0%80%80%AF", b"%f0%8f%bf%bf"],
    "no UTF-8 of today": [b"%F8%80%80%80%AF", b"%FC%80%80%80%80%AF", b"%F5%80%80%80", b"%FF"],
    "encoded for no reason": [b"%61", b"unrea%64", b"%4D", b"%39", b"a%2Db", b"a%5Fb", b"%7E", b"%7e"],
    "not of a path": [b"a b", b"a?b", b"a#b", b'"', b"<a>", b"{id}", b"a|b", b"^", b"`", b"[1]"],
    "overlong": [b"a" * 257, b"%20" * 257, b"." * 257],
}


@pytest.mark.check("C061")
@pytest.mark.parametrize(("value", "why"), [(value, why) for why, values in AMBIGUOUS.items() for value in values])
def test_what_two_programs_could_read_differently_is_refused_not_normalised(value: bytes, why: str) -> None:
    """Also where a deeper, a shallower and a literal template stand ready to take it."""
    routes = _routes("/chats", "/chats/{id}", "/chats/{id}/{of}", "/chats/unread", "/chats/{id}/{of}/{it}")
    assert _found(routes, b"/chats/" + value) is None, why
    assert _found(routes, b"/chats/x/" + value) is None, why
    assert _found(routes, b"/chats/" + value + b"/x") is None, why


@pytest.mark.parametrize(
    "value",
    [
        *(b"3f2b8c1e-1d2c-4b5a-8f00-0123456789ab", b"a.b", b"...", b"a..b", b".well-known", b"~user", b"-", b"_", b"0"),
        *(
            b"%20",
            b"caf%C3%A9",
            b"%e2%82%ac",
            b"%F0%9F%98%80",
            b"%E0%A0%80",
            b"a:b",
            b"a@b",
            b"a,b",
            b"a=b&c=d",
            b"'*+$!()",
        ),
        *(b"a" * 128, b"a" * 129, b"a" * 256, b"%20" * 256),
    ],
)
def test_what_reads_the_same_to_everyone_is_a_value(value: bytes) -> None:
    assert _found(_routes("/chats/{id}"), b"/chats/" + value) == "/chats/{id}"


@pytest.mark.check("C061")
@given(st.sampled_from(LITERALS), st.data())
def test_a_literal_in_another_spelling_is_no_value_of_the_parameter_beside_it(
    literal: str, data: st.DataObject
) -> None:
    """So an API that decodes first and routes then comes to the same operation."""
    forms = data.draw(
        st.lists(st.sampled_from(["%c", "%%%02x", "%%%02X"]), min_size=len(literal), max_size=len(literal))
    )
    spelling = "".join(form % ord(letter) for form, letter in zip(forms, literal, strict=True))
    routes = _routes("/{x}", *(f"/{beside}" for beside in LITERALS))
    assert _found(routes, f"/{spelling}".encode()) == (f"/{literal}" if spelling == literal else None)


@pytest.mark.check("C061")
@pytest.mark.parametrize("path", [b"/chats/unread", b"/chats"])
def test_no_other_spelling_of_a_literal_names_it(path: bytes) -> None:
    routes = _routes("/chats", "/chats/unread")
    assert _found(routes, path) == path.decode()
    spellings = [path + b"/", b"/" + path, path + b";a=b", path + b"/.", path + b"/x/..", b"/." + path, b"/x/.." + path]
    spellings += [
        path.upper(),
        path.replace(b"c", b"%63"),
        path + b"?",
        path + b"#",
        path + b"%00",
        path[1:],
        b"*" + path,
    ]
    spellings += [path.replace(b"/", b"\\"), path.replace(b"/", b"//"), path.replace(b"/", b"%2F"), path + b".json"]
    assert [spelling for spelling in spellings if _found(routes, spelling)] == []


@given(
    st.binary(max_size=20), st.binary(max_size=60), st.lists(st.sampled_from([b"/", b"..", b"%2f", b"x"]), max_size=20)
)
def test_any_bytes_are_answered_and_never_raise(method: bytes, noise: bytes, parts: list[bytes]) -> None:
    routes = _routes("/x", "/x/{y}", "/{x}/{y}/{z}")
    for path in (noise, b"/" + noise, b"".join(parts), b"/x/" + noise):
        assert method in {b"GET", b"HEAD"} or routes.find(method, path) is None
        found = routes.find(b"GET", path)
        assert found is None or _fits(found.path, path)


def test_a_long_path_is_refused_at_once() -> None:
    """A million bytes, as one segment, as many, and as many that almost fit: no backtracking, no recursion."""
    routes = _routes("/x/{y}", "/{x}/{y}/{z}")
    begun = time.process_time()
    for unit in (b"a", b"/", b"x/", b"%20", b"%2", b"../", b".", b"!%"):
        assert _found(routes, b"/x/" + unit * 1_000_000) is None
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("path", [b"", b"/", b"*", b"x", b"http://host/x", b"//host/x", b"//x", b"/ "])
def test_a_path_that_is_no_absolute_path_of_ours_names_nothing(path: bytes) -> None:
    assert _found(_routes("/x", "/{x}", "/{x}/{y}"), path) is None


@given(st.lists(templates, min_size=1, max_size=8).map(_one_each), paths)
def test_head_is_get(listed: list[str], path: bytes) -> None:
    routes = _routes(*listed)
    assert routes.find(b"HEAD", path) is routes.find(b"GET", path)


def test_head_is_nothing_where_there_is_no_get() -> None:
    assert Routes([_operation("/x", "POST")]).find(b"HEAD", b"/x") is None


@pytest.mark.parametrize("method", ["PUT", "TRACE", "CONNECT", "get", "Get", "GET ", "", "HEADER", "GET\x00", "QUERY"])
def test_a_method_that_no_operation_has_names_nothing(method: str) -> None:
    assert Routes([_operation("/x"), _operation("/x", "POST")]).find(method.encode(), b"/x") is None


def test_each_method_has_its_own_operations() -> None:
    routes = Routes([_operation("/x", method) for method in METHODS])
    assert [_found_method(routes, method) for method in METHODS] == list(METHODS)


def _found_method(routes: Routes, method: str) -> str | None:
    operation = routes.find(method.encode(), b"/x")
    return operation.method if operation else None


@pytest.mark.req("R127")
def test_a_write_that_no_profile_lists_names_no_operation() -> None:
    routes = Routes([_operation("/chats"), Operation("send", "POST", "/chats/{id}/message", write=True)])
    assert routes.find(b"POST", b"/chats/7/message") is not None
    for method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
        assert routes.find(method, b"/chats") is None


@pytest.mark.parametrize(
    ("one", "other"), [("/a", "/a"), ("/a/{x}", "/a/{x}"), ("/a/{x}", "/a/{y}"), ("/{a}/b/{c}", "/{x}/b/{y}")]
)
def test_two_operations_on_one_template_are_refused_and_named(one: str, other: str) -> None:
    with pytest.raises(ValueError, match="is the path of first already"):
        Routes([Operation("first", "GET", one), Operation("second", "GET", other)])


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "a",
            "//",
            "/a/",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a b",
            "/a%20b",
            "/a;b",
            "/a?b",
            "/a#b",
            "/é",
            "/*",
        ),
        *(
            "/{}",
            "/{1}",
            "/{a-b}",
            "/{a",
            "/a}",
            "/x{a}",
            "/{a}x",
            "/{a}{b}",
            "/{a}.json",
            "/a\n",
            "/a\x00",
            "/" + "a" * 257,
        ),
    ],
)
def test_a_template_that_is_not_literals_and_parameters_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        split_template(path)
    with pytest.raises(ValueError, match="path"):
        _routes(path)


@pytest.mark.parametrize("path", ["/a", "/a/{b}/c", "/v1/~x/a.b_c-d", "/{_}", "/{aB_1}", "/...", "/" + "a" * 256])
def test_a_template_is_split_into_its_segments(path: str) -> None:
    assert "/" + "/".join(split_template(path)) == path


def _instances(template: str) -> set[tuple[str, ...]]:
    """Every path over the literals and one other value that the template fits."""
    found: set[tuple[str, ...]] = {()}
    for part in split_template(template):
        values = [*LITERALS[:3], "other"] if part[0] == "{" else [part]
        found = {(*before, value) for before in found for value in values}
    return found


@given(templates, templates)
@example("/a/{x}", "/{y}/b")
@example("/a/{x}/b", "/a/v1/{x}")
def test_templates_overlap_exactly_if_some_path_fits_both(one: str, other: str) -> None:
    assert overlap(one, other) is bool(_instances(one) & _instances(other))
    assert overlap(one, other) is overlap(other, one)
    assert overlap(one, one)


def test_five_hundred_operations_are_compiled_at_once() -> None:
    begun = time.process_time()
    routes = _routes(
        *(f"/r{number}/{{a}}/{part}/{{b}}" for number in range(100) for part in ("p", "q", "{r}", "s", "t"))
    )
    assert _found(routes, b"/r99/x/q/y") == "/r99/{a}/q/{b}"
    assert _found(routes, b"/r99/x/other/y") == "/r99/{a}/{r}/{b}"
    assert time.process_time() - begun < 1
