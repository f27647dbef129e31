"""The generated reference: `python -m wuye.reference` writes docs/reference from what the code declares."""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
from marshmallow.fields import Field

from wuye.cli import wuye
from wuye.config import Settings
from wuye.i18n import use_locale
from wuye.plugins import hookspecs
from wuye.plugins.hookspecs import MODES
from wuye.plugins.loader import load
from wuye.records.flow import SYSTEM
from wuye.resources import fields as own
from wuye.web.api import path_of


def hooks() -> str:
    """Return the hook reference as Markdown."""
    lines = ["# Hooks", "", "Made from the specifications by `python -m wuye.reference`.", ""]
    for spec in (hookspecs.Declarations, hookspecs.Events):
        lines += [f"## {spec.__name__}", "", inspect.getdoc(spec) or "", ""]
        for name, function in vars(spec).items():
            if name.startswith("_"):
                continue
            parameters = [each for each in inspect.signature(function).parameters if each != "self"]
            text = inspect.getdoc(function) or ""
            first, _blank, facts = text.partition("\n\n")
            lines += [f"### `{name}({', '.join(parameters)})`", "", f"*{MODES[name]}* — {' '.join(first.split())}", ""]
            facts = " ".join(facts.split())
            for fact in ("How often: ", "Transaction: ", "Return: ", "Exception: "):
                facts = facts.replace(fact, f"\n- **{fact.strip(': ')}**: ")
            lines += [facts.replace("When: ", "- **When**: "), ""]
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n"))


def flows() -> str:
    """Return the states and transitions of every kind of work as Markdown."""
    lines = ["# States and transitions", "", "Made from the declarations by `python -m wuye.reference`.", ""]
    with use_locale("en"):
        for key, resource in load(strict=True).registry.resources.items():
            if resource.flow is None:
                continue
            lines += [f"## {key}", "", "| state | label | phase |", "|---|---|---|"]
            lines += [f"| `{s.name}` | {s.label} | {s.phase} |" for s in resource.flow.states.values()]
            lines += ["", "| action | label | from → to | permission | by |", "|---|---|---|---|---|"]
            for step in resource.flow.transitions.values():
                permission = "the program" if step.permission == SYSTEM else f"`{step.permission}`"
                by = step.by if isinstance(step.by, str) else "the department it is offered to"
                path = f"{', '.join(step.sources)} → {step.target or 'the same'}"
                lines.append(f"| `{step.name}` | {step.label} | {path} | {permission} | {by} |")
            lines.append("")
    return "\n".join(lines)


def settings() -> str:
    """Return the settings of an installation, and those that estates decide about plugins, as Markdown."""
    lines = [
        "# Settings",
        "",
        "Made from the declarations by `python -m wuye.reference`.",
        "",
        "## Of an installation",
        "",
    ]
    lines += [
        "Each is a variable of the environment, or without `WUYE_`, in lower case, a line of `wuye.toml` in the data"
    ]
    lines += [
        "folder; the environment wins. `WUYE_SECRET` (32 characters or more) comes from the environment only.",
        "",
    ]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for item in fields(Settings):
        default = {MISSING: "`~/.local/share/wuye`", None: "–"}.get(item.default, f"`{str(item.default).lower()}`")
        lines.append(f"| `WUYE_{item.name.upper()}` | {default} | {item.metadata['help']} |")
    with use_locale("en"):
        for name, declared in load(strict=True).registry.settings.items():
            lines += ["", f"## Of an estate: {name}", "", f"Needs `{declared.permission}`.", ""]
            lines += ["| setting | default | meaning |", "|---|---|---|"]
            shown = declared.schema.dump(declared.defaults)
            for key, one in declared.items.items():
                lines.append(f"| `{key}` | `{str(shown[key]).lower()}` | **{one.label}.** {one.help} |")
    return "\n".join([*lines, ""])


def commands() -> str:
    """Return the commands of the command line as Markdown."""
    lines = [
        "# Commands",
        "",
        "Made from the commands by `python -m wuye.reference`; `wuye COMMAND --help` says the same.",
    ]
    root = click.Context(wuye, info_name="wuye")
    with use_locale("en"):
        for name in wuye.list_commands(root):
            command = wuye.get_command(root, name)
            assert command is not None
            lines += _command(click.Context(command, info_name=name, parent=root))
    return "\n".join([*lines, ""])


def _command(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _command(click.Context(below, info_name=name, parent=ctx))
        return
    yield from ("", f"## `{ctx.command_path}`", "")
    talk, _dots, example = inspect.cleandoc(command.help or "").partition("Example: ")
    yield " ".join(talk.split())
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield from ("", "```text", usage, *(["", f"Example: {example.strip()}"] if example else []), "```")
    options = [each.get_help_record(ctx) for each in command.params if isinstance(each, click.Option)]
    if options:
        yield from ("", "| option | meaning |", "|---|---|")
    for option, meaning in filter(None, options):
        yield f"| `{option.replace('|', ', ')}` | {meaning or '–'} |"


def resources() -> str:
    """Return the addresses of the API with their fields, filters, orders and permissions as Markdown."""
    lines = [
        "# Resources",
        "",
        "Made from the declarations by `python -m wuye.reference`. Each is a list, a page of the",
    ]
    lines += [
        "office and an address of the API below `/api/v1/estates/{estate}`: `GET` and `POST` on it, `GET` and `PATCH` on"
    ]
    lines += [
        "`/{id}`, and below that `timeline`, `comments`, `files` and `actions/{action}`. The whole contract with every"
    ]
    lines += ["schema is `GET /api/v1/openapi.json`."]
    with use_locale("en"):
        for key, one in load(strict=True).registry.resources.items():
            lines += ["", f"## {key}", "", f"`{path_of(one).replace('/api/v1/estates/<estate>', '')}`", ""]
            permissions = {"read": one.read, "their own": one.read_own, "create": one.create, "change": one.update}
            given = ", ".join(f"{what} `{name}`" for what, name in permissions.items() if name)
            orders = dict.fromkeys(each.removeprefix("-") for each in one.sort)
            lines += [
                f"- **Needs**: {given}",
                f"- **Filters**: {_names(one.filters)}",
                f"- **Orders**: {_names(orders)}",
            ]
            lines += ["", "| field | kind | |", "|---|---|---|"]
            lines += [_field(name, item) for name, item in one.instance.fields.items()]
    return "\n".join([*lines, ""])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _field(name: str, item: Field[Any]) -> str:
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(item).__name__).lower()
    if isinstance(item, own.Choice):
        kind += f": {_names(item.choices)}"
    if isinstance(item, own.Reference):
        kind += f" to {item.target}"
    traits = {"needed": item.required, "only shown": item.dump_only, "may be null": item.allow_none}
    return f"| `{name}` | {kind} | {', '.join(trait for trait, has in traits.items() if has)} |"


#: File of docs/reference → what it holds.
DOCUMENTS = {
    "commands.md": commands,
    "flows.md": flows,
    "hooks.md": hooks,
    "resources.md": resources,
    "settings.md": settings,
}


def main() -> None:
    """Write the reference into docs/reference below the present folder."""
    folder = Path("docs/reference")
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in DOCUMENTS.items():
        (folder / name).write_text(made(), "utf-8")
        sys.stderr.write(f"{folder / name}\n")


if __name__ == "__main__":
    main()
