"""The SQL of organisations."""

from typing import Any

from sqlalchemy import RowMapping, select, update

from examples.organisation_platform.store import Tenant
from examples.organisation_platform.tables import organisations


def read_organisation(tenant: Tenant) -> RowMapping:
    """The organisation itself."""
    found = select(organisations).where(organisations.c.number == tenant.number)
    return tenant.conn.execute(found).mappings().one()


def change_organisation(tenant: Tenant, changes: dict[str, Any]) -> None:
    """The organisation has the values of *changes*, in its environment alone."""
    tenant.conn.execute(update(organisations).where(organisations.c.number == tenant.number).values(changes))
