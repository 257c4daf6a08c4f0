"""Deliveries: each event in the outbox is handed on to whoever wants it, sent at least once, and not forgotten."""

from limen.control.delivery.actions import hand_on, replay, retry, tell, test
from limen.control.delivery.sending import claim, settle, trim
from limen.control.delivery.views import Delivery, listed, shown, waiting

__all__ = [
    "Delivery",
    "claim",
    "hand_on",
    "listed",
    "replay",
    "retry",
    "settle",
    "shown",
    "tell",
    "test",
    "trim",
    "waiting",
]
