"""A creator's audience on the wire. Fans are shown as ``users.shapes.User``."""

from enum import StrEnum

from examples.creator_platform.wire import Paging


class SubscriberOrder(StrEnum):
    """By what subscribers are sorted."""

    SUBSCRIBED_AT = "subscribedAt"


class Direction(StrEnum):
    """Which end of a list comes first."""

    ASC = "asc"
    DESC = "desc"


class SubscriberListQuery(Paging):
    """Which of a creator's subscribers are asked for, and in which order."""

    sort_field: SubscriberOrder = SubscriberOrder.SUBSCRIBED_AT
    sort_direction: Direction = Direction.DESC
