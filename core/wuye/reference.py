"""The generated reference: `python -m wuye.reference` writes docs/reference from what the code declares."""

import inspect
import sys
from dataclasses import MISSING, fields
from pathlib import Path

from wuye.config import Settings
from wuye.i18n import use_locale
from wuye.plugins import hookspecs
from wuye.plugins.hookspecs import MODES
from wuye.plugins.loader import load
from wuye.records.flow import SYSTEM


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


def main() -> None:
    """Write the reference into docs/reference below the present folder."""
    folder = Path("docs/reference")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("hooks.md", hooks()), ("flows.md", flows()), ("settings.md", settings())):
        (folder / name).write_text(text, "utf-8")
        sys.stderr.write(f"{folder / name}\n")


if __name__ == "__main__":
    main()
