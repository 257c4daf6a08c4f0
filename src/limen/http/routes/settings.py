"""Settings that change while the installation runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from limen.control import run_settings
from limen.control.run_settings import RunSetting
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, page_of, shape

router = APIRouter(route_class=Route, prefix="/settings", tags=["settings"])
ReadSettings = Annotated[Call, needs("read:settings")]
WriteSettings = Annotated[Call, needs("write:settings")]


class NewValue(Body):
    """What a setting is to be."""

    value: Annotated[str, Field(max_length=1_000)] | int


@router.get("", response_model=page_of(RunSetting))
def list_settings(call: ReadSettings) -> Response:
    """All settings, in the order of their names, with what is allowed and why their defaults are what they are."""
    call.require_staff()

    def found(reader: Reader) -> dict[str, object]:
        return {"items": run_settings.listed(reader), "next": None}

    return call.ask(found)


@router.get("/{setting}", response_model=shape(RunSetting))
def get_setting(call: ReadSettings, setting: str) -> Response:
    """A setting."""
    call.require_staff()
    return call.ask(lambda reader: run_settings.require(reader, setting))


@router.put("/{setting}", response_model=shape(RunSetting))
def put_setting(call: WriteSettings, setting: str, new: NewValue) -> Response:
    """Set a setting. It holds from now on, in every process."""
    call.require_staff()
    return call.write(
        lambda tx: run_settings.set_value(tx, setting, new.value),
        of=lambda reader: run_settings.require(reader, setting),
    )


@router.delete("/{setting}", response_model=shape(RunSetting))
def reset_setting(call: WriteSettings, setting: str) -> Response:
    """Set a setting to its default again."""
    call.require_staff()
    return call.write(
        lambda tx: run_settings.reset(tx, setting), of=lambda reader: run_settings.require(reader, setting)
    )
