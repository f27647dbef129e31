"""A user of the API in a test: says what it does, and fails loudly when it is refused."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from wuye.resources.declaration import Resource
from wuye.web.api import path_of

Rows = list[dict[str, Any]]


class Refused(AssertionError):
    """The API refused what a test did; `status` and `problem` say how."""

    def __init__(self, response: TestResponse) -> None:
        self.status = response.status_code
        self.problem: dict[str, Any] = response.get_json(silent=True) or {}
        super().__init__(f"{response.request.method} {response.request.path}: {self.status} {self.problem}")


class Client:
    """Acts as one user in one estate. Resources go by the last part of their URL (`requests`)."""

    __test__ = False

    def __init__(
        self, app: Flask, estate: str, token: str, resources: Mapping[str, Resource], person: UUID | None = None
    ) -> None:
        self.app = app
        self.person = person
        self.estate = estate
        self.token = token
        self._resources = resources

    def url(self, resource: str, *parts: object) -> str:
        """Return the address of a resource in this estate, or of something below it."""
        found = next(item for key, item in self._resources.items() if resource in (key, item.name))
        return "/".join([path_of(found).replace("<estate>", self.estate), *map(str, parts)])

    def send(self, method: str, url: str, body: object = None, **headers: str) -> TestResponse:
        """Send a request and return the answer, whatever it is."""
        all_headers = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.app.test_client().open(url, method=method, json=body, headers=all_headers, buffered=True)

    def upload(self, url: str, body: bytes, name: str = "note.txt", label: str = "", **headers: str) -> TestResponse:
        """Send a file in a form, as a browser does, and return the answer, whatever it is."""
        form = {"file": FileStorage(BytesIO(body), name), **({"label": label} if label else {})}
        boundary, data = encode_multipart(form)
        all_headers = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        content_type = f"multipart/form-data; boundary={boundary}"
        return self.app.test_client().post(url, data=data, content_type=content_type, headers=all_headers)

    def ask(self, method: str, url: str, body: object = None, **headers: str) -> Any:
        """Send a request and return its JSON.

        Raises:
            Refused: the answer is no success.
        """
        response = self.send(method, url, body, **headers)
        if response.status_code >= 400:
            raise Refused(response)
        return response.get_json()

    def create(self, resource: str, **values: Any) -> dict[str, Any]:
        """Create something and return it as it was read back."""
        return dict(self.ask("POST", self.url(resource), values, Idempotency_Key=str(uuid4())))

    def get(self, resource: str, thing: Mapping[str, Any] | object) -> dict[str, Any]:
        """Return one thing, by itself or by its id."""
        return dict(self.ask("GET", self.url(resource, _id(thing))))

    def edit(self, resource: str, thing: Mapping[str, Any], **values: Any) -> dict[str, Any]:
        """Change the version that the test has of a thing."""
        return dict(self.ask("PATCH", self.url(resource, thing["id"]), values, If_Match=f'"{thing["version"]}"'))

    def act(self, resource: str, thing: Mapping[str, Any] | object, action: str, **values: Any) -> dict[str, Any]:
        """Take an action on a thing, whatever its version."""
        return dict(self.ask("POST", self.url(resource, _id(thing), "actions", action), values, If_Match="*"))

    def list(self, resource: str, query: str = "") -> Rows:
        """Return the first page of a list; `query` is the part of the URL after the question mark."""
        return _rows(self.ask("GET", f"{self.url(resource)}?{query}")["items"])

    def all(self, resource: str, query: str = "") -> Rows:
        """Return a whole list, page by page."""
        rows: Rows = []
        after = ""
        while True:
            page = self.ask("GET", f"{self.url(resource)}?{query}{after}")
            rows += page["items"]
            if page["after"] is None:
                return rows
            after = f"&after={page['after']}"

    def timeline(self, resource: str, thing: Mapping[str, Any] | object) -> Rows:
        """Return the history of a thing."""
        return _rows(self.ask("GET", self.url(resource, _id(thing), "timeline"))["items"])


def _rows(items: Rows) -> Rows:
    return items


def _id(thing: Mapping[str, Any] | object) -> object:
    return thing["id"] if isinstance(thing, Mapping) else thing
