"""The operation of analytics. It is a POST because what is asked has a shape, and it changes nothing."""

from datetime import UTC, datetime

from fastapi import APIRouter

from examples.organisation_platform.access import READS, Analyst
from examples.organisation_platform.analytics import rows
from examples.organisation_platform.analytics.shapes import (
    AnalyticsQuery,
    AnalyticsResult,
    Group,
    Measurement,
    Point,
    TimeRange,
)
from examples.organisation_platform.errors import READING
from examples.organisation_platform.store import Database

router = APIRouter(prefix="/analytics", tags=["Analytics"])


@router.post(
    "/query",
    operation_id="queryAnalytics",
    responses=READING,
    response_model_exclude_unset=True,
    openapi_extra=READS,
)
def query_analytics(caller: Analyst, database: Database, body: AnalyticsQuery) -> AnalyticsResult:
    """Measures over a span of time: as one value each and, where asked for, as a series and in groups."""
    span = body.span(datetime.now(UTC))
    begins = list(span.parts(body.granularity)) if body.granularity else []
    answers = []
    with database.read(caller) as tenant:
        for measure in body.measures:
            asked = (tenant, measure, span, body.filters)
            answer: dict[str, object] = {"name": measure.name, "unit": measure.unit, "value": rows.total(*asked)}
            if begins:
                points = rows.series(*asked, begins)
                answer["series"] = [Point(timestamp=begin, value=value) for begin, value in points]
            if body.group_by:
                groups = rows.groups(*asked, body.group_by)
                answer["groups"] = [Group(key=key, value=value) for key, value in groups]
            answers.append(Measurement.model_validate(answer))
        currency_code = rows.currency_code(tenant)
    shown = TimeRange(start=span.start, end=span.end)
    return AnalyticsResult(measures=answers, time_range=shown, currency_code=currency_code)
