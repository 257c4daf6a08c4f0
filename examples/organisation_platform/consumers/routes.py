"""The operations on one consumer, and on lists of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, status

from examples.organisation_platform.access import ConsumerReader, ConsumerWriter
from examples.organisation_platform.consumers import rows
from examples.organisation_platform.consumers.shapes import (
    Consumer,
    ConsumerChange,
    ConsumerChanges,
    ConsumerId,
    ConsumerListQuery,
    Consumers,
    ConsumerSearchQuery,
    NewConsumer,
    NewConsumers,
    consumer,
)
from examples.organisation_platform.errors import READING, WRITING, Conflict, NotFound
from examples.organisation_platform.pages import Page
from examples.organisation_platform.revalidation import REVALIDATED, RevalidatedRoute
from examples.organisation_platform.store import Database, Tenant
from examples.organisation_platform.wire import new_id

router = APIRouter(prefix="/consumers", tags=["Consumers"], route_class=RevalidatedRoute)
Row = dict[str, Any]


@router.get("", operation_id="listConsumers", responses=REVALIDATED)
def list_consumers(
    caller: ConsumerReader, database: Database, query: Annotated[ConsumerListQuery, Query()]
) -> Page[Consumer]:
    """The organisation's consumers."""
    with database.read(caller) as tenant:
        found = rows.list_consumers(tenant, query)
    return Page(data=[consumer(row) for row in found.rows], page_info=found.info)


@router.post("", operation_id="createConsumer", status_code=status.HTTP_201_CREATED, responses=WRITING)
def create_consumer(caller: ConsumerWriter, database: Database, body: NewConsumer) -> Consumer:
    """Make a consumer."""
    with database.write(caller) as tenant:
        (made,) = _create(tenant, [body.model_dump()])
    return made


# The fixed paths stand before those with an id, which would else take "search" and "batch" for one.


@router.get("/search", operation_id="searchConsumers", responses=REVALIDATED)
def search_consumers(
    caller: ConsumerReader, database: Database, query: Annotated[ConsumerSearchQuery, Query()]
) -> Consumers:
    """Consumers by how their name or e-mail address begins, or the one who has an address, a number or an id."""
    with database.read(caller) as tenant:
        found = rows.search_consumers(tenant, query)
    return Consumers(data=[consumer(row) for row in found])


@router.post("/batch", operation_id="createConsumers", status_code=status.HTTP_201_CREATED, responses=WRITING)
def create_consumers(caller: ConsumerWriter, database: Database, body: NewConsumers) -> Consumers:
    """Make up to 500 consumers: all of them or, where one cannot be made, none."""
    with database.write(caller) as tenant:
        return Consumers(data=_create(tenant, [each.model_dump() for each in body.consumers], listed=True))


@router.put("/batch", operation_id="updateConsumers", responses=WRITING)
def update_consumers(caller: ConsumerWriter, database: Database, body: ConsumerChanges) -> Consumers:
    """Change up to 500 consumers: all of them or, where one cannot be changed, none."""
    with database.write(caller) as tenant:
        changes = [each.model_dump(exclude_unset=True) for each in body.consumers]
        return Consumers(data=_update(tenant, changes, listed=True))


@router.get("/{id}", operation_id="getConsumer", responses=REVALIDATED)
def get_consumer(caller: ConsumerReader, database: Database, consumer_id: ConsumerId) -> Consumer:
    """One consumer."""
    with database.read(caller) as tenant:
        return _read(tenant, [consumer_id])[0]


@router.put("/{id}", operation_id="updateConsumer", responses=WRITING)
def update_consumer(
    caller: ConsumerWriter, database: Database, consumer_id: ConsumerId, body: ConsumerChange
) -> Consumer:
    """Change a consumer."""
    with database.write(caller) as tenant:
        return _update(tenant, [body.model_dump(exclude_unset=True) | {"id": consumer_id}])[0]


@router.delete("/{id}", operation_id="deleteConsumer", status_code=status.HTTP_204_NO_CONTENT, responses=READING)
def delete_consumer(caller: ConsumerWriter, database: Database, consumer_id: ConsumerId) -> None:
    """Delete a consumer."""
    with database.write(caller) as tenant:
        if not rows.remove_consumer(tenant, consumer_id):
            raise NotFound("Consumer not found")


def _create(tenant: Tenant, wanted: Sequence[Row], *, listed: bool = False) -> list[Consumer]:
    """The consumers *wanted*, made. Raises Conflict; *listed*: it names the places of those that cannot be."""
    now = datetime.now(UTC)
    made = [values | {"id": new_id("cons", now)} for values in wanted]
    _check_taken(tenant, made, listed=listed)
    rows.add_consumers(tenant, made, now=now)
    return _read(tenant, [row["id"] for row in made])


def _update(tenant: Tenant, changes: Sequence[Row], *, listed: bool = False) -> list[Consumer]:
    """The consumers whose ids and new values *changes* are, changed. Raises NotFound and Conflict."""
    consumer_ids = [each["id"] for each in changes]
    _read(tenant, consumer_ids, listed=listed)
    _check_taken(tenant, changes, listed=listed)
    now = datetime.now(UTC)
    for each in changes:
        if len(each) > 1:  # more than its id
            rows.change_consumer(tenant, each["id"], each, now=now)
    return _read(tenant, consumer_ids)


def _read(tenant: Tenant, consumer_ids: Sequence[str], *, listed: bool = False) -> list[Consumer]:
    """The consumers, in the order of their ids here. Raises NotFound, the same for another's and for nobody's."""
    found = rows.find_consumers(tenant, consumer_ids)
    missing = [place for place, each in enumerate(consumer_ids) if each not in found]
    if missing:
        raise NotFound("Consumer not found", *((f"consumers.{place}.id", "Not found") for place in missing if listed))
    return [consumer(found[each]) for each in consumer_ids]


def _check_taken(tenant: Tenant, wanted: Sequence[Row], *, listed: bool) -> None:
    taken = rows.find_taken(tenant, wanted)
    if taken:
        fields = [(f"consumers.{place}." if listed else "") + rows.UNIQUE[name] for place, name in taken]
        raise Conflict("Another consumer has this value.", *((field, "Is taken") for field in fields))
