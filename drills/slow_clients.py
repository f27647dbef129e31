"""Nothing stops: a thousand clients that are slow, silent or deaf, and what the others feel of them.

    python drills/slow_clients.py --clients 1000

Asks /healthz and a list a few hundred times, then again while the clients hang on: some say nothing, some half a header,
some one byte of a body and then nothing or one byte a second, some ask for a page and never take it. Prints both p95 and
their ratio; exits with 1 if one is more than twice as slow, or not answered.
"""

import argparse
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from wuye.db.local import LocalPostgres
from wuye.testing.serving import Group, furnished

SAMPLES = 200
RATIO = 2.0
LIST = "/api/v1/estates/one/records?limit=50"

KINDS = (
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: 127",
    b"POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n{",
    b"POST /csp-report HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n{",
    b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3,
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--clients", type=int, default=1000)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wuye-drill-"))
    folder.chmod(0o755)  # PostgreSQL's own account, where root runs this, goes in
    data = folder / "data"
    try:
        with furnished(data) as place:
            token = place.token
        group = Group(data, command=("serve",))
        group.start()
        try:
            return drill(group, token, chosen.clients)
        finally:
            group.end()
            group.put_down()
    finally:
        LocalPostgres(data / "postgres").remove()
        shutil.rmtree(folder, ignore_errors=True)


def drill(group: Group, token: str, count: int) -> int:
    paths = {"/healthz": {}, LIST: {"Authorization": f"Bearer {token}"}}
    before = {path: p95(group, path, headers) for path, headers in paths.items()}
    clients = [connected(group.port, KINDS[number % len(KINDS)]) for number in range(count)]
    stop = threading.Event()
    dripping = threading.Thread(target=drip, args=([*clients[3 :: len(KINDS)]], stop))
    dripping.start()
    try:
        during = {path: p95(group, path, headers) for path, headers in paths.items()}
    finally:
        stop.set()
        dripping.join()
        for client in clients:
            client.close()
    broken = False
    for path in paths:
        ratio = during[path] / before[path]
        broken |= ratio > RATIO
        print(f"{path}: p95 {1000 * before[path]:.1f} ms alone, {1000 * during[path]:.1f} ms beside {count} hanging"
              f" clients: {ratio:.2f} times")  # fmt: skip
    return int(broken)


def connected(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(sent)
    return client


def drip(clients: list[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(1.0):
        for client in clients:
            try:
                client.send(b" ")
            except OSError:
                continue  # it was sent away


def p95(group: Group, path: str, headers: dict[str, str]) -> float:
    taken = []
    for _number in range(SAMPLES):
        began = time.perf_counter()
        status, _body = group.ask(path, **headers)
        taken.append(time.perf_counter() - began)
        assert status == 200, f"{path} answered {status}"
    return sorted(taken)[int(0.95 * len(taken))]


if __name__ == "__main__":
    sys.exit(main())
