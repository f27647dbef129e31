"""`python -m wuye.db.local start|stop FOLDER`: for a supervisor that does not load the database driver itself."""

import sys
from pathlib import Path

from wuye.db.local import LocalPostgres, LocalPostgresError


def main(arguments: list[str]) -> int:
    """Start or stop the server of a folder; return the exit code (69: it cannot be done now)."""
    what, folder = arguments
    server = LocalPostgres(Path(folder))
    try:
        if what == "start":
            server.ensure()
        else:
            server.stop()
    except LocalPostgresError as error:
        sys.stderr.write(f"{error}\n")
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
