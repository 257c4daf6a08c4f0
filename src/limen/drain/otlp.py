"""The installation's numbers, pushed to an OpenTelemetry collector over OTLP/HTTP: the same that ``/metrics`` says.

They are counted in the database, not in this process. So a counter is told with the moment since when it counts there,
and goes on after a restart where it was; and nothing is lost by a push that failed, for the next says all of it again.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from time import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from limen.app import App
from limen.core.metrics import BOUNDS_S, Family, Point
from limen.db import installation
from limen.drain.meters import measured, release

PATH = "/v1/metrics"
TIMEOUT_S = 5.0
_ANSWER_BYTES = 65_536
_SAID_CHARS = 200
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")
_NS = 1_000_000_000


class Unpushed(OSError):
    """The collector was not told, or did not take it. Nothing is lost: it is tried again at the next turn."""


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: what is pushed goes where the setting says, and so do the headers."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(slots=True)
class Pusher:
    """Pushes for one process. Without ``LIMEN_OTLP_ENDPOINT`` it does nothing, and loads nothing."""

    failed: int = 0
    """How many pushes of this process failed; told with the next that does not."""
    since: float = field(default_factory=time)

    def __call__(self, app: App) -> None:
        """Tell the collector all numbers as they are now: in 5 s, or not at all. Raises Unpushed, StoreDown."""
        settings = app.settings
        if not settings.otlp_endpoint:
            return
        try:
            found = measured(app)
            lost = Family(
                "limen_pushes_failed_total",
                "counter",
                "Pushes of this process that came to nothing.",
                [Point({}, self.failed)],
                unit="{push}",
                since=self.since,
            )
            instance = f"{installation.id_of(settings.state_folder)}@{socket.gethostname()}"
            body = _encoded(instance, found.at, (*found.families, lost))
            _post(settings.otlp_endpoint, headers(settings.otlp_headers_file), body)
        except Exception:
            self.failed += 1
            raise


def headers(file: Path | None) -> dict[str, str]:
    """What the file says is sent along: a header a line, ``NAME: VALUE``. Raises Unpushed, which shows none of it."""
    if file is None:
        return {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise Unpushed("LIMEN_OTLP_HEADERS_FILE cannot be read") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _HEADER.fullmatch(line.rstrip())
        if match is None:
            raise Unpushed(f"LIMEN_OTLP_HEADERS_FILE: line {number} is no header, 'NAME: VALUE'")
        found[match[1]] = match[2]
    return found


def _proto(name: str) -> Any:
    try:
        return import_module(f"opentelemetry.proto.{name}_pb2")
    except ImportError:
        raise Unpushed("LIMEN_OTLP_ENDPOINT needs a package: pip install 'limen[otel]'") from None


def _encoded(instance: str, at: float, families: tuple[Family, ...]) -> bytes:
    """The request's body, by the classes of OpenTelemetry's own definition."""
    request = _proto("collector.metrics.v1.metrics_service").ExportMetricsServiceRequest()
    cumulative = _proto("metrics.v1.metrics").AGGREGATION_TEMPORALITY_CUMULATIVE
    of = request.resource_metrics.add()
    who = {"service.name": "limen", "service.version": release(), "service.instance.id": instance}
    _label(of.resource.attributes, who)
    scope = of.scope_metrics.add()
    scope.scope.name, scope.scope.version = "limen", release()
    for family in families:
        if not family.points:
            continue
        metric = scope.metrics.add(name=family.name, description=family.said, unit=family.unit)
        if family.kind == "gauge":
            data = metric.gauge
        else:
            data = metric.sum if family.kind == "counter" else metric.histogram
            data.aggregation_temporality = cumulative
        if family.kind == "counter":
            data.is_monotonic = True
        for point in family.points:
            told = data.data_points.add(time_unix_nano=int(at * _NS))
            _label(told.attributes, point.labels)
            if family.since is not None:
                told.start_time_unix_nano = int(family.since * _NS)
            if not isinstance(point, Point):
                told.count, told.sum = sum(point.counts), point.sum_s
                told.explicit_bounds.extend(BOUNDS_S)
                told.bucket_counts.extend(point.counts)
            elif isinstance(point.value, int):
                told.as_int = point.value
            else:
                told.as_double = point.value
    return bytes(request.SerializeToString())


def _label(attributes: Any, said: Any) -> None:
    for name, value in said.items():
        attributes.add(key=name).value.string_value = value


def _post(endpoint: str, said: dict[str, str], body: bytes) -> None:
    """Send *body*, once. Proxies are asked as the environment says. Raises Unpushed."""
    address = endpoint if endpoint.endswith(PATH) else endpoint + PATH
    fixed = {"Content-Type": "application/x-protobuf", "User-Agent": f"limen/{release()}"}
    request = Request(address, body, {**said, **fixed}, method="POST")  # noqa: S310  # a setting: http or https
    opener = build_opener(_Stay())  # over TLS certificates are verified, by the authorities that this host trusts
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            kept = answer.read(_ANSWER_BYTES)
    except HTTPError as error:
        error.close()
        raise Unpushed(f"{address} answered {error.code}") from None
    except URLError as error:
        raise Unpushed(f"{address}: {_said(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise Unpushed(f"{address}: {_said(error)}") from None
    _require_all(address, kept)


def _said(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _require_all(address: str, answer: bytes) -> None:
    """A collector may take a part of it, and say so with 200. Raises Unpushed."""
    response = _proto("collector.metrics.v1.metrics_service").ExportMetricsServiceResponse()
    try:
        response.ParseFromString(answer)
    except Exception:  # whatever else it says with 200: it took it
        return
    refused = response.partial_success.rejected_data_points
    if refused:
        why = "".join(filter(str.isprintable, response.partial_success.error_message))[:_SAID_CHARS]
        raise Unpushed(f"{address} refused {refused} of the numbers: {why or 'it does not say why'}")
