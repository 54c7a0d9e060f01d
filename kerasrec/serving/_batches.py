"""Requests for single lists that wait at the same moment are answered by one ranking."""

import asyncio
from typing import Any

from kerasrec.serving import _answers
from kerasrec.serving._served import Served
from kerasrec.serving.events import EventLog


class Batches:
    """Gathers what came in during one turn of the event loop.

    A ranking of sixteen users costs hardly more than that of one, and gives each the same list.

    Args:
        log: `EventLog`.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._waiting: dict[tuple[Any, ...], list[tuple[Any, asyncio.Future[dict[str, Any]]]]] = {}

    async def ask(
        self, served: Served, user: Any, k: int, exclude_seen: bool, unknown: str
    ) -> dict[str, Any]:
        """One user's list; the arguments are those of `lists`."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer)
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._waiting.setdefault((served, k, exclude_seen, unknown), []).append((user, future))
        return await future

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for (served, k, exclude_seen, unknown), asked in waiting.items():
            users = [user for user, _ in asked]
            try:
                found = _answers.lists(served, self._log, users, k, exclude_seen, unknown=unknown)
            except Exception as error:
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(asked, found, strict=True):
                if not future.done():  # whoever asked has gone
                    future.set_result(answer)
