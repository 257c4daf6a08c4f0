"""The command ``limen demo``: sets the stage, and leaves it to people or goes round it by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from limen.cli import show
from limen.cli.demo import guide, rules
from limen.cli.demo.cast import PARTS, Cast, Part, issue_all, register
from limen.cli.demo.ground import CommandFailed, Ground, People
from limen.cli.demo.guarded import EXAMPLES
from limen.cli.demo.lines import COMPAT_FILE, TOUR
from limen.cli.demo.processes import NotUp, Processes, interruptible
from limen.cli.demo.scene import Scene
from limen.cli.demo.tour import Result, play
from limen.cli.door import NOT_READY, REFUSED
from limen.cli.options import AsJson

WINDOW_S, TOUR_WINDOW_S = 60, 10
"""The limit's window: the shipped profile's, and, so that the tour can wait for its end, a short one."""
_LOOK_S = 0.3
Parts = tuple[Part, ...]
_FOR_PEOPLE = (
    Part("demo", ("read:self", "write:chat")),
    *(part for part in PARTS if part.name in ("agent", "server", "admin")),
)


def demo(
    check: Annotated[
        bool, typer.Option("--check", help="Make the tour of every answer; exit code 1 on any miss.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="A new or empty folder, which is kept. Default: a temporary one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start two platforms with data behind Limen, print a key for each and calls to try, and stay up until Ctrl-C.

    It is all there is in life, on free ports of this host: 'limen serve', the example APIs of a checkout with a guard
    each, and their databases. With --check, every endpoint and every answer is asked for over HTTP and compared with
    what it is to be.
    """
    try:
        with interruptible(), _place(folder) as place:
            ground = Ground(place, kept=folder is not None)
            if check:
                _go_round(ground, as_json=as_json)
            else:
                _stay(ground, as_json=as_json)
    except (NotUp, CommandFailed) as error:
        found = {"code": "demo_not_up", "title": "The demo is not up", "detail": str(error)}
        typer.echo(json.dumps(found) if as_json else f"error: {show.printable(str(error))}", err=True)
        raise typer.Exit(NOT_READY) from None


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with TemporaryDirectory(prefix="limen-demo-", ignore_cleanup_errors=True) as made:
            yield Path(made).resolve()
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{folder} is there, and not empty.", param_hint="--folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield folder.resolve()


def _prepare(ground: Ground, parts: Parts, ends: rules.Dates, window_s: int) -> tuple[Cast, People]:
    """Make the installation and the example data; who plays, and the people of the example."""
    profile = ground.folder / "creator.yaml"
    rules.write_profile(profile, ends, window_s=window_s, style="problem")
    rules.write_profile(ground.folder / COMPAT_FILE, ends, window_s=window_s, style="compat")
    with ThreadPoolExecutor(3) as pool:
        making = [
            pool.submit(ground.limen, "init", "--profile", str(profile), "--api", "creator"),
            *(pool.submit(ground.seed, example) for example in EXAMPLES),
        ]
        for each in making:
            each.result()
    people = ground.people(len(parts))
    return register(ground, people, parts), people


@contextmanager
def _staged(ground: Ground, parts: Parts, window_s: int) -> Iterator[tuple[Scene, Processes]]:
    """Everything is up while the block runs, and every part has its key."""
    ends = rules.dates(datetime.now(UTC).date())
    typer.echo("Making an installation, and the example platforms' data ...", err=True)
    cast, people = _prepare(ground, parts, ends, window_s)
    with Processes() as processes:
        typer.echo("Starting the server, and the guarded APIs ...", err=True)
        at = ground.serve(processes)
        typer.echo("Issuing keys ...", err=True)
        issue_all(ground, cast, parts)
        yield Scene(at, ground, cast.keys, people, ends, window_s), processes


def _go_round(ground: Ground, *, as_json: bool) -> None:
    start = time.monotonic()
    results: list[Result] = []
    with _staged(ground, PARTS, TOUR_WINDOW_S) as (scene, processes):
        typer.echo(f"Making the tour: {len(TOUR)} lines ...", err=True)
        for line in TOUR:
            results.append(play(line, scene))
            try:
                processes.watch()
            except NotUp as error:
                results.append(Result("the demo's processes", "up", "down", False, (str(error),), 0))
                break
    raise typer.Exit(report(results, time.monotonic() - start, as_json=as_json))


def report(results: list[Result], took_s: float, *, as_json: bool) -> int:
    """Print what became of the tour; the exit code: 1 where there is a miss, or nothing to report."""
    ok = bool(results) and all(result.ok for result in results)
    if as_json:
        show.json_out({"ok": ok, "took_s": round(took_s, 1), "lines": results})
        return 0 if ok else REFUSED
    table = Table("LINE", "EXPECTED", "GOT", "", box=box.SIMPLE_HEAD, pad_edge=False)
    for result in results:
        state = Text("ok", "green") if result.ok else Text("MISS", "bold red")
        table.add_row(*(Text(show.printable(part)) for part in (result.what, result.expected, result.got)), state)
        for miss in result.misses:
            table.add_row("", "", Text(show.printable(miss), "red"), "")
    show.table_out(table)
    missed = sum(not result.ok for result in results)
    typer.echo(f"{len(results)} lines, {missed or 'none'} missed, in {took_s:.0f} s.")
    return 0 if ok else REFUSED


def _stay(ground: Ground, *, as_json: bool) -> None:
    with _staged(ground, _FOR_PEOPLE, WINDOW_S) as (scene, processes):
        try:
            _tell(scene, as_json=as_json)
            while True:
                processes.watch()
                time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            typer.echo("Stopping.", err=True)


def _tell(scene: Scene, *, as_json: bool) -> None:
    """Print the keys, once, and what to do with them."""
    shown = guide.Keys(*(scene.keys[part] for part in ("demo", "agent", "admin", "server")))
    lines = guide.settings_lines(scene.ground) + guide.address_lines(scene.at)
    calls = list(guide.calls(shown.creator, scene.people.peer))
    if as_json:
        show.json_out(
            {
                "creator": f"http://{scene.at.creator}",
                "organisation": f"http://{scene.at.organisation}",
                "gate": f"http://{scene.at.gate}",
                "public": f"http://{scene.at.public}",
                "folder": str(scene.ground.folder),
                "keys": {name: key.text for name, key in shown.by_name()},
                "shell": lines,
                "calls": [{"shows": what, "call": call} for what, call in calls],
            }
        )
        return
    typer.echo("\nThe platforms are up. In another terminal (the keys are shown this once):\n")
    for line in (*lines, *guide.key_lines(shown)):
        typer.echo(line)
    for what, call in calls:
        typer.echo(f"\n# {what}\n{call}")
    ends = f". What it made stays in {scene.ground.folder}." if scene.ground.kept else ", and removes all of it."
    typer.echo(f"\nCtrl-C ends it{ends}")
