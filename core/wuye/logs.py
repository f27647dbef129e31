"""Logs: one JSON object a line on stderr, with no parameters, no local variables and no secrets in it."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRETS = re.compile(r"(wuye_[0-9A-Za-z]{8})[0-9A-Za-z]{38}|(postgresql(?:\+psycopg)?://[^:/@\s]+):[^@\s]+@")


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take tokens and database passwords out of every text of a log line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRETS.sub(lambda match: f"{match[1] or match[2]}…{'@' if match[2] else ''}", value)
    return event


def configure(*, level: int = logging.INFO) -> None:
    """Set up logging for this process; called by whatever starts one (the command line, the server, a worker)."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
