"""
A simulated session: clients that refresh, machines with clocks of their own, and waits between all steps of a request.

    sent -> (queue) arrives -> (wait) row read -> (wait) answer of the read: judged -> (wait) row written, if nobody was
    faster -> (wait) answer received, or lost

A request that loses the race for the row reads it again, with the same waits. Time is a number of seconds, which is
also the time of the database's clock. A lost answer stands for a killed worker too: before the row is written nothing
has happened, and after it only the answer is missing.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from jwt_auth.sessions.refresh_tokens import Case


@dataclass(frozen=True, kw_only=True)
class Waits:
    """The waits of one request, in seconds. `skew` is the error of its machine's clock, `lost` that of its answer."""

    queue: float = 0
    before_read: float = 0
    read: float = 0
    before_write: float = 0
    answer: float = 0
    skew: float = 0
    lost: bool = False


@dataclass
class Row:
    counter: int = 0
    rotated_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The facts that a request knows when it judges. `machine` is the time by its machine, `arrived` at its arrival."""

    counter: int
    rotated_at: float | None
    database: float
    machine: float
    arrived: float


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """
    The rule under test.

    Args:
        judge: returns the case of a counter.
        write: returns the new `rotated_at`, from the machine's time before the row is written and the database's then.
    """

    judge: Callable[[int, Seen], Case]
    write: Callable[[float, float], float]


@dataclass
class World:
    """
    One session. `run` lets everything happen that was begun.

    `in_bounds` tells whether each request so far has reached the app within `bound` after the first use of its token,
    and each answer its client within `bound` after that.
    """

    protocol: Protocol
    bound: float
    now: float = 0
    row: Row = field(default_factory=Row)
    ended_by: Case | None = None
    in_bounds: bool = True
    first_used: dict[int, float] = field(default_factory=dict)
    _due: list[Any] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def begin(self, at: float, steps: Iterator[float]) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), steps))

    def run(self) -> None:
        while self._due:
            self.now, _, steps = heapq.heappop(self._due)
            for wait in steps:
                self.begin(self.now + wait, steps)
                break

    def request(self, presented: int, waits: Waits, answers: dict[int, int | None], number: int) -> Iterator[float]:
        """Yield the waits of a request; put the counter that it returns, or None for a refusal, into `answers`."""
        yield waits.queue
        since, arrived, case = self.now, self.now + waits.skew, Case.FRESH
        self.in_bounds = self.in_bounds and self.now - self.first_used.get(presented, self.now) < self.bound
        for _ in range(2):
            yield waits.before_read
            counter, rotated_at, database = self.row.counter, self.row.rotated_at, self.now
            yield waits.read
            machine = self.now + waits.skew
            seen = Seen(counter=counter, rotated_at=rotated_at, database=database, machine=machine, arrived=arrived)
            case = self.protocol.judge(presented, seen)
            if case is not Case.FRESH:
                break
            yield waits.before_write
            if self.row.counter == counter:
                self.row = Row(counter + 1, self.protocol.write(machine, self.now))
                self.first_used[counter] = self.now
                break
        if case in (Case.REUSED, Case.AHEAD):
            self.ended_by = self.ended_by or case
        result = None if self.ended_by else counter + (case is Case.FRESH)
        yield waits.answer
        self.in_bounds = self.in_bounds and self.now - since < self.bound
        if not waits.lost:
            answers[number] = result
