"""``limen demo``: a platform with data behind Limen, to try or, with ``--check``, to be shown round by itself."""

from limen.cli.demo.command import demo

__all__ = ["demo"]
