"""
The watcher: one task per event loop, which tells all holders on the loop when their tokens are no longer good.

    event, at each tick                     action of the watcher
    ------------------------------------    ----------------------------------------------------------------------
    the list of revocations has changed,    judges all tokens
    or its renewal fails or works again
    a token has expired, or is due          judges this token
    rows are due                            has a thread read the rows of all tokens that are due soon, 200 at a time;
                                            and another thread those that have to be read for each token
    none                                    compares two numbers for each token

The task begins with the first holder that waits, and ends with the last one. It renews the list once for all tokens.
It waits at most PATIENCE for a database or another server: if a token can't be judged by then, or if its rows are too
old by then, REVOCATION_ON_STALE decides whether it is refused as unavailable or held.

Its threads are `process.workers`, and not the one thread in which `sync_to_async` makes all calls outside of requests:
the project's own code may block that thread for as long as it likes.

While the loop is blocked, the watcher does not run. So a holder calls `Watch.acheck()` before it passes on a message.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.core.exceptions import SynchronousOnlyOperation
from django.db import close_old_connections
from django.utils import timezone

from jwt_auth._django.connections import is_private_to_process
from jwt_auth.exceptions import JWTAuthError, RevocationUnavailableError, UnavailableError
from jwt_auth.models import RevocationEvent
from jwt_auth.process import workers
from jwt_auth.process.blocking import WouldBlockError, about_to_block, call_on_loop, may_block, on_loop
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.renewal import PATIENCE
from jwt_auth.revocation.memory import view
from jwt_auth.watching.rows import ask_rows_of, in_batches
from jwt_auth.watching.watched_token import ROWS_EVERY, WatchedToken, is_held_in_outage, tick

T = TypeVar("T")

# The number of tokens that are judged before other tasks of the loop get their turn: about a millisecond.
_AT_ONCE = 100

# Rows that are due within this many seconds are read together with one that is due now.
_SOON = 0.15 * ROWS_EVERY

_Ended = list[tuple[WatchedToken, Exception]]


class Watcher:
    """The tokens that holders on one event loop wait for."""

    def __init__(self) -> None:
        self._waiting: dict[WatchedToken, set[asyncio.Future[JWTAuthError]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._jobs: dict[str, asyncio.Task[Any]] = {}
        self._judging: asyncio.Task[None] | None = None  # waits for the job "judge"
        self._failure: BaseException | None = None  # the last failure of a job
        self._patience_ends_at: dict[str, float] = {}  # of the jobs that read rows
        self._mark: object = None

    def add(self, watched: WatchedToken) -> asyncio.Future[JWTAuthError]:
        """Return a future that gets the reason when the token is no longer good. Cancel it to stop waiting."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[JWTAuthError] = loop.create_future()
        self._waiting.setdefault(watched, set()).add(future)
        watched.has_watcher = True
        future.add_done_callback(partial(self._drop, watched))
        watched.due_at = min(watched.due_at, seconds())
        if self._task is None or self._task.done():
            # In a context of its own: the context of the first holder may belong to a request, which ends earlier.
            self._task = Context().run(loop.create_task, self._run())
        return future

    def _drop(self, watched: WatchedToken, future: "asyncio.Future[JWTAuthError]") -> None:
        futures = self._waiting.get(watched, set())
        futures.discard(future)
        if not futures:
            self._waiting.pop(watched, None)
            watched.has_watcher = False

    async def _run(self) -> None:
        reason: Exception = UnavailableError("the watcher was stopped")
        self._failure = None
        try:
            while self._waiting:
                await self._tick()
                await asyncio.sleep(tick())
        except Exception as error:  # noqa: BLE001  # a bug in the project's PRINCIPAL, or in this app
            reason = error
        finally:
            # No holder may wait for a token that is no longer watched.
            self._end([(watched, reason) for watched in self._waiting])
            self._task = None

    async def _tick(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        mark = await self._renew()
        changed, self._mark = mark != self._mark, mark
        await self._judge(list(self._waiting) if changed else self._due())
        self._ask_rows()

    async def _renew(self) -> object:
        """Renew the list if it is due; return its mark, None if it can't be renewed."""
        if not any(watched.uses_view for watched in self._waiting):
            return self._mark
        try:
            return await self._result_of("renew", _renew)
        except UnavailableError:
            return None

    def _due(self) -> list[WatchedToken]:
        now, moment = seconds(), timezone.now().timestamp()
        return [watched for watched in self._waiting if now >= watched.due_at or moment >= watched.expires_at]

    async def _judge(self, some: Sequence[WatchedToken]) -> None:
        blocked: list[WatchedToken] = []
        for batch in in_batches(some, _AT_ONCE):
            ended, some_blocked = await on_loop(partial(_judge, batch))
            self._end(ended)
            blocked += some_blocked
            await asyncio.sleep(0)
        # Not awaited: another issuer that hangs delays nothing that is judged on the loop. Tokens for which a thread
        # has no time now are still due at the next tick.
        if blocked and (self._judging is None or self._judging.done()):
            self._judging = asyncio.get_running_loop().create_task(self._judge_in_thread(blocked))

    async def _judge_in_thread(self, some: Sequence[WatchedToken]) -> None:
        tokens = {watched: watched.token for watched in some}
        try:
            ended = await self._result_of("judge", partial(_judge_and_wait, some))
        except UnavailableError as error:
            ended = [] if is_held_in_outage() else [(watched, error) for watched in some]
        except Exception:  # noqa: BLE001  # the next tick raises it: see _note_end()
            return
        # If a later token has replaced the judged one meanwhile, the reason does not apply to it. It is judged next.
        self._end([(watched, reason) for watched, reason in ended if watched.token is tokens[watched]])

    def _ask_rows(self) -> None:
        """Have threads read the rows that are due. Later ticks find the results."""
        now = seconds()
        late = [watched for watched in self._waiting if watched.rows_due_at <= now]
        # Apart, so that a slow PRINCIPAL, which is asked about each token, delays nothing else.
        for name, are_single in (("rows", False), ("single rows", True)):
            some = [watched for watched in late if watched.has_single_rows == are_single]
            if name in self._jobs:
                self._end_of_hanging(name, some, now)
            elif some:
                of_kind = (watched for watched in self._waiting if watched.has_single_rows == are_single)
                due = [watched for watched in of_kind if watched.rows_due_at <= now + _SOON]
                self._patience_ends_at[name] = asyncio.get_running_loop().time() + PATIENCE
                self._start(name, partial(ask_rows_of, due, timezone.now()))

    def _end_of_hanging(self, name: str, late: Iterable[WatchedToken], now: float) -> None:
        """End the watches whose rows are too old, if the thread that reads them has taken longer than PATIENCE."""
        # By the clock of the loop, which doesn't jump when the machine was suspended.
        if asyncio.get_running_loop().time() >= self._patience_ends_at[name] and not is_held_in_outage():
            error = RevocationUnavailableError("the database does not answer")
            self._end([(watched, error) for watched in late if watched.stale_at <= now])

    async def _result_of(self, name: str, call: Callable[[], T]) -> T:
        """
        Return the result of `call`, which runs in a thread if it has to wait.

        Raises:
            UnavailableError: if it does not end within PATIENCE, or if the last call of this name still runs.
        """
        if name not in self._jobs:
            task = self._start(name, call)
            done, _ = await asyncio.wait({task}, timeout=PATIENCE)
            if done:
                return task.result()
        raise RevocationUnavailableError("the database does not answer")

    def _start(self, name: str, call: Callable[[], T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(_done_by_worker(call))
        self._jobs[name] = task
        task.add_done_callback(partial(self._note_end, name))
        return task

    def _note_end(self, name: str, task: "asyncio.Task[Any]") -> None:
        del self._jobs[name]
        if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), UnavailableError):
            self._failure = task.exception()

    def _end(self, ended: _Ended) -> None:
        for watched, reason in ended:
            _complete(self._waiting.get(watched, ()), reason)


class _Watchers:
    """The watchers of this process: one for each event loop."""

    def __init__(self) -> None:
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Forget all watchers, as after a fork: no loop runs in the child."""
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Watcher] = WeakKeyDictionary()

    def of_running_loop(self) -> Watcher:
        """Return the watcher of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            self._forget_closed_loops()
            found = self._of_loops[loop] = Watcher()
        return found

    def _forget_closed_loops(self) -> None:
        """Forget loops that were closed while holders waited: their tasks and futures would keep them in memory."""
        for reference in self._of_loops.keyrefs():  # a list: other threads may add theirs
            loop = reference()
            if loop is not None and loop.is_closed():
                self._of_loops.pop(loop, None)


_all: "ForkReset[_Watchers]" = ForkReset(_Watchers.forget)
_watchers = _Watchers()


def watcher() -> Watcher:
    """Return the watcher of the running event loop."""
    return _watchers.of_running_loop()


def _renew() -> object:
    return view.view().refresh()


def _judge(some: Iterable[WatchedToken]) -> tuple[_Ended, list[WatchedToken]]:
    """Judge tokens; return those that are no longer good, with the reasons, and those that need a thread."""
    ended: _Ended = []
    blocked: list[WatchedToken] = []
    now = timezone.now()
    for watched in some:
        try:
            watched.judge(now)
        except (WouldBlockError, SynchronousOnlyOperation):  # noqa: PERF203  # each token has its own result
            blocked.append(watched)
        except JWTAuthError as reason:
            ended.append((watched, reason))
    return ended, blocked


def _judge_and_wait(some: Iterable[WatchedToken]) -> _Ended:
    about_to_block()
    return _judge(some)[0]


async def _done_by_worker(call: Callable[[], T]) -> T:
    """Return the result of `call`, which is made on the loop if it need not wait, or else in a thread of this app."""
    if is_private_to_process(RevocationEvent.objects.all().db):
        return await on_loop(partial(_closing, call))
    try:
        return call_on_loop(call)
    except (WouldBlockError, SynchronousOnlyOperation):
        return await workers.aresult_of(workers.start(partial(_closing, call)))


def _closing(call: Callable[[], T]) -> T:
    """Return the result of `call`; in a thread, close old connections as Django does around each request."""
    if not may_block():
        return call()
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()


def _complete(futures: "Iterable[asyncio.Future[JWTAuthError]]", reason: Exception) -> None:
    for future in list(futures):
        if future.done():
            continue
        if isinstance(reason, JWTAuthError):
            future.set_result(reason)
        else:
            future.set_exception(reason)
