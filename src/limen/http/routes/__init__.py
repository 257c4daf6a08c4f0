"""The routes of the management API, a module a subject. What each needs, it declares as the built-in profile has it."""

from limen.http.routes import (
    apis,
    audit,
    imports,
    inspection,
    keys,
    leaks,
    me,
    measures,
    members,
    nodes,
    owners,
    requests,
    settings,
    usage,
    versions,
)

ROUTERS = tuple(
    each.router
    for each in (
        *(me, apis, versions, owners, members, keys, inspection, imports),
        *(requests, measures, leaks, usage, audit, settings, nodes),
    )
)
"""Everything under ``/v1``."""
