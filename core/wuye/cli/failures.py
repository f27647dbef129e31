"""What an exception means to somebody at a terminal: a message and an exit code."""

from sqlalchemy.exc import DBAPIError, OperationalError

from wuye.db.local import LocalPostgresError
from wuye.errors import Problem
from wuye.i18n import _
from wuye.imports.contents import UnreadableFile
from wuye.imports.mapping import MappingError
from wuye.plugins.loader import PluginError

BAD_DATA, UNAVAILABLE, CONFIGURATION = 65, 69, 78


def explain(error: Exception) -> tuple[str, int]:
    """Return the message for an error and the exit code that goes with it."""
    if isinstance(error, Problem):
        return str(error), error.exit_code
    if isinstance(error, LocalPostgresError):
        return str(error), UNAVAILABLE
    if isinstance(error, UnreadableFile):
        return "\n".join(str(part) for part in (error.detail, error.hint) if part), BAD_DATA
    if isinstance(error, MappingError):
        lines = [f"  {issue.where}: {issue.reason}" for issue in error.issues]
        return "\n".join([str(_("The column mapping cannot be used.")), *lines]), BAD_DATA
    if isinstance(error, PluginError):
        return str(error), CONFIGURATION
    if isinstance(error, OperationalError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return f"{_('The database does not answer.')}\n{error.orig}", UNAVAILABLE
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or ''}", 1
    return f"{type(error).__name__}: {error}\n{_('Set WUYE_DEBUG=1 to see where.')}", 1
