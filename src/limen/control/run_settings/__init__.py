"""Settings that staff change while the installation runs; what a process is started with is in ``limen.settings``."""

from limen.control.run_settings.actions import RunSetting, listed, require, reset, set_value, value

__all__ = ["RunSetting", "listed", "require", "reset", "set_value", "value"]
