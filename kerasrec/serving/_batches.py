"""Batches of requests for single lists: requests that wait at the same time share one ranking."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from kerasrec.serving import _answers
from kerasrec.serving._pace import Pace
from kerasrec.serving._served import Served
from kerasrec.serving.events import EventLog


class Asked(NamedTuple):
    """What a request for one user's list asks for; the fields are those of `lists`."""

    k: int
    exclude_seen: bool
    unknown: str


_Waiting = dict[tuple[Served, Asked], list[tuple[Any, asyncio.Future[dict[str, Any]]]]]
_Found = list[list[dict[str, Any]] | Exception]


class Batches:
    """Gathers the requests that arrive in one turn of the event loop, or during the previous ranking.

    Ranking for sixteen users costs hardly more than for one, and gives each user the same list. It runs on
    the event loop only while rankings are known to be short; otherwise it runs in a thread.

    Args:
        log: `EventLog`.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._pace = Pace()
        self._waiting: _Waiting = {}
        self._busy = False

    async def ask(self, served: Served, user: Any, asked: Asked) -> dict[str, Any]:
        """One user's list.

        Args:
            served: `Served`.
            user: raw id.
            asked: `Asked`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._waiting.setdefault((served, asked), []).append((user, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin)
        return await future

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, {}
        version = next(iter(waiting))[0].version
        rank = self._pace.measured(version, lambda: self._rank(waiting))
        if self._pace.is_short(version):
            self._end(waiting, rank)
            return
        running = asyncio.get_running_loop().run_in_executor(None, rank)
        running.add_done_callback(lambda done: self._end(waiting, done.result))

    def _rank(self, waiting: _Waiting) -> _Found:
        """The lists of each group, or the error that the whole group gets."""
        found: _Found = []
        for (served, asked), requests in waiting.items():
            users = [user for user, _ in requests]
            try:
                how = asked.k, asked.exclude_seen
                found.append(_answers.lists(served, self._log, users, *how, unknown=asked.unknown))
            except Exception as error:
                found.append(error)
        return found

    def _end(self, waiting: _Waiting, result: Callable[[], _Found]) -> None:
        try:
            found = result()
        except BaseException:  # the server is being stopped
            for requests in waiting.values():
                for _, future in requests:
                    future.cancel()
            raise
        finally:
            self._busy = bool(self._waiting)
            if self._busy:
                asyncio.get_running_loop().call_soon(self._begin)
        for requests, answers in zip(waiting.values(), found, strict=True):
            for place, (_, future) in enumerate(requests):
                if future.done():
                    continue  # the client has gone
                if isinstance(answers, Exception):
                    future.set_exception(answers)
                else:
                    future.set_result(answers[place])
