"""Whose turn it is: a few requests run at once, and no estate takes the places of the others.

Requests wait in a line for each estate. When a place gets free, it goes to the line that has waited longest for its turn, so
an estate with a thousand requests and one with a single request are served alternately. While others ask as well, an
estate has few places, and after each request of a line that is never empty it rests for as long as the request took: the
processor is shared, so what one takes the others feel. All of it happens on one event loop, hence without locks.
"""

import asyncio
from collections import OrderedDict, deque

#: For so many seconds after its last request a line counts as one that asks.
_RECENTLY = 1.0

#: No rest is longer: a long report is not followed by a long silence.
_LONGEST_REST = 0.1


class Crowded(Exception):
    """So many requests of one line wait that one more would wait too long."""


class Turns:
    """Places for requests: `places` in all, `share` of them for one line while others ask, and `waiting` of it in line."""

    def __init__(self, places: int, share: int, waiting: int) -> None:
        self._places = self._free = places
        self._share = share
        self._waiting = waiting
        self._running: dict[str, int] = {}
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._resting: set[str] = set()
        self._asked: OrderedDict[str, float] = OrderedDict()

    async def take(self, line: str) -> float:
        """Return the moment at which the request may run, by the loop's clock; `give_back` must be called afterwards.

        Raises:
            Crowded: the line is full.
        """
        loop = asyncio.get_running_loop()
        self._note(line, loop.time())
        waiting = self._lines.get(line)
        if waiting is None and self._may(line, loop.time()):
            self._begin(line)
            return loop.time()
        if waiting is None:
            waiting = self._lines[line] = deque()
        if len(waiting) >= self._waiting:
            raise Crowded
        turn: asyncio.Future[None] = loop.create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(line, loop.time())
            raise
        return loop.time()

    def give_back(self, line: str, began: float) -> None:
        """Free a request's place, and let the next one run."""
        loop = asyncio.get_running_loop()
        self._free += 1
        left = self._running[line] - 1
        if left:
            self._running[line] = left
        else:
            del self._running[line]
        if line in self._lines and self._others_ask(line, loop.time()):
            self._resting.add(line)
            loop.call_later(min(loop.time() - began, _LONGEST_REST), self._rested, line)
        self._call_next(loop.time())

    def _rested(self, line: str) -> None:
        self._resting.discard(line)
        self._call_next(asyncio.get_running_loop().time())

    def _note(self, line: str, now: float) -> None:
        self._asked[line] = now
        self._asked.move_to_end(line)
        while len(self._asked) > 2 and next(iter(self._asked.values())) < now - _RECENTLY:
            self._asked.popitem(last=False)

    def _others_ask(self, line: str, now: float) -> bool:
        other = next((at for name, at in reversed(self._asked.items()) if name != line), None)
        return other is not None and now - other < _RECENTLY

    def _may(self, line: str, now: float) -> bool:
        if not self._free or line in self._resting:
            return False
        # One place is kept for whoever comes next, also while nobody else asks.
        most = self._share if self._others_ask(line, now) else max(self._places - 1, 1)
        return self._running.get(line, 0) < most

    def _begin(self, line: str) -> None:
        self._free -= 1
        self._running[line] = self._running.get(line, 0) + 1

    def _call_next(self, now: float) -> None:
        for line in list(self._lines):
            if not self._free:
                return
            if not self._may(line, now):
                continue
            waiting = self._lines.pop(line)
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    self._begin(line)
                    turn.set_result(None)
                    break
            if waiting:
                self._lines[line] = waiting  # at the end: the others come first
