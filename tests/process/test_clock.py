"""The clock by which a process polls: it goes on while the machine is suspended."""

import pytest

from jwt_auth.process import clock


class Machine:
    """The two clocks of a machine."""

    def __init__(self):
        self.monotonic, self.wall = 1000.0, 1_800_000_000.0

    def go_on(self, seconds, *, suspended=0.0, adjusted=0.0):
        self.monotonic += seconds
        self.wall += seconds + suspended + adjusted


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(clock, "monotonic", lambda: machine.monotonic)
    monkeypatch.setattr(clock, "time", lambda: machine.wall)
    monkeypatch.setattr(clock, "_suspensions", clock._Suspensions())
    return machine


def elapsed(machine, *steps):
    began = clock.seconds()
    for step in steps:
        machine.go_on(1, **step)
        clock.seconds()
    return clock.seconds() - began


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{}], 1),
        ([{"suspended": 3600}], 3601),
        ([{"suspended": 3600}, {}, {"suspended": 60}], 3663),
        ([{"suspended": 0.25}], 1),  # a thread that was interrupted between the two clocks
        ([{"suspended": 0.25}] * 8, 9.5),  # but small suspensions add up
        ([{"adjusted": -3600}], 1),
        ([{"adjusted": -3600}, {"suspended": 10}], 12),
    ],
)
def test_it_counts_what_the_wall_clock_has_moved_beyond_the_monotonic_one(machine, steps, expected):
    assert elapsed(machine, *steps) == pytest.approx(expected, abs=1e-6)


def test_it_never_goes_back(machine):
    seen = [clock.seconds()]
    for step in ({"adjusted": 5}, {"adjusted": -9}, {"suspended": 2}, {"adjusted": -0.2}, {}):
        machine.go_on(0.1, **step)
        seen.append(clock.seconds())
    assert seen == sorted(seen)
