"""What commands share: the installation they work on, and how they show what they found."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from wuye.config import Settings
from wuye.installation import Installation


@contextmanager
def installation(*, demo: bool | None = None) -> Iterator[Installation]:
    """Open the installation that the command line names; its connections are closed at the end."""
    settings = Settings.load(data=click.get_current_context().find_root().params.get("data"))
    if demo is not None:
        settings = dataclasses.replace(settings, demo=demo)
    place = Installation(settings)
    try:
        yield place
    finally:
        place.close()


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Data as JSON on stdout.")(command)


def say(message: object) -> None:
    """Talk to the person at the terminal (stderr)."""
    click.echo(str(message), err=True)


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Show rows as a table, or as a JSON array."""
    if as_json:
        emit(rows)
        return
    if not rows:
        return
    table = Table(box=None, header_style="bold")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(file=sys.stdout).print(table)


def show_one(row: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one thing as lines of name and value, or as a JSON object."""
    if as_json:
        emit(row)
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        click.echo(f"{name:<{width}}  {'' if value is None else value}")


def emit(data: object) -> None:
    """Write data as JSON on stdout."""
    click.echo(orjson.dumps(data, default=str, option=orjson.OPT_INDENT_2).decode())
