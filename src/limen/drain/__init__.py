"""What runs regularly: the journals into the readings, and the chores; one process at a time, over all of them."""

from limen.drain.chores import CHORES, Chore, Rota
from limen.drain.journals import decode
from limen.drain.meters import Measured, measured
from limen.drain.otlp import Unpushed
from limen.drain.rounds import LOCK, Drainer, Round, drain, work
from limen.drain.tail import Tail, Written

__all__ = [
    "CHORES",
    "LOCK",
    "Chore",
    "Drainer",
    "Measured",
    "Rota",
    "Round",
    "Tail",
    "Unpushed",
    "Written",
    "decode",
    "drain",
    "measured",
    "work",
]
