"""The effect of `train --from` on volumes: `python -m benchmarks.evaluation.volume_adaptation`.

    [--data ../shared/data] [--pairs made real] [--few 10 20] [--draws 0 1] [--work FOLDER]

`made`: a model of healthy T1 heads of one scanner (`ixi_t1`) meets heads of others of these people
as another scanner would show them (`made_scanner` beside this), and the same with an infarct
(`ixi_infarcts`). A third of the people is tested; each draw tests another third. `real`: a model of
drawn FLAIR heads meets twelve real ones (`nichart_flair`), six to adapt to and six to test; the
other draw turns them round. Those are old people with white-matter lesions, so that the share
flagged is no false-positive rate.

The model is used as it is, recalibrated, and adapted, by the commands of mriad in homes of their
own: `train`, `score`, `recalibrate --new-healthy`, `train --from active`; thresholds as these draw
them. Beside them, a threshold drawn through the few scans alone. A JSON line each. An infarct is
ranked among the healthy heads of other people; intervals by people.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation.made_scanner import on_another_scanner
from benchmarks.evaluation.trial_home import Decided, TrialHome, of_folder
from benchmarks.evaluation.trial_scans import put, with_difference
from mriad_model.detection.decisions.thresholds import fit_threshold
from mriad_model.enums import Policy
from mriad_model.evaluation.metrics.scan_metrics import exact_interval
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.write import ScanFormat
from tasks.intake.draw import draw as draw_heads

Floats = NDArray[np.float64]
DRAWN: Final = 40  # heads of the model that meets the real ones
RESAMPLES: Final = 1000
DRAWS: Final = (0, 1)
PAIRS: Final = ("made", "real")
T1: Final = "T1w.nii.gz"
FLAIR: Final = "FLAIR.nii.gz"


@dataclass(frozen=True, slots=True)
class First:
    """A home with the first scanner's model."""

    home: TrialHome
    trained: dict[str, Any]  # what `train` printed


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line of JSON for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--few", type=int, nargs="+", default=[10, 20], help="to adapt to, made")
    parser.add_argument("--draws", type=int, nargs="+", choices=DRAWS, default=DRAWS)
    parser.add_argument("--work", type=Path, help="a new folder to keep the homes in")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mriad-adaptation-") as scratch:
        work = given.work or Path(scratch) / "work"
        if "made" in given.pairs:
            for draw in given.draws:
                made(given.data, work / f"made-{draw}", given.few, draw)
        if "real" in given.pairs:
            drawn = of_drawn_heads(work / "drawn")
            for draw in given.draws:
                real(given.data, work / f"real-{draw}", drawn, draw)


def made(data: Path, work: Path, few: Sequence[int], draw: int) -> None:
    """One draw of people: a model of one scanner's heads meets those of a made one."""
    files = sorted((data / "ixi_t1").glob("*_T1.nii.gz"))
    people = np.random.default_rng(0).permutation(
        [each.name.removesuffix("_T1.nii.gz") for each in files]
    )
    third = len(people) // 3
    tested = people[draw * third : (draw + 1) * third].tolist()
    others = [each for each in people.tolist() if each not in tested]
    new, learned = others[: max(few)], others[max(few) :]
    for name in learned:
        put(work / "first", name, data / "ixi_t1" / f"{name}_T1.nii.gz", T1)
    for number, name in enumerate([*tested, *new]):
        head = nib.as_closest_canonical(
            nib.Nifti1Image.from_filename(data / "ixi_t1" / f"{name}_T1.nii.gz")
        )
        where = work / "test" / "no" if name in tested else work / "new"
        put(where, name, on_another_scanner(head, number), T1)
        infarct = data / "ixi_infarcts" / f"{name}_delta.nii.gz"
        if name in tested and infarct.exists():
            ill = on_another_scanner(with_difference(head, infarct), number)
            put(work / "test" / "yes", name, ill, T1)
    base = TrialHome(work / "home")
    base.mriad("ingest", work / "first", "--label", "healthy")
    first = First(base, base.mriad("train", "--recipe", "volume"))
    told = {"pair": "made", "draw": draw}
    _ways(first, work, [sorted((work / "new").iterdir())[:n] for n in few], told)


def of_drawn_heads(work: Path) -> First:
    """A model of drawn FLAIR heads."""
    home = TrialHome(work / "home")
    draw_heads(work / "heads", DRAWN, 0, 0, ScanFormat.NIFTI.value, Contrast.FLAIR.value)
    home.mriad("ingest", work / "heads" / "scans" / "no", "--label", "healthy")
    return First(home, home.mriad("train", "--recipe", "volume"))


def real(data: Path, work: Path, drawn: First, draw: int) -> None:
    """Half of the real heads: a model of drawn ones meets them."""
    files = sorted((data / "nichart_flair").glob("*_FL.nii.gz"))
    dealt = np.random.default_rng(0).permutation(len(files))
    half = len(files) // 2
    tested = set(dealt[draw * half : (draw + 1) * half].tolist())
    for number, path in enumerate(files):
        where = work / "test" / "no" if number in tested else work / "new"
        put(where, path.name.removesuffix("_FL.nii.gz"), path, FLAIR)
    first = replace(drawn, home=drawn.home.copied(work / "home"))
    _ways(first, work, [sorted((work / "new").iterdir())], {"pair": "real", "draw": draw})


def _ways(first: First, work: Path, few: Sequence[Sequence[Path]], told: dict[str, Any]) -> None:
    """Use the first model in each way; a line each."""
    test, base = HeldOut(work / "test"), first.home
    base.mriad("score", work / "test")
    before = test.told(base.decided())
    _tell({**told, "way": "as it is", "learned": _learned(first.trained)}, before)
    for scans in few:
        told["few"] = len(scans)
        place, chosen = base.copied(work / f"home-{len(scans)}"), work / f"new-{len(scans)}"
        chosen.mkdir(mode=0o700)
        for path in scans:
            shutil.copy(path, chosen / path.name)
        place.mriad("ingest", chosen, "--label", "healthy")
        place.mriad("score", chosen)
        found = place.decided()
        own = of_folder(found, chosen.name, [path.name for path in scans])
        scores = [each.score for each in own if each is not None]
        told["few_with_a_score"] = len(scores)
        if len(scores) > 1:
            line = fit_threshold(scores, Policy.SIGMAS, 1.0).value
            _tell({**told, "way": "threshold of the few alone"}, test.told(found, line), before)
            place.mriad("recalibrate", "--new-healthy")
            _tell({**told, "way": "recalibrated"}, test.told(place.decided()), before)
        adapted = place.mriad("train", "--from", "active")
        place.mriad("score", work / "test")
        after = test.told(place.decided())
        _tell({**told, "way": "adapted", "learned": _learned(adapted)}, after, before)


class HeldOut:
    """The scans to measure by, in `no` and `yes`, files of one name being of one person."""

    def __init__(self, folder: Path) -> None:
        names: dict[str, list[str]] = {"no": [], "yes": []}
        for each in folder.iterdir():
            names[each.name] = sorted(path.name for path in each.iterdir())
        self._names = names

    def told(
        self, found: dict[tuple[str, str], Decided], line: float | None = None
    ) -> dict[str, Any]:
        """Rate, shares and ranking at the active threshold, or at another."""
        parts = {label: of_folder(found, label, names) for label, names in self._names.items()}
        told: dict[str, Any] = {}
        for label, decided in parts.items():
            there = [each for each in decided if each is not None]
            flagged = sum(each.is_flagged(line) for each in there)
            between = exact_interval(flagged, len(decided))
            told |= {
                f"{label}_n": len(decided),
                f"{label}_flagged": flagged,
                f"{label}_interval": between and [between.low, between.high],
                f"{label}_not_scorable": len(decided) - sum(e.is_scorable for e in there),
                f"{label}_median": float(np.median([e.score for e in there])) if there else None,
            }
        told["line"] = line
        if line is None and found:  # none has a score, where none could be registered
            told["line"] = next(iter(found.values())).line
        healthy, ill = (
            np.array([np.nan if each is None else each.score for each in parts[label]])
            for label in ("no", "yes")
        )
        told["wins"] = wins(healthy, ill, self._names["no"], self._names["yes"])
        return told


def wins(
    healthy: Floats, abnormal: Floats, of_healthy: Sequence[str], of_abnormal: Sequence[str]
) -> Floats:
    """Whether an abnormal scan ranks above a healthy one, (healthy, abnormal); ties count half.

    NaN for a pair that is of one person, and where a scan has no score.
    """
    above = (abnormal > healthy[:, None]) + (abnormal == healthy[:, None]) / 2
    same = np.equal.outer(np.array(of_healthy, str), np.array(of_abnormal, str))
    unknown = same | np.isnan(abnormal) | np.isnan(healthy)[:, None]
    return np.where(unknown, np.nan, above)


def _tell(line: dict[str, Any], told: dict[str, Any], before: dict[str, Any] | None = None) -> None:
    """A line of JSON, with the ranking's intervals and what it gained."""
    pairs = told["wins"]
    line |= {name: each for name, each in told.items() if name != "wins"}
    if pairs.size:
        line["auroc"] = float(np.nanmean(pairs))
        rng = np.random.default_rng(0)
        draws, more = [], []
        for _ in range(RESAMPLES):
            drawn = rng.multinomial(len(pairs), np.full(len(pairs), 1 / len(pairs)))
            draws.append(_weighted(pairs, drawn))
            if before is not None:
                more.append(draws[-1] - _weighted(before["wins"], drawn))
        line["auroc_interval"] = np.percentile(draws, [2.5, 97.5]).tolist()
        if more:
            line["auroc_more_than_before"] = np.percentile(more, [2.5, 97.5]).tolist()
    print(json.dumps(line, default=float), flush=True)


def _weighted(pairs: Floats, drawn: NDArray[np.int64]) -> float:
    """The mean over pairs of people, each counted as often as it was drawn."""
    weights = np.outer(drawn, drawn) * ~np.isnan(pairs)
    return float((np.nan_to_num(pairs) * weights).sum() / weights.sum())


def _learned(trained: dict[str, Any]) -> dict[str, Any]:
    return {name: trained[name] for name in ("n_train", "n_validation", "n_calibration", "power")}


if __name__ == "__main__":
    main()
