"""The command ``limen``: every command and group, on one page."""

from __future__ import annotations

import typer

from limen.cli import apis, install, keys, owners, profile, run, versions
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
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)

app.command("init", epilog=examples("limen init", "limen init --profile creator --api creator"))(install.init)
app.command("migrate", epilog=examples("limen migrate"))(install.migrate)
app.command("serve", epilog=examples("limen serve", "limen serve --no-worker"))(run.serve)
app.command("worker", epilog=examples("limen worker", "limen worker --once"))(run.worker)
app.add_typer(apis.app, name="apis")
app.add_typer(profile.app, name="profile")
app.add_typer(versions.app, name="versions")
app.add_typer(owners.app, name="owners")
app.add_typer(keys.app, name="keys")
app.command("doctor", epilog=examples("limen doctor", "limen doctor --json"))(doctor)
app.command("demo", epilog=examples("limen demo", "limen demo --check", "limen demo --folder try"))(demo)
