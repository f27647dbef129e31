"""What the command line tells the supervisor: what to run, on which socket, with which database."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """A group of processes on one data folder. `lock` and `listener` are open descriptors that the supervisor inherits.

    `database` and `database_socket` are empty with a PostgreSQL that is not ours to keep running; `stop_database` says
    whether this group started it. The texts are for the person at the terminal, in their language.
    """

    data: str
    lock: int
    listener: int
    address: str
    servers: int
    worker: bool
    database: str
    database_socket: str
    stop_database: bool
    text_stopped: str
    text_database_kept: str
    text_database_left: str

    def as_text(self) -> str:
        """Return the plan as one argument of a command."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "Plan":
        """Return the plan that an argument holds."""
        return cls(**json.loads(text))
