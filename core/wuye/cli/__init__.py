"""The command `wuye`. Every command says what it did on stderr and gives its data on stdout (`--json`).

Exit codes: 0 ok, 1 failed, 2 usage, 65 bad data, 69 unavailable, 78 configuration.
"""

import importlib
import locale
import os
import sys
from pathlib import Path
from typing import Any

import click

from wuye.i18n import negotiate, use_locale
from wuye.loading import keeping

#: Command → the module of this package that has it; imported when it is called, so that `wuye --help` is quick.
_COMMANDS = {
    "demo": "serving",
    "serve": "serving",
    "worker": "serving",
    "stop": "serving",
    "upgrade": "upkeep",
    "backup": "archives",
    "restore": "archives",
    "doctor": "upkeep",
    "audit": "audit",
    "db": "upkeep",
    "estate": "estates",
    "plugin": "plugins",
    "user": "users",
    "token": "users",
    "import": "data",
    "export": "data",
    "report": "data",
}


class _Commands(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Return a command by name; a plugin's own commands stand under the plugin's name."""
        if name in _COMMANDS:
            with keeping():
                module = importlib.import_module(f"wuye.cli.{_COMMANDS[name]}")
            command: click.Command = getattr(module, f"{name}_command")
            return command
        from wuye.cli.plugins import commands_of  # here: it loads the plugins

        return commands_of(name)


@click.command(cls=_Commands)
@click.option("--data", type=click.Path(path_type=Path), envvar="WUYE_DATA", help="Folder of the installation.")
@click.version_option(package_name="wuye")
def wuye(data: Path | None) -> None:  # the commands read it from the context
    """Property management (物业), modular: a small core and one plugin per department.

    Settings come from WUYE_* variables and from wuye.toml in the data folder. Shell completion: see
    https://click.palletsprojects.com/shell-completion with the name WUYE.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    with use_locale(_language()):
        try:
            # A command that ends with ctx.exit(code) returns the code.
            sys.exit(wuye.main(arguments, prog_name="wuye", standalone_mode=False) or 0)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo("", err=True)
            sys.exit(130)
        except BrokenPipeError:
            sys.exit(1)
        except Exception as error:
            if os.environ.get("WUYE_DEBUG"):
                raise
            sys.exit(_explain(error))


def _language() -> str:
    tag = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return negotiate((locale.normalize(tag) if tag else "en").replace("_", "-").partition(".")[0])


def _explain(error: Exception) -> int:
    """Say what went wrong, and return the exit code for it."""
    from wuye.cli.failures import explain  # here: it imports the database drivers

    message, code = explain(error)
    click.secho(message, fg="red", err=True)
    return code
