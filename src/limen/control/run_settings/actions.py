"""The verbs of run-time settings, and the question that everything else asks: what a setting is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limen.control.run_settings import _rows
from limen.control.run_settings.catalogue import CATALOGUE, Spec, Value
from limen.core import events
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx


@dataclass(frozen=True, slots=True)
class RunSetting:
    """A setting, as control shows it. *set_at* is None and *set_by* empty where the default holds."""

    name: str
    value: Value
    default: Value
    allowed: str
    reason: str
    """Why the default is what it is."""
    set_at: float | None
    set_by: str


def value(reader: Reader, name: str) -> Any:
    """What the setting *name* is: as staff set it, else its default. One read. Raises ``setting_unknown``."""
    spec = _spec(name)
    row = _rows.one(reader.connection, name)
    return row.value if row is not None and spec.fits(row.value) else spec.default  # a release may allow less


def listed(reader: Reader) -> list[RunSetting]:
    """All settings, in the order of their names."""
    rows = _rows.everything(reader.connection)
    return [_setting(name, rows.get(name)) for name in sorted(CATALOGUE)]


def require(reader: Reader, name: str) -> RunSetting:
    """The setting. Raises ``setting_unknown``."""
    _spec(name)
    return _setting(name, _rows.one(reader.connection, name))


def set_value(tx: Tx, name: str, to: Value) -> RunSetting:
    """The setting is *to* from now on. Raises ``setting_unknown``, ``setting_not_allowed``."""
    spec = _spec(name)
    if not spec.fits(to):
        raise ProblemError("setting_not_allowed", f"{name}: allowed is {spec.allowed}.")
    held = _setting(name, _rows.one(tx.connection, name))
    if held.set_at is None or held.value != to:
        _rows.put(tx.connection, name, value=to, set_at=tx.now, set_by=str(tx.actor))
        happened = events.SettingChanged(api="", subject=name, value=str(to))
        tx.record("settings.set", happened, before={"value": held.value}, after={"value": to})
    return require(tx, name)


def reset(tx: Tx, name: str) -> RunSetting:
    """The setting is its default again, also where a later release has another. Raises ``setting_unknown``."""
    held = require(tx, name)
    if held.set_at is not None:
        _rows.drop(tx.connection, name)
        happened = events.SettingChanged(api="", subject=name, value=str(held.default))
        tx.record("settings.reset", happened, before={"value": held.value}, after={"value": held.default})
    return require(tx, name)


def _spec(name: str) -> Spec:
    if name not in CATALOGUE:
        raise ProblemError("setting_unknown", f"There is no such setting; there are {', '.join(sorted(CATALOGUE))}.")
    return CATALOGUE[name]


def _setting(name: str, row: Any) -> RunSetting:
    spec = CATALOGUE[name]
    if row is None or not spec.fits(row.value):
        return RunSetting(name, spec.default, spec.default, spec.allowed, spec.reason, None, "")
    return RunSetting(name, row.value, spec.default, spec.allowed, spec.reason, row.set_at, row.set_by)
