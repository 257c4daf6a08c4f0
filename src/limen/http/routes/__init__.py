"""The routes of the management API, a module a subject. What each needs, it declares as the built-in profile has it."""

from limen.http.routes import (
    alerts,
    apis,
    audit,
    channels,
    deliveries,
    imports,
    inbox,
    inspection,
    keys,
    leaks,
    me,
    measures,
    members,
    nodes,
    notices,
    owners,
    requests,
    settings,
    statistics,
    usage,
    versions,
)

ROUTERS = tuple(
    each.router
    for each in (
        *(me, apis, versions, owners, members, keys, inspection, imports),
        *(requests, measures, leaks, usage, statistics, audit, settings, nodes),
        *(alerts, channels, deliveries, inbox, notices),
    )
)
"""Everything under ``/v1``."""
