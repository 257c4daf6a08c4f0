"""``/metrics``: the installation's numbers in Prometheus' text format (0.0.4). No key, path or address is in it.

They come from the roll-ups and the files of the journal, so that no request is counted twice for them, and every
process of the installation says the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import ceil

from limen import __version__
from limen.app import App
from limen.control import apis, statistics
from limen.core.problems import StoreDown
from limen.core.rollup import STEPS, bucket_ms
from limen.gate.lease import ClusterLease
from limen.http.wire import NO_STORE, Send, problem, reply

MEDIA = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")

_LOWEST, _HIGHEST = 8, 26
"""The bounds of the histogram: powers of two of a microsecond, 0.26 ms to 67 s. They are bounds of buckets too."""

Sample = tuple[str, Mapping[str, str], float]


def exposition(app: App) -> bytes:
    """All numbers. Raises StoreDown. Some 10 ms: to be asked for beside the event loop."""
    with app.reading() as reader:
        names = [each.api for each in apis.listed(reader, built_in=True)]
        found = statistics.meters(reader, names)
    families = [
        _family("limen_build_info", "gauge", "The release.", [("", {"version": __version__}, 1)]),
        _family(
            "limen_decisions_total",
            "counter",
            "Decisions on known keys, recorded since the month began (UTC).",
            [("", {"api": api, "code": code}, count) for (api, code), count in found.decisions.items()],
        ),
        _family(
            "limen_strangers_refused_last_hour",
            "gauge",
            "Refusals without a known key in the last hour.",
            [("", {"api": api, "code": code}, count) for (api, code), count in found.strangers.items()],
        ),
        _family(
            "limen_answer_seconds",
            "histogram",
            "How long the API took to answer what was admitted, where that is known, since the day began (UTC).",
            [sample for api, took in sorted(found.took.items()) for sample in _histogram(api, took)],
        ),
        *_journals(app),
    ]
    if app.cluster is not None and isinstance(app.cluster.lease, ClusterLease):
        left = app.cluster.lease.left_s(app.clock.read()[1])
        said = "For how long this process may answer from memory if it hears nothing."
        families.append(_family("limen_lease_remaining_seconds", "gauge", said, [("", {}, left)]))
    return "".join(families).encode()


async def metrics(app: App, send: Send) -> None:
    """Answer with all numbers, or with 503 where the database does not."""
    try:
        body = await asyncio.to_thread(exposition, app)
    except StoreDown as error:
        await problem(send, error.problem.code, error.detail)
        return
    await reply(send, 200, (MEDIA, NO_STORE), body)


def _histogram(api: str, took: Mapping[int, int]) -> Iterable[Sample]:
    """Answers by how long they took at most; their sum is within 9 %, as each is known by its bucket alone."""
    below: Counter[int] = Counter()
    for place, count in took.items():
        below[max(_LOWEST, ceil((place + 1) / STEPS))] += count
    bounds = range(_LOWEST, _HIGHEST + 1)
    for bound, count in zip(bounds, accumulate(below[bound] for bound in bounds), strict=True):
        yield "_bucket", {"api": api, "le": f"{2**bound / 1e6:.6g}"}, count
    total = sum(took.values())
    yield "_bucket", {"api": api, "le": "+Inf"}, total
    yield "_sum", {"api": api}, round(sum(count * bucket_ms(place + 0.5) for place, count in took.items()) / 1e3, 6)
    yield "_count", {"api": api}, total


def _journals(app: App) -> list[str]:
    """What waits on this host to be drained: files, and of what size. One is in use and one in reserve, a process."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for path in (app.settings.state_folder / "journal").glob("*/*.seg"):
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # it is drained
            continue
        files[path.parent.name] += 1
        sizes[path.parent.name] += size
    return [
        _family(
            "limen_journal_segments",
            "gauge",
            "Segments of the journal on this host, those in use and in reserve among them.",
            [("", {"api": api}, count) for api, count in sorted(files.items())],
        ),
        _family(
            "limen_journal_bytes",
            "gauge",
            "How large these segments are.",
            [("", {"api": api}, size) for api, size in sorted(sizes.items())],
        ),
        _family(
            "limen_journal_segments_limit",
            "gauge",
            "At how many segments of one API nothing more is admitted.",
            [("", {}, app.settings.segments)],
        ),
    ]


def _family(name: str, kind: str, said: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {said}", f"# TYPE {name} {kind}"]
    for suffix, labels, value in samples:
        told = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
        lines.append(f"{name}{suffix}{{{told}}} {value:.16g}" if told else f"{name}{suffix} {value:.16g}")
    return "\n".join(lines) + "\n"


def _escaped(content: str) -> str:
    return content.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
