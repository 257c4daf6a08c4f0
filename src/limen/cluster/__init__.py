"""Many processes and hosts on one PostgreSQL: the process as a node, and whoever changes something waits for nodes."""

from limen.cluster.authorities import Across
from limen.cluster.barrier import boottime
from limen.cluster.cluster import Cluster

__all__ = ["Across", "Cluster", "boottime"]
