"""Flask-SQLAlchemy, kept thin: it scopes a session to the request. Engine, session class and models are ours."""

from typing import Any, cast

from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Engine

from wuye.db.database import Database
from wuye.db.session import EstateSession


class RequestSession(EstateSession, FlaskSession):
    """The request's session: pinned to its estate once the caller is known."""


class _Extension(SQLAlchemy):
    """The extension with the installation's own engine, so that there is one pool in a process."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        database: Database = app.extensions["wuye"].database
        return database.engine("app")


db = _Extension(session_options={"class_": RequestSession, "signing_key": b""})


def request_session() -> RequestSession:
    """Return the session of the request."""
    return cast(RequestSession, db.session())


def init(app: Flask, database: Database) -> None:
    """Connect an application to its installation's database."""
    app.config["SQLALCHEMY_DATABASE_URI"] = database.url("app")
    db.init_app(app)

    @app.before_request
    def give_key() -> None:
        request_session().signing_key = database.signing_key

    @app.after_request
    def end_reading(response: Response) -> Response:
        if request.method in ("GET", "HEAD") and not response.is_streamed:
            if response.status_code < 400:
                request_session().end_reading()
            elif response.status_code < 500:
                request_session().end_refused()
        return response
