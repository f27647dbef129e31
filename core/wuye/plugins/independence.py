"""What keeps plugins apart, so that each can be disabled, removed and purged without the others."""

import ast
import re
from pathlib import Path

from wuye.db.base import Base, plugin_of

#: A line that may import another plugin; only then a file is read as Python.
_SUSPECT = re.compile(rb"^\s*(?:from|import)\s+wuye_", re.MULTILINE)


def check_imports(plugin: str, folder: Path) -> None:
    """Refuse a plugin whose code imports another one's.

    Raises:
        ValueError: with file, line and what is imported.
    """
    own = f"wuye_{plugin}"
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        if not _SUSPECT.search(source):
            continue
        for node in ast.walk(ast.parse(source, str(path))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                package = name.partition(".")[0]
                if package.startswith("wuye_") and package != own:
                    raise ValueError(
                        f"{path.relative_to(folder)}:{node.lineno}: it imports {name}; plugins talk to each other through"
                        " hooks and referrals only"
                    )


def check_tables(plugin: str) -> None:
    """Refuse tables that are not named after their plugin, and references to another plugin's tables.

    Raises:
        ValueError: with the table, and what it should be.
    """
    prefix = f"{plugin}_"
    for mapper in Base.registry.mappers:
        if plugin_of(mapper.class_.__module__) != plugin:
            continue
        for table in mapper.tables:
            name = str(getattr(table, "name", ""))
            if name == "core_record":
                continue  # the header of its kinds of work
            if not name.startswith(prefix):
                raise ValueError(
                    f"the table {name} of {mapper.class_.__name__} must be named {prefix}…: leave __tablename__ out"
                )
            for key in getattr(table, "foreign_keys", ()):
                target = key.target_fullname.rpartition(".")[0]
                if not target.startswith((prefix, "core_")):
                    raise ValueError(
                        f"the table {name} refers to {target}: references go to core's tables and one's own, so that"
                        " each plugin can be removed alone"
                    )
