"""What a request carries: one credential from the places that the profile names, its version, and what is left."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.carriers import Carriers, is_preflight, split_version
from limen.core.keys import CONFLICT
from limen.core.profile import Carrier, Versioning

KEY, OTHER = b"sk_live_one", b"sk_live_two"
EVERYWHERE = (Carrier("header", "X-Api-Key"), Carrier("bearer"), Carrier("query", "api_key"))
HEADER_ONLY = (Carrier("header", "X-Api-Key"),)
IN_PATH = Versioning("path", "", "segment", "rfc9745", "X-Next", ())

Header = tuple[bytes, bytes]


def _key(value: bytes) -> Header:
    return b"x-api-key", value


def _authorization(value: bytes) -> Header:
    return b"authorization", value


@pytest.fixture(scope="module")
def everywhere(new: SimpleNamespace) -> Carriers:
    """The carriers of a profile that takes keys from a header, as bearer and from the query."""
    return Carriers(new.profile(carriers=EVERYWHERE))


@pytest.fixture(scope="module")
def header_only(new: SimpleNamespace) -> Carriers:
    """The carriers of a profile that takes keys from one header, and leaves bearers to OAuth."""
    return Carriers(new.profile(carriers=HEADER_ONLY))


def _found(carriers: Carriers, *headers: Header, query: bytes = b"") -> bytes | None:
    return carriers.read(headers, b"/", query).credential


@pytest.mark.req("R29", "R37", "R236", "R237")
def test_a_key_is_found_wherever_the_profile_says_it_may_travel(everywhere: Carriers) -> None:
    assert _found(everywhere, _key(KEY)) == KEY
    assert _found(everywhere, _authorization(b"Bearer " + KEY)) == KEY
    assert _found(everywhere, query=b"api_key=" + KEY) == KEY
    assert _found(everywhere) is None


@pytest.mark.req("R29")
def test_a_key_is_not_looked_for_anywhere_else(header_only: Carriers) -> None:
    assert _found(header_only, _authorization(b"Bearer " + KEY)) is None
    assert _found(header_only, query=b"api_key=" + KEY) is None
    assert _found(header_only, (b"x-other-key", KEY), (b"cookie", b"x-api-key=" + KEY)) is None
    assert header_only.read([], b"/", b"api_key=" + KEY).query == b"api_key=" + KEY


@pytest.mark.req("R236")
@pytest.mark.check("C018")
@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
@pytest.mark.parametrize("spaces", [1, 2, 7])
def test_the_scheme_is_written_in_any_case_and_followed_by_one_space_or_more(
    everywhere: Carriers, scheme: bytes, spaces: int
) -> None:
    assert _found(everywhere, _authorization(scheme + b" " * spaces + KEY)) == KEY


@pytest.mark.check("C018")
@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer" + KEY,
        b"Bearer\t" + KEY,
        b"Bearer\xa0" + KEY,
        b" Bearer " + KEY,
        b"Basic c2s6",
        b"Token " + KEY,
        b"Bearerx " + KEY,
        KEY,
        b"",
    ],
)
def test_what_is_not_the_scheme_and_a_space_is_no_bearer(everywhere: Carriers, value: bytes) -> None:
    assert _found(everywhere, _authorization(value)) is None


# Every place a credential can be in, and how it looks there: what a table of all pairs is made of.
PLACES: dict[str, tuple[list[Header], bytes]] = {
    "the header": ([_key(KEY)], b""),
    "a bearer": ([_authorization(b"Bearer " + KEY)], b""),
    "the query": ([], b"api_key=" + KEY),
    "the query, its name encoded": ([], b"%61pi%5Fkey=" + KEY),
}


@pytest.mark.check("C017")
@pytest.mark.parametrize("same", [True, False], ids=["the same key", "another key"])
@pytest.mark.parametrize("pair", list(itertools.combinations_with_replacement(PLACES, 2)), ids=" and ".join)
def test_two_credentials_in_whatever_places_are_a_conflict(
    everywhere: Carriers, pair: tuple[str, str], same: bool
) -> None:
    (headers, query), (more, second) = PLACES[pair[0]], PLACES[pair[1]]
    if not same:
        more = [(name, value.replace(KEY, OTHER)) for name, value in more]
        second = second.replace(KEY, OTHER)
    for order in ([*headers, *more], [*more, *headers]):
        assert _found(everywhere, *order, query=b"&".join(filter(None, (query, second)))) is CONFLICT


@pytest.mark.check("C017")
@pytest.mark.parametrize("value", [KEY + b"," + OTHER, KEY + b", " + KEY, KEY + b",", b"," + KEY, b","])
def test_a_comma_is_what_a_proxy_joins_two_credentials_with(everywhere: Carriers, value: bytes) -> None:
    assert _found(everywhere, _key(value)) is CONFLICT
    assert _found(everywhere, _authorization(b"Bearer " + value)) is CONFLICT


@pytest.mark.check("C017")
def test_two_authorizations_are_a_conflict_whatever_they_hold(everywhere: Carriers, header_only: Carriers) -> None:
    """One server takes the first, another the last: nobody behind the door may see another one than the door saw."""
    values = [b"Bearer " + KEY, b"Basic c2s6", b"Bearer", b""]
    for pair in itertools.product(values, repeat=2):
        twice = [_authorization(value) for value in pair]
        for carriers in (everywhere, header_only):
            assert _found(carriers, *twice) is CONFLICT
            assert _found(carriers, _key(KEY), *twice) is CONFLICT
            assert _found(carriers, *twice, _key(KEY)) is CONFLICT


@pytest.mark.check("C017")
def test_a_bearer_beside_a_key_is_a_conflict_where_bearers_are_none_of_ours_too(header_only: Carriers) -> None:
    assert _found(header_only, _authorization(b"Bearer some-token"), _key(KEY)) is CONFLICT
    assert _found(header_only, _key(KEY), _authorization(b"Bearer some-token")) is CONFLICT


def test_another_scheme_beside_a_key_is_none_of_our_business(everywhere: Carriers, header_only: Carriers) -> None:
    for carriers in (everywhere, header_only):
        assert _found(carriers, _authorization(b"Basic c2s6"), _key(KEY)) == KEY


def test_three_credentials_are_no_less_of_a_conflict_than_two(everywhere: Carriers) -> None:
    headers = [_key(KEY), _authorization(b"Bearer " + KEY), _key(OTHER)]
    for order in itertools.permutations(headers):
        assert _found(everywhere, *order, query=b"api_key=" + KEY) is CONFLICT


def test_a_credential_that_spells_the_mark_of_a_conflict_is_not_taken_for_one(everywhere: Carriers) -> None:
    assert _found(everywhere, _key(bytes(CONFLICT[:1]) + CONFLICT[1:])) is not CONFLICT


def test_an_empty_header_carries_nothing(everywhere: Carriers) -> None:
    assert _found(everywhere, _key(b"")) is None
    assert _found(everywhere, _key(b""), _authorization(b"Bearer " + KEY)) == KEY
    assert _found(everywhere, _key(b""), _key(KEY)) == KEY


@pytest.mark.parametrize("query", [b"api_key=", b"api_key", b"api_key=&a=1"])
def test_an_empty_parameter_is_no_key_and_goes_nowhere(everywhere: Carriers, query: bytes) -> None:
    found = everywhere.read([], b"/", query)
    assert not found.credential
    assert b"api_key" not in found.query


@pytest.mark.req("R237")
@pytest.mark.parametrize(
    ("query", "credential", "left"),
    [
        (b"api_key=k", b"k", b""),
        (b"a=1&api_key=k&b=2", b"k", b"a=1&b=2"),
        (b"api_key=k&a=1", b"k", b"a=1"),
        (b"%61pi_key=k&a=1", b"k", b"a=1"),
        (b"api%5Fkey=k", b"k", b""),
        (b"%61%70%69%5f%6b%65%79=k", b"k", b""),
        (b"api_key=%6B%2Bx", b"k+x", b""),
        (b"api_key=a+b", b"a b", b""),
        (b"api_key=k=v", b"k=v", b""),
        (b"API_KEY=k", None, b"API_KEY=k"),
        (b"xapi_key=k&api_keys=k", None, b"xapi_key=k&api_keys=k"),
        (b"api_key[]=k", None, b"api_key[]=k"),
        (b"a=1&&b=%zz&=&c", None, b"a=1&&b=%zz&=&c"),
        (b"a=api_key=k", None, b"a=api_key=k"),
        (b"api+key=k", None, b"api+key=k"),
    ],
)
def test_the_query_key_is_found_by_its_decoded_name_and_taken_out(
    everywhere: Carriers, query: bytes, credential: bytes | None, left: bytes
) -> None:
    """What is left is left as it was, byte for byte."""
    found = everywhere.read([], b"/", query)
    assert (found.credential, found.query) == (credential, left)


def test_every_key_of_a_query_is_taken_out_where_there_are_several(everywhere: Carriers) -> None:
    found = everywhere.read([], b"/", b"api_key=k&a=1&%61pi_key=x&api_key=")
    assert (found.credential, found.query) == (CONFLICT, b"a=1")


@pytest.mark.req("R39")
def test_the_version_is_what_its_header_says(header_only: Carriers) -> None:
    read = header_only.read
    assert read([(b"x-api-version", b"2025-06-26")], b"/x", b"").version == b"2025-06-26"
    assert read([(b"x-version", b"2025-06-26")], b"/v1/x", b"").version is None
    assert read([], b"/v1/x", b"").path == b"/v1/x"


@pytest.mark.parametrize("second", [b"2025-06-26", b"2026-01-15", b""])
def test_a_version_that_is_named_twice_is_no_version(header_only: Carriers, second: bytes) -> None:
    found = header_only.read([(b"x-api-version", b"2025-06-26"), (b"x-api-version", second)], b"/", b"")
    assert found.version == b"2025-06-26," + second


@pytest.mark.parametrize(
    ("path", "version", "rest"),
    [
        (b"/v1/experiences", b"v1", b"/experiences"),
        (b"/v12/a/b", b"v12", b"/a/b"),
        (b"/v1/", b"v1", b"/"),
        (b"/v1//x", b"v1", b"//x"),
        (b"/v1/v2/x", b"v1", b"/v2/x"),
        (b"/v99999/x", b"v99999", b"/x"),
        (b"/v1", None, b"/v1"),
        (b"/v/x", None, b"/v/x"),
        (b"/V1/x", None, b"/V1/x"),
        (b"/v1a/x", None, b"/v1a/x"),
        (b"/%761/x", None, b"/%761/x"),
        (b"/v\xb2/x", None, b"/v\xb2/x"),
        (b"//v1/x", None, b"//v1/x"),
        (b"/experiences", None, b"/experiences"),
        (b"/", None, b"/"),
        (b"", None, b""),
    ],
)
def test_a_version_in_the_path_is_its_first_segment(
    new: SimpleNamespace, path: bytes, version: bytes | None, rest: bytes
) -> None:
    assert split_version(path) == (version, rest)
    found = Carriers(new.profile(carriers=EVERYWHERE, versioning=IN_PATH)).read([], path, b"")
    assert (found.version, found.path) == (version, rest)


def test_a_version_header_says_nothing_where_the_version_is_in_the_path(new: SimpleNamespace) -> None:
    carriers = Carriers(new.profile(versioning=IN_PATH))
    assert carriers.read([(b"x-api-version", b"v2")], b"/v1/x", b"").version == b"v1"


def test_an_api_without_versions_reads_none(new: SimpleNamespace) -> None:
    found = Carriers(new.profile(versioning=None)).read([(b"x-api-version", b"v2")], b"/v1/x", b"")
    assert (found.version, found.path) == (None, b"/v1/x")


def test_two_origins_are_none_that_a_key_could_allow(everywhere: Carriers) -> None:
    good, bad = b"https://app.example.com", b"https://evil.example"
    assert everywhere.read([(b"origin", good)], b"/", b"").origin == good
    for order in itertools.permutations((good, bad)):
        assert everywhere.read([(b"origin", value) for value in order], b"/", b"").origin == b",".join(order)


def test_the_names_that_a_request_may_carry_are_those_of_the_profile(new: SimpleNamespace) -> None:
    assert Carriers(new.profile(carriers=EVERYWHERE)).names == [b"x-api-key", b"authorization", b"x-api-version"]
    assert Carriers(new.profile(carriers=HEADER_ONLY, versioning=IN_PATH)).names == [b"x-api-key"]


@pytest.mark.parametrize(
    ("method", "names", "is_one"),
    [
        (b"OPTIONS", [b"origin", b"access-control-request-method"], True),
        (b"OPTIONS", [b"origin", b"access-control-request-method", b"authorization"], True),
        (b"OPTIONS", [b"origin"], False),
        (b"OPTIONS", [b"access-control-request-method"], False),
        (b"GET", [b"origin", b"access-control-request-method"], False),
        (b"options", [b"origin", b"access-control-request-method"], False),
    ],
)
def test_a_preflight_is_told_by_its_method_and_two_headers(method: bytes, names: list[bytes], is_one: bool) -> None:
    assert is_preflight(method, [(name, b"x") for name in names]) is is_one


names = st.sampled_from([b"x-api-key", b"authorization", b"x-api-version", b"origin", b"limen-owner"]) | st.binary()
values = st.sampled_from([KEY, b"Bearer " + KEY, b"bearer", b"a,b"]) | st.binary()
queries = st.binary() | st.lists(st.sampled_from([b"api_key=k", b"%61pi_key=", b"a=1", b"", b"%"])).map(b"&".join)


@given(st.lists(st.tuples(names, values), max_size=8), st.binary(), queries)
def test_reading_never_raises_and_never_leaves_a_key_in_the_query(
    everywhere: Carriers, headers: list[Header], path: bytes, query: bytes
) -> None:
    found = everywhere.read(headers, path, query)
    again = everywhere.read([], path, found.query)
    assert again.credential is None
    assert again.query == found.query
