"""One installation: its settings, its database, its plugins, its clock. Interfaces are built on this."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url, select
from sqlalchemy.orm import Session

from wuye.clock import Clock, SystemClock
from wuye.config import Settings
from wuye.context import Actor, Context, EstateInfo
from wuye.db import bootstrap
from wuye.db.database import Database
from wuye.db.local import LocalPostgres
from wuye.db.session import EstateSession
from wuye.errors import NotFound
from wuye.estates.models import Estate, EstatePlugin
from wuye.files import models as _files  # noqa: F401 (its table belongs to the metadata)
from wuye.i18n import _
from wuye.identity import models as _identity  # noqa: F401 (its tables belong to the metadata)
from wuye.identity.letters import Letters
from wuye.imports import models as _imports  # noqa: F401 (the same)
from wuye.mail import Mailbox
from wuye.plugins.loader import Plugin, Plugins, load
from wuye.resources import undo as _undo  # noqa: F401 (the same)
from wuye.resources import views as _views  # noqa: F401 (the same)
from wuye.serving import lifeline
from wuye.settings import models as _settings  # noqa: F401 (the same)

if TYPE_CHECKING:
    from wuye.db.migrate import Applied

EMBEDDED_DATABASE = "wuye"


class Installation:
    """Everything that a process needs to serve estates; made once a process."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, extra_plugins: tuple[Plugin, ...] = ()
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._extra = extra_plugins

    @cached_property
    def plugins(self) -> Plugins:
        """The loaded plugins."""
        return load(strict=self.settings.strict, extra=self._extra)

    @cached_property
    def local(self) -> LocalPostgres | None:
        """The embedded server, if the installation has no external one."""
        return None if self.settings.database_url else LocalPostgres(self.settings.data / "postgres")

    @cached_property
    def database(self) -> Database:
        """The database; the embedded server is started if it does not answer (in a group its supervisor does that)."""
        settings = self.settings
        secret = settings.secret()  # one that cannot be used must not leave a server running
        if settings.database_url is not None:
            url = settings.database_url
        else:
            assert self.local is not None
            if not lifeline.is_supervised():
                self.local.ensure()
            url = _driver(self.local.superuser_url(EMBEDDED_DATABASE))
        return Database(url, secret, pool_size=settings.pool_size, prepared=settings.prepared_statements)

    @property
    def letters(self) -> Letters:
        """How people are written to about their accounts."""
        settings = self.settings
        return Letters(self.database.secret, self.clock, settings.public_url, Mailbox.of(settings))

    @cached_property
    def errands(self) -> ThreadPoolExecutor:
        """Threads for what a request starts and nobody waits for."""
        return ThreadPoolExecutor(max_workers=2, thread_name_prefix="errand")

    @property
    def superuser(self) -> URL:
        """The URL that roles and the database are created with."""
        if self.settings.database_url is not None:
            return self.settings.database_url.set(database="postgres")
        assert self.local is not None
        self.local.ensure()
        return _driver(self.local.superuser_url("postgres"))

    @contextmanager
    def system_context(self, code: str, *, name: str = "wuye") -> Iterator[Context]:
        """Open a context in which the program itself acts in an estate, with every permission; commits at the end.

        For the command line, jobs and imports: whoever may run those on the host may do this.
        """
        with self.database.session() as session:
            info = find_estate(session, code)
            ctx = self.context(session, info, Actor(None, None, name, frozenset(self.plugins.registry.permissions)))
            yield ctx
            ctx.seal()

    def context(
        self, session: EstateSession, info: EstateInfo, actor: Actor, enabled: frozenset[str] | None = None
    ) -> Context:
        """Return the context of a step for an actor; `enabled` is looked up if the caller does not know it."""
        if enabled is None:
            rows = select(EstatePlugin.plugin).where(EstatePlugin.estate_id == info.id, EstatePlugin.enabled)
            enabled = frozenset(session.scalars(rows))
        active = (enabled & self.plugins.loaded.keys()) | {"core"}
        return Context(session, info, actor, active, self.plugins, self.clock.now(), self.settings.data, self.letters)

    def upgrade(self) -> "list[Applied]":
        """Create or update roles, database and tables; may be repeated at any time."""
        from wuye.db import migrate  # a fifth of a second, which a start that changes nothing need not take

        bootstrap.create_database(self.superuser, self.database)
        return migrate.upgrade(self.database, self.plugins)

    def close(self) -> None:
        """Close the connections; the embedded server stays up for the next process."""
        if (errands := self.__dict__.pop("errands", None)) is not None:
            errands.shutdown()
        if (database := self.__dict__.get("database")) is not None:
            database.dispose()


def _driver(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg")


def find_estate(session: Session, code: str) -> EstateInfo:
    """Return an estate by its code.

    Raises:
        NotFound: there is none.
    """
    estate = session.scalar(select(Estate).where(Estate.code == code))
    if estate is None:
        raise NotFound(_("There is no estate “{code}”.", code=code))
    return EstateInfo(estate.id, estate.code, estate.name, estate.zone, estate.locale)
