"""Make the tables of docs/results.md anew: `mriad evaluate` on each public set, one after another.

python -m benchmarks.evaluation.figures [--data ../shared/data] [--out build/figures] [SET ...]

Sets are folders below DATA; each one's layout is described at its function. For each, a list of its
scans (CSV), the command's JSON, the contact sheet of its extremes (false alarms, misses, the
median and the best) and a table in Markdown go to OUT. A set whose JSON is there is not measured
again, so a run that was interrupted goes on where it was. With `--healthy N ...` a set is measured
once for each number of healthy scans (or patients) to learn from. Nothing is chosen on what is
reported.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, object]
COLUMNS = ("path", "patient", "label", "mask", "difference", "level")
# Judged by eye: lesions or a head CT in no/, an abdomen in yes/.
MISLABELLED = (
    "no/N1.JPG",
    "no/N11.jpg",
    "no/N22.JPG",
    "no/N16.jpg",
    "no/N19.JPG",
    "no/15 no.jpg",
    "yes/Y248.JPG",
)
METRICS = {
    "auroc": "AUROC",
    "sensitivity_at_90_specificity": "sens. at 90 % spec.",
    "sensitivity_at_95_specificity": "at 95 %",
    "recall": "recall",
    "false_positive_rate": "false-positive rate",
}
VERDICTS = ("normal", "uncertain", "suspicious", "not_scorable")
UNTRAINED = ("asymmetry", "brightness", "sharpness", "entropy", "mean_intensity")


@dataclass(frozen=True)
class FigureSet:
    """One set: where it lies, its scans, and which recipes are measured on it."""

    folder: str  # below DATA; "." where it takes scans of several sets
    scans: Callable[[Path], list[Row]] | None  # None: labels by the folders no/ and yes/
    recipes: tuple[str, ...]
    options: tuple[str, ...] = field(default=())


def kaggle253_without(data: Path) -> list[Row]:
    """The pictures without those whose label is wrong."""
    found: list[Row] = []
    for word in ("no", "yes"):
        for path in sorted((data / "kaggle253" / word).iterdir()):
            name = f"{word}/{path.name}"
            if name not in MISLABELLED:
                found.append({"path": name, "label": word})
    return found


def lgg55(data: Path) -> list[Row]:
    """`pNNN/NN.png`, and `NN_mask.png` where there is a lesion; NN counts upwards."""
    root = data / "lgg55"
    found = []
    for folder in sorted(root.iterdir()):
        slices = sorted(path for path in folder.glob("*.png") if not path.stem.endswith("_mask"))
        for path in slices:
            mask = path.with_name(f"{path.stem}_mask.png")
            found.append(
                {
                    "path": path.relative_to(root),
                    "patient": folder.name,
                    "label": "yes" if mask.exists() else "no",
                    "mask": mask.relative_to(root) if mask.exists() else "",
                    "level": int(path.stem) / int(slices[-1].stem),
                }
            )
    return found


def masks59(data: Path) -> list[Row]:
    """Slices with lesions, and the healthy pictures of kaggle253 to learn from.

    Of `bt_PATIENT_SEQUENCE_LEVEL.png` there are many a patient; others are of nobody known.
    """
    healthy = sorted((data / "kaggle253" / "no").iterdir())
    found: list[Row] = [{"path": path.relative_to(data), "label": "no"} for path in healthy]
    for path in sorted((data / "masks59" / "images").iterdir()):
        mask = data / "masks59" / "masks" / path.name
        found.append(
            {
                "path": path.relative_to(data),
                "patient": path.stem.split("_")[1] if path.stem.startswith("bt_") else "",
                "label": "yes",
                "mask": mask.relative_to(data),
            }
        )
    return found


def ixi(data: Path) -> list[Row]:
    """Each head as it is, and with its infarct added; both are of one person."""
    found: list[Row] = []
    for path in sorted((data / "ixi_t1").glob("*_T1.nii.gz")):
        name = path.name.removesuffix("_T1.nii.gz")
        delta, mask = (f"ixi_infarcts/{name}_{what}.nii.gz" for what in ("delta", "mask"))
        scan: Row = {"path": path.relative_to(data), "patient": name}
        found.append(scan | {"label": "no"})
        if (data / delta).exists():
            found.append(scan | {"label": "yes", "mask": mask, "difference": delta})
    return found


SETS = {
    "ixi": FigureSet(".", ixi, ("volume",)),
    "lgg55": FigureSet("lgg55", lgg55, ("default",)),
    "kaggle253": FigureSet("kaggle253", None, ("default",), ("--repeats", "3")),
    "kaggle253-without-seven": FigureSet(
        "kaggle253", kaggle253_without, ("default",), ("--repeats", "3")
    ),
    "masks59": FigureSet(".", masks59, ("default",)),
    "soop": FigureSet("soop", None, ("default",), ("--patients", "bids", "--masks", "masks")),
}


def main() -> None:
    """Measure the sets that are named, or all."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation.figures", description=__doc__
    )
    options.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--out", type=Path, default=Path("build/figures"))
    options.add_argument("--recipes", help="instead of the set's own")
    options.add_argument("--folds", type=int, help="instead of five")
    options.add_argument("--repeats", type=int, help="instead of the set's own")
    options.add_argument(
        "--healthy", type=int, nargs="+", default=[], help="learn from so many: a learning curve"
    )
    options.add_argument("--again", action="store_true", help="measure sets that are done too")
    given = options.parse_args()
    unknown = sorted(set(given.sets) - SETS.keys())
    if unknown:
        options.error(f"no set is named {', '.join(unknown)}: choose of {', '.join(SETS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    given.out.chmod(0o700)  # names and images of patients
    more = [
        f"--{name}={value}"
        for name in ("folds", "repeats")
        if (value := getattr(given, name)) is not None
    ]
    curve: list[int | None] = [*given.healthy] or [None]
    wanted = [(name, n) for name in given.sets or SETS for n in curve]
    for number, (name, n) in enumerate(wanted, start=1):
        place, stem = given.data / SETS[name].folder, name if n is None else f"{name}-{n}-healthy"
        kept = given.out / f"{stem}.json"
        if not place.is_dir():
            _say(f"{name}: skipped, for there is no folder {place}")
            continue
        if kept.exists() and not given.again:
            _say(f"{stem}: done before, {kept}")
        else:
            _say(f"{stem}: {number} of {len(wanted)}")
            few = [] if n is None else [f"--healthy={n}"]
            measure(name, given.data, given.out / stem, given.recipes, [*more, *few])
        table = markdown(stem, json.loads(kept.read_text()))
        (given.out / f"{stem}.md").write_text(table)
        _say(table)


def measure(
    name: str, data: Path, stem: Path, recipes: str | None = None, more: Sequence[str] = ()
) -> None:
    """Evaluate one set; the names of its document and of its contact sheets begin with `stem`.

    `more` are options of the command, and count before the set's. Raises CalledProcessError where
    the command fails.
    """
    what = SETS[name]
    home = stem.with_name(f"{stem.name}-home")
    place = data / what.folder
    command = [sys.executable, "-m", "flows.cli.main", "evaluate", str(place), "--json"]
    command += ["--home", str(home), "--recipes", recipes or ",".join(what.recipes)]
    command += [str(place / word) if word == "masks" else word for word in what.options]
    command += more
    if what.scans is not None:
        listed = stem.with_name(f"{stem.name}.csv")
        write_list(listed, what.scans(data))
        command += ["--patients", str(listed)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=_environment())
    found: dict[str, Any] = json.loads(done.stdout)
    for recipe, page in zip(recipe_names(found), (found["report"], *found["reports"]), strict=True):
        sheet = (home / page).with_suffix(".png")
        if sheet.exists():
            shutil.copy(sheet, stem.with_name(f"{stem.name}-{recipe}.png"))
    found["wall_seconds"] = time.perf_counter() - began
    written = stem.with_name(f"{stem.name}.part")
    written.write_text(json.dumps(found, indent=1))
    written.rename(stem.with_name(f"{stem.name}.json"))  # whole, or not there


def recipe_names(found: dict[str, Any]) -> list[str]:
    """The recipes of a document of `mriad evaluate`, in order."""
    return [found["recipe"]["name"], *found["recipes"]]


def write_list(path: Path, rows: Iterable[Row]) -> None:
    """A CSV as `--patients` reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows)


def markdown(name: str, found: dict[str, Any]) -> str:
    """The tables of one document of `mriad evaluate`."""
    documents = dict(zip(recipe_names(found), (found, *found["recipes"].values()), strict=True))
    healthy, abnormal = (found[f"n_{label}"] for label in ("healthy", "abnormal"))
    groups = " and ".join(map(str, found["n_groups"]))
    lines = [
        f"### {name}",
        "",
        f"{healthy} healthy and {abnormal} abnormal scans, of {groups} patients or groups of "
        f"near-duplicates; {len(found['folds']) // found['repeats']} folds, {found['repeats']} "
        f"repeats; {found.get('wall_seconds', 0.0):.0f} s.",
        "",
        *_table(["", *METRICS.values()], _methods(documents)),
        "",
    ]
    for recipe, document in documents.items():
        lines += _beside(recipe, document)
    return "\n".join(lines) + "\n"


def _methods(documents: dict[str, dict[str, Any]]) -> list[list[str]]:
    rows = [[f"`{name}`", *_figures(each)] for name, each in documents.items()]
    known: dict[str, dict[str, Any]] = {}
    for each in documents.values():
        known |= each["baselines"]
    rows += [[name, *_figures(known[name])] for name in UNTRAINED if name in known]
    return rows


def _figures(document: dict[str, Any]) -> list[str]:
    return [_figure(document[name], document["intervals"][name]) for name in METRICS]


def _figure(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _beside(recipe: str, document: dict[str, Any]) -> list[str]:
    lines = []
    lead, lesions = document["versus_asymmetry"], document["lesions"]
    if lead is not None:
        low, high = lead["interval"]["low"], lead["interval"]["high"]
        chance = "" if low > 0 or high < 0 else ", not shown to be more than chance"
        lines.append(
            f"`{recipe}` less asymmetry: {lead['value']:+.3f} ({low:+.3f} to {high:+.3f}){chance}."
        )
    if document["promised_rate"] is not None:
        low, high = document["promised_rate"]["interval"]
        rate = document["false_positive_rate"]
        inside = "inside" if low <= rate <= high else "outside"
        lines.append(
            f"`{recipe}`, of unseen healthy scans flagged: {rate:.3f}, {inside} what its "
            f"thresholds promise, {_figure(**document['promised_rate'])}."
        )
    for label, shares in document["verdicts"].items():
        said = ", ".join(f"{v.replace('_', ' ')} {_figure(**shares[v])}" for v in VERDICTS)
        lines.append(f"`{recipe}`, {label} scans: {said}.")
    for name, each in document["strata"].items():
        lines.append(f"`{recipe}`, AUROC among scans alike in {name}: {_figure(**each)}.")
    if lesions is None:
        return [*lines, ""]
    names = [name for name in lesions if name not in {"unit", "n_scans", "n_lesions", "by_size"}]
    rows = [[name.replace("_", " "), _figure(**lesions[name])] for name in names]
    sizes = [
        [
            f"{each['low']:g} to {each['high']:g}" if each["high"] else f"≥ {each['low']:g}",
            str(each["n_lesions"]),
            *(_figure(**each[k]) for k in ("found_at_threshold", "found_at_one_false", "auroc")),
        ]
        for each in lesions["by_size"]
    ]
    return [
        *lines,
        "",
        *_table(
            [f"`{recipe}`, {lesions['n_lesions']} lesions, {lesions['n_scans']} scans", ""], rows
        ),
        "",
        *_table([lesions["unit"], "lesions", "found", "found at one false", "AUROC"], sizes),
        "",
    ]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
