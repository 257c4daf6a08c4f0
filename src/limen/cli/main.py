"""The command ``limen``: every command and group, on one page."""

from __future__ import annotations

from typing import Annotated

import typer

from limen import __version__
from limen.cli import (
    alerts,
    apis,
    archive,
    audit,
    batches,
    channels,
    deliveries,
    install,
    leaks,
    measures,
    members,
    nodes,
    notices,
    openapi,
    owners,
    pepper,
    requests,
    run,
    usage,
    versions,
)
from limen.cli.demo import demo
from limen.cli.doctor import doctor
from limen.cli.door import Door
from limen.cli.options import examples

app = typer.Typer(
    cls=Door,
    help="""The threshold of an API: who may come in, where they may go, how often, in which version.

Which installation a command works on, the settings say: LIMEN_DATABASE_URL and others, or limen.toml.""",
    epilog="""\b
Exit codes:
  0   done
  1   refused, or a check found something
  2   called in a wrong way; or it has to be confirmed, and there is nobody to ask (--yes)
  3   the installation is not ready: a setting, the pepper, the database, a listener
  70  a bug of Limen's own
  130 interrupted""",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"limen {__version__}")
        raise typer.Exit


@app.callback()
def limen(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print the release and end.")
    ] = False,
) -> None:
    """What holds for every command: nothing but the name of the release."""


app.command("init", epilog=examples("limen init", "limen init --profile creator --api creator"))(install.init)
app.command("migrate", epilog=examples("limen migrate"))(install.migrate)
app.command("serve", epilog=examples("limen serve", "limen serve --no-worker"))(run.serve)
app.command("worker", epilog=examples("limen worker", "limen worker --once"))(run.worker)
app.add_typer(apis.app, name="apis")
app.add_typer(openapi.app, name="profile")  # the group of cli/profile.py, with one more module
app.add_typer(versions.app, name="versions")
app.add_typer(owners.app, name="owners")
app.add_typer(members.app, name="members")
app.add_typer(batches.app, name="keys")  # the group of cli/keys.py, with the commands of three more modules
app.add_typer(pepper.app, name="pepper")
app.add_typer(requests.app, name="requests")
app.add_typer(measures.app, name="measures")
app.add_typer(leaks.app, name="leaks")
app.add_typer(usage.app, name="usage")
app.add_typer(alerts.app, name="alerts")
app.add_typer(channels.app, name="channels")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(deliveries.inbox_app, name="inbox")
app.add_typer(notices.app, name="notices")
app.command("nodes", epilog=examples("limen nodes", "limen nodes --json"))(nodes.nodes)
app.add_typer(audit.app, name="audit")
app.command("backup", epilog=examples("limen backup /backups/limen-2026-11-20.db", "limen backup --tombstones --json"))(
    archive.backup
)
app.command(
    "restore",
    epilog=examples("limen restore /backups/limen-2026-11-20.db", "limen restore old.db --no-tombstones --yes"),
)(archive.restore)
app.command("export", epilog=examples("limen export limen.zip", "limen export limen.zip --without-usage --force"))(
    archive.export
)
app.command("import", epilog=examples("limen import limen.zip", "limen import limen.zip --as-exported --yes"))(
    archive.import_
)
app.command("doctor", epilog=examples("limen doctor", "limen doctor --json"))(doctor)
app.command("demo", epilog=examples("limen demo", "limen demo --check", "limen demo --folder try"))(demo)
