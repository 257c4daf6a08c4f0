"""Measures: what staff do at run time to protect an API. They throttle or block owners, keys, addresses, operations."""

from limen.control.measures.actions import Measure, Target, block, lift, listed, require, throttle

__all__ = ["Measure", "Target", "block", "lift", "listed", "require", "throttle"]
