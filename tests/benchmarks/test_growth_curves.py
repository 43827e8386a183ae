"""Curves of growth: a run goes on where one broke off, and what is measured is whole."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.growth_curves import decisions, picture, slices
from benchmarks.growth_curves.__main__ import print_slopes
from benchmarks.growth_curves.points import Kept, Point, Used, exponent, used_by
from db.engine.connect import open_record
from mriad_model.phantom.write import many_slices
from mriad_model.readers.images.reading import read_image
from tasks.maintenance.check import check
from tasks.reports.weekly_report import write_weekly_report


def test_a_run_that_broke_off_goes_on_behind_the_points_that_it_kept(tmp_path: Path) -> None:
    file = tmp_path / "growth" / "points.jsonl"
    Kept.of(file).add(Point("decisions", "a", 1_000, Used(0.5, 0.6, 90.0)))
    again = Kept.of(file)
    assert again.points == [Point("decisions", "a", 1_000, Used(0.5, 0.6, 90.0))]
    assert again.lacks("decisions", ["a", "b"], 1_000) == ["b"]
    assert again.lacks("decisions", ["a"], 10_000) == ["a"]
    assert again.lacks("slices", ["a"], 1_000) == ["a"]


def test_slices_used_again_are_other_scans_that_look_the_same(tmp_path: Path) -> None:
    many_slices(tmp_path / "drawn", 3, 1, 64, suffix=".png", workers=1)
    slices.reuse(tmp_path / "drawn", tmp_path / "many", 8)
    read = [read_image(path) for path in sorted((tmp_path / "many").iterdir())]
    assert len({each.sha256 for each in read}) == 8
    for number, each in enumerate(read):
        first = read[number % 3]
        moved = np.abs(each.pixels.astype(int) - first.pixels.astype(int))
        assert moved.max() <= 1
        assert moved[1:].max() == 0


def test_a_recipe_that_slices_are_scored_by_has_a_curve_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        trained.append(command)

    def scored(_: list[str]) -> tuple[Used, str]:
        return Used(1.0, 1.0, 1.0), json.dumps({"images": 3})

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(slices, "used_by", scored)
    kept = Kept(tmp_path / "points.jsonl")
    for given in ([], ["autoencoder"], ["autoencoder"]):  # the second time it is there
        slices.measure([3], kept, *given)
    assert list(kept.curves("slices")) == ["the scoring flow", "the scoring flow, autoencoder"]
    by = [command[command.index("--recipe") + 1] for command in trained]
    assert by == ["default", "autoencoder"]


def test_the_record_that_is_asked_is_whole_and_its_last_week_has_flags(tmp_path: Path) -> None:
    decisions.make(tmp_path, 2_000)
    found = check(open_record(tmp_path), tmp_path, contents=False)
    assert found.problems == []
    assert found.orphans == []
    assert found.checked.decisions == 2_000
    week = write_weekly_report.fn(str(tmp_path), 1, days=100)
    assert week.runs in {98, 99, 100}  # of nights; midnight may have passed since they were dated
    assert week.suspicious > 0


def test_what_a_process_and_its_children_use_is_counted(tmp_path: Path) -> None:
    busy = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    used, _ = used_by([sys.executable, "-c", busy])
    left = busy.replace("run", "Popen") + "; print('gone')"  # it ends before its child
    orphan, _ = used_by([sys.executable, "-c", left])
    idle, said = used_by([sys.executable, "-c", "print('done')"])
    assert orphan.cpu_s > idle.cpu_s + 0.05
    assert used.cpu_s > idle.cpu_s + 0.05
    assert idle.peak_mib > 1
    assert said == "done\n"
    with pytest.raises(SystemExit, match="exit status 3"):
        used_by([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_picture_shows_every_curve_on_logarithmic_axes_beside_slope_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Kept(tmp_path / "points.jsonl")
    for size in (1_000, 10, 100):
        kept.add(Point("folders", "linear", size, Used(size / 10, 1.0, 100.0)))
        kept.add(Point("folders", "square", size, Used(size**2 / 1e3, 1.0, 100.0)))
    figure = picture.draw({"folders": kept.curves("folders")})
    above, below = figure.axes
    assert {above.get_xscale(), above.get_yscale(), below.get_yscale()} == {"log"}
    lines = {str(line.get_label()): line.get_xydata() for line in above.lines}
    assert list(lines) == ["linear", "square", picture.LINEAR]
    (x0, y0), (x1, y1) = np.asarray(lines[picture.LINEAR], float)
    assert exponent(y0, y1, (x0, x1)) == pytest.approx(1)
    assert [x for x, _ in np.asarray(lines["square"])] == [10, 100, 1_000]
    picture.save(figure, tmp_path / "images" / "curves.png")
    assert (tmp_path / "images" / "curves.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    print_slopes(kept)
    told = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {(line[1], line[-2], line[-1]) for line in told} == {
        ("linear", "1.00", "0.00"),
        ("square", "2.00", "0.00"),
    }
