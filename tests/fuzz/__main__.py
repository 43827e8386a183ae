"""Read many damaged files of every format: nothing but scans and rejections may come of it.

    python -m tests.fuzz [--cases 42000] [--seed 0] [--format NAME --number N]

Exits 1 on anything else. A child that an item kills or hangs counts as a rejection, as it does
for a user; how many there were is in the table.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers.sandbox.pool import ReaderPool
from mriad_model.readers.sandbox.worker import ChildLimits
from tests.fuzz.cases import SCAN, Case, run
from tests.fuzz.samples import write_samples

LIMITS = ChildLimits(seconds=20)
KILLED = (RejectionReason.READER_DIED.value, RejectionReason.TIMED_OUT.value)
TOGETHER = 8


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--cases", type=int, default=42_000, help="of all formats together")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--format", help="this one alone")
    options.add_argument("--number", type=int, help="this case alone, in this process")
    given = options.parse_args()
    started, bad, killers = time.monotonic(), [], []
    with (
        tempfile.TemporaryDirectory(prefix="mriad-fuzz-") as scratch,
        ReaderPool(2, LIMITS) as readers,
    ):
        samples = Path(scratch)
        formats = write_samples(samples)
        if given.number is not None:
            print(run(Case(samples, given.format, given.seed, given.number)))
            return 0
        chosen = [given.format] if given.format else formats
        each = -(-given.cases // len(chosen))
        print(f"{'format':30} {'cases':>6} {'scans':>6} {'killed':>6}  rejections by reason")
        for name in chosen:
            cases = [Case(samples, name, given.seed, number) for number in range(each)]
            counts = Counter[str]()
            for case, result in zip(cases, readers.map(run, cases, together=TOGETHER), strict=True):
                outcomes = [result.reason.value] if isinstance(result, RejectedFile) else result
                counts.update(outcomes)
                killers += [case for word in outcomes if word in KILLED]
                bad += [(case, word) for word in outcomes if word.startswith("error")]
            say_row(name, each, counts)
    print(f"{each * len(chosen)} cases in {time.monotonic() - started:.0f} s")
    for case in killers[:20]:
        print(f"{named(case)}: killed its child")
    for case, word in bad[:20]:
        print(f"{named(case)}: {word}")
    return 1 if bad else 0


def named(case: Case) -> str:
    return f"--seed {case.seed} --format {case.format!r} --number {case.number}"


def say_row(name: str, cases: int, counts: Counter[str]) -> None:
    killed = sum(counts[reason] for reason in KILLED)
    reasons = ", ".join(f"{n} {word}" for word, n in counts.most_common() if word != SCAN)
    print(f"{name:30} {cases:6} {counts[SCAN]:6} {killed:6}  {reasons}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
