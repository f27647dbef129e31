"""Nothing is lost: back a working installation up, restore it into a new folder, and count what is missing.

    python drills/restore.py --records 2000

Four clients report things, some with a photo, before, while and after `wuye backup` runs. What was acknowledged before it
began must be in what `wuye restore --verify` makes of it, every file must open, every timeline must verify, and people
must be able to sign in. Prints what was counted and how long each step took; exits with 1 if a promise is broken.
"""

import argparse
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from PIL import Image

from wuye.db.local import LocalPostgres

CLIENTS = 4
REQUESTS = "/api/v1/estates/demo/customer-service/requests"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--records", type=int, default=2000, help="How many to make before the backup begins.")
    options.add_argument("--port", type=int, default=0, help="The first of two ports; without it, free ones.")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wuye-drill-"))
    folder.chmod(0o755)  # PostgreSQL's own account, where root runs this, goes in
    try:
        return drill(folder, chosen.records, chosen.port)
    finally:
        for name in ("old", "new"):
            LocalPostgres(folder / name / "postgres").remove()
        shutil.rmtree(folder, ignore_errors=True)


def drill(folder: Path, records: int, port: int) -> int:
    ports = (port, port + 1) if port else (free_port(), free_port())
    old, new, backup = folder / "old", folder / "new", folder / "backup"
    users = json.loads(wuye(old, "demo", "--no-serve", "--json"))["users"]
    agent = next(user for user in users if user["email"].startswith("agent@"))
    with serving(old, ports[0]), Writers(ports[0], agent) as writers:
        with measured(f"{records} records by {CLIENTS} clients"):
            writers.wait_for(records)
        before = writers.acknowledged()
        with measured("backup while they go on"):
            made = json.loads(wuye(old, "backup", str(backup), "--json"))
        after = writers.acknowledged()
        writers.wait_for(len(after) + CLIENTS)
    print(
        f"  {made['rows']} rows, {made['files']} files ({made['file_bytes'] / 1e6:.1f} MB), folder {size(backup):.1f} MB"
    )
    print(f"  acknowledged: {len(before)} before the backup, {len(after) - len(before)} while it ran")
    with measured("a second backup"):
        wuye(old, "backup", str(folder / "again"), "--json")
    print(f"  {size(folder / 'again', backup):.1f} MB more")
    with measured("restore --verify into a new folder"):
        wuye(new, "restore", str(backup), "--verify", "--json")
    with measured("doctor --deep"):
        findings = json.loads(wuye(new, "doctor", "--deep", "--json"))
    with serving(new, ports[1]), measured("sign in, and read everything back"):
        lost, unreadable = look_for(Client(ports[1], agent), before)
    return verdict(findings=findings, lost=lost, unreadable=unreadable, missing=made["missing"], writers=writers)


def verdict(
    *, findings: list[object], lost: list[str], unreadable: list[str], missing: list[str], writers: "Writers"
) -> int:
    """Say what is wrong, and return the exit code."""
    wrong = {
        "acknowledged, but not restored": lost,
        "files that do not open": [*unreadable, *missing],
        "findings of the doctor": findings,
        "answers that were no acknowledgement": writers.refused,
    }
    for what, which in wrong.items():
        print(f"{'BROKEN' if which else 'ok':<7} {what}: {len(which)} {which[:3] if which else ''}")
    return 1 if any(wrong.values()) else 0


def look_for(client: "Client", before: dict[str, bool]) -> tuple[list[str], list[str]]:
    """Return which of these things are gone, and which files of them do not open; a value tells whether one has a photo."""
    lost, unreadable = [], []
    for identity, has_photo in before.items():
        if client.ask("GET", f"{REQUESTS}/{identity}")[0] != 200:
            lost.append(identity)
        elif has_photo:
            files = json.loads(client.ask("GET", f"{REQUESTS}/{identity}/files")[1])["items"]
            for file in files:
                status, content = client.ask("GET", f"{REQUESTS}/{identity}/files/{file['id']}")
                with suppress(Exception):
                    Image.open(io.BytesIO(content)).load()
                    continue
                unreadable.append(f"{identity}: {status}")
            if not files:
                unreadable.append(f"{identity}: no file")
    return lost, unreadable


class Client:
    """Somebody who is signed in, on one connection."""

    def __init__(self, port: int, user: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers: dict[str, str] = {}
        wanted = {"email": user["email"], "password": user["password"], "estate": "demo"}
        status, answer = self.ask("POST", "/api/v1/tokens", wanted)
        if status >= 300:
            raise SystemExit(f"BROKEN  {user['email']} cannot sign in: {status} {answer[:200]!r}")
        self._headers = {"Authorization": f"Bearer {json.loads(answer)['token']}"}

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a request until it is not refused for haste, and return the status and the body of the answer."""
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        return self._send(method, path, json.dumps(body).encode() if body is not None else None, headers)

    def upload(self, path: str, content: bytes) -> int:
        """Send a photo, and return the status of the answer."""
        mark = uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
        return self._send(
            "POST", path, body, {**self._headers, "Content-Type": f"multipart/form-data; boundary={mark}"}
        )[0]

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        while True:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
            if answer.status != 429:
                return answer.status, content
            time.sleep(float(answer.headers.get("Retry-After", "1")))


class Writers:
    """Clients that report things until they are stopped, every fifth of them with a photo."""

    def __init__(self, port: int, user: dict[str, str]) -> None:
        self.refused: list[str] = []
        self._done: dict[str, bool] = {}
        self._more = threading.Condition()
        self._stopped = threading.Event()
        clients = [Client(port, user) for _number in range(CLIENTS)]
        self._threads = [
            threading.Thread(target=self._write, args=(each, number)) for number, each in enumerate(clients)
        ]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def acknowledged(self) -> dict[str, bool]:
        """Return what was acknowledged so far, each with whether its photo was too."""
        with self._more:
            return dict(self._done)

    def wait_for(self, count: int) -> None:
        """Return when so many were acknowledged."""
        with self._more:
            if not self._more.wait_for(lambda: len(self._done) >= count or self.refused, timeout=600):
                raise SystemExit("BROKEN  the server does not take requests")

    def _write(self, client: Client, number: int) -> None:
        count = 0
        while not self._stopped.is_set():
            count += 1
            status, answer = client.ask(
                "POST", REQUESTS, {"title": f"第 {number}.{count} 件", "request_kind": "repair"}
            )
            if status != 201:
                self.refused.append(f"{status} {answer[:200]!r}")
                return
            identity = json.loads(answer)["id"]
            with_photo = count % 5 == 0 and client.upload(f"{REQUESTS}/{identity}/files", photo(number, count)) == 201
            with self._more:
                self._done[identity] = with_photo
                self._more.notify_all()


def photo(number: int, count: int) -> bytes:
    """Return a photo that no other one equals."""
    image, target = Image.effect_noise((320, 240), 40 + number), io.BytesIO()
    image.putpixel((count % 320, 0), 255)
    image.save(target, "JPEG")
    return target.getvalue()


def wuye(data: Path, *command: str) -> str:
    """Run a command on an installation, and return what it gave on stdout."""
    done = subprocess.run([sys.executable, "-m", "wuye", "--data", str(data), *command], capture_output=True, text=True)
    if done.returncode not in (0, 1) or (done.returncode and command[0] != "doctor"):
        raise SystemExit(f"BROKEN  wuye {' '.join(command)}: {done.returncode}\n{done.stderr}")
    return done.stdout


@contextmanager
def serving(data: Path, port: int) -> Iterator[None]:
    """Serve an installation while the block runs."""
    command = [sys.executable, "-m", "wuye", "--data", str(data), "serve", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "WUYE_DEMO": "true"}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            with suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"BROKEN  nothing answers on port {port}")
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def measured(what: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    print(f"{time.perf_counter() - begun:6.1f} s  {what}", flush=True)


def size(folder: Path, *besides: Path) -> float:
    """Return the megabytes that a folder takes on the disk, without the files that it shares with others."""
    known = {path.stat().st_ino for other in besides for path in other.rglob("*") if path.is_file()}
    found = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sum(count for inode, count in found.items() if inode not in known) / 1e6


if __name__ == "__main__":
    sys.exit(main())
