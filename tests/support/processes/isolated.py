"""Functions that run in children, for the tests: they really abort, loop and eat memory."""

import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile


def double(item):
    return 2 * item


def aborts_on_three(item):
    if item == 3:
        os.abort()
    return item


def loops_on_three(item):
    while item == 3:
        pass
    return item


def tells_and_loops_on_three(job):
    item, path = job
    with path.open("a") as file:
        file.write(f"{item}\n")
    return loops_on_three(item)


def tells_and_loops_if_bad(job):
    """Of (name, file): adds the name to the file, and never ends for one that ends in "bad"."""
    name, path = job
    with path.open("a") as file:
        file.write(f"{name}\n")
    while name.endswith("bad"):
        pass
    return name


def eats_on_three(item):
    eaten = []
    while item == 3:
        eaten.append(np.ones(2**22))
    return item


def refuses(item):
    raise RejectedFile(RejectionReason.CORRUPT, f"item {item}")


def fails(item):
    raise KeyError(f"item {item}")


class Stubborn(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, one, other):
        super().__init__("stubborn")


def fails_stubbornly(item):
    raise Stubborn(1, 2)


def returns_what_cannot_travel(item):
    return lambda: item


def exhausts_memory(item):
    if item == 3:
        return np.ones(2**29).sum()
    return item


def too_much_to_send(item):
    return b"x" * 2**29


def speaks(item):
    for stream in (1, 2):
        os.write(stream, b"a decoder's own words")
    return item


def array_of(item):
    return np.full((item, item), item, np.uint16)


def slow_if_even(item):
    time.sleep(0.01 * (item % 2 == 0))
    return item


def peak_mib(item):
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def state(item):
    """The modules, threads and core limit of the child."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "modules": set(sys.modules),
        "threads": int(status["Threads"]),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
    }


def pid(item):
    return os.getpid()


def says_its_pid_and_loops(path):
    Path(path).write_text(str(os.getpid()))
    while True:
        pass
