"""Strangers are not scorable for a model of drawn heads; heads with a lesion are."""

from importlib.resources import files

import cv2
import numpy as np
import pytest

from mriad_model.detection.decisions import strangers
from mriad_model.detection.decisions.close_descriptions import described_closely
from mriad_model.detection.decisions.gate import STRANGERS, Gate, fit_gate
from mriad_model.detection.decisions.strangers import (
    BLOCKS,
    DRAWN,
    RIGHT,
    Stranger,
    draw_strangers,
    drawn_strangers,
    restored,
    strangeness,
)
from mriad_model.phantom.lesions import Lesion
from mriad_model.phantom.render import phantom_slice
from mriad_model.phantom.scanner import Contrast
from mriad_model.phantom.strange_pictures import head_ct
from mriad_model.preprocessing.slices import SliceBatch, joined, prepare, stack
from mriad_model.recipes.built_in_recipes import DEFAULT

NEW = 1000  # seeds of heads from here on are neither learned nor among the strangers


def prepared(pixels: list[np.ndarray]) -> SliceBatch:
    return stack([prepare(each, DEFAULT.preprocessing) for each in pixels])


def heads(seeds: range, lesion: Lesion | None = None) -> SliceBatch:
    """Half T1, half FLAIR, so that they differ among themselves."""
    contrasts = list(Contrast)
    return prepared([phantom_slice(i, contrasts[i % 2], lesion, 128).pixels for i in seeds])


def photograph_crops() -> list[np.ndarray]:
    found = []
    for name in ("china.jpg", "flower.jpg"):
        data = files("sklearn.datasets").joinpath("images", name).read_bytes()
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        found += [grey[:400, :400], grey[100:350, 150:400], grey[-300:, -300:]]
    return found


@pytest.fixture(scope="module")
def gate() -> Gate:
    found = fit_gate(heads(range(40)), list(range(40)), 5.0, strangers=True)
    assert found is not None
    return found


def test_a_photograph_noise_and_a_head_ct_are_strange_and_heads_are_not(gate: Gate) -> None:
    rng = np.random.default_rng(0)
    noise = [np.asarray(rng.random((160, 160)) * 255, np.uint8) for _ in range(4)]
    assert (gate.values(prepared(photograph_crops())) > 1).all()
    assert (gate.values(prepared(noise)) > 1).all()
    assert (gate.values(prepared([head_ct(NEW + i) for i in range(8)])) > 1).all()
    assert (gate.values(heads(range(NEW, NEW + 20))) > 1).mean() <= 0.1
    for lesion in (Lesion.INFARCT, Lesion.MASS):
        assert (gate.values(heads(range(NEW, NEW + 10), lesion)) > 1).mean() <= 0.1


def test_strangers_are_told_by_the_lines_to_them_without_distances(gate: Gate) -> None:
    assert gate.strangers is not None
    pictures = prepared([*photograph_crops(), *(head_ct(NEW + i) for i in range(4))])
    assert (strangeness(gate.strangers, described_closely(pictures)) > 1).all()


def test_a_learned_stranger_is_stranger_by_lines_that_did_not_learn_it() -> None:
    noise = np.asarray(np.random.default_rng(0).random((160, 160)) * 255, np.uint8)
    slices = joined([heads(range(30)), prepared([noise])])
    found = fit_gate(slices, list(range(31)), 5.0, strangers=True)
    assert found is not None
    among = found.values_among(slices, list(range(31)))
    assert among[30] > max(1.0, found.values(slices.take([30]))[0])
    assert (among[:30] > 1).mean() <= 0.1


def test_a_gate_keeps_its_strangers_to_the_last_bit_and_one_made_before_has_none(
    gate: Gate,
) -> None:
    batch = heads(range(NEW, NEW + 6))
    read = Gate.restore(gate.about(), gate.tensors())
    assert np.array_equal(read.values(batch), gate.values(batch))
    assert np.array_equal(gate.values(batch.take([4]))[0], gate.values(batch)[4])
    before = fit_gate(heads(range(12)), list(range(12)), 5.0)
    assert before is not None
    assert set(before.about()) == {"limit", "usual"}
    assert not any(name.startswith(STRANGERS) for name in before.tensors())
    assert Gate.restore(before.about(), before.tensors()).strangers is None


def test_the_shipped_numbers_are_those_that_are_drawn() -> None:
    shipped = drawn_strangers()
    assert {kind: len(each) for kind, each in shipped.items()} == {
        kind: count for kind, (_, count) in DRAWN.items()
    }
    for kind, drawn in draw_strangers({"pictures": 8, "head_ct": 2}).items():
        assert np.allclose(shipped[kind][: len(drawn)], drawn, atol=1e-3)


def test_healthy_slices_among_the_strangers_are_right() -> None:
    """Where both are alike, the limit lies above nearly all of the healthy ones."""
    rng = np.random.default_rng(0)
    healthy, strange = rng.normal(size=(500, 3)), rng.normal(0.5, 1, size=(200, 3))
    found = Stranger.fit(healthy, strange)
    assert (found.values(healthy) > 1).mean() <= 1 - RIGHT + 1 / 500
    assert (found.values(strange) > 1).mean() < 0.5
    apart = Stranger.fit(healthy, strange + 20)
    assert (apart.values(strange + 20) > 1).all()
    assert apart.values(healthy).max() < 0.9


def test_one_stranger_among_a_hundred_healthy_slices_widens_nothing() -> None:
    rng = np.random.default_rng(0)
    healthy, strange = rng.normal(size=(80, 3)), rng.normal(9, 1, size=(200, 3))
    found = Stranger.fit(np.concatenate([healthy, strange[:1]]), strange)
    assert (found.values(strange) > 1).mean() > 0.95


@pytest.mark.parametrize(
    "change", [{"usual": 9.0}, {"limit": float("nan")}, {"weights": np.zeros(3, np.float32)}]
)
def test_strangers_that_are_none_are_refused(gate: Gate, change: dict[str, object]) -> None:
    assert gate.strangers is not None
    kind = next(iter(BLOCKS))
    one = gate.strangers[kind]
    about = {name: [each.usual, each.limit] for name, each in gate.strangers.items()}
    weights = {name: each.weights for name, each in gate.strangers.items()}
    assert set(restored(about, weights)) == set(BLOCKS)
    about[kind] = [change.get("usual", one.usual), change.get("limit", one.limit)]
    if "usual" in change:
        about[kind][1] = 1.0
    weights[kind] = change.get("weights", one.weights)
    with pytest.raises(ValueError, match="strangers are none"):
        restored(about, weights)


def test_the_numbers_are_made_by_a_command(tmp_path, monkeypatch, capsys) -> None:
    few = {kind: (draw, 2) for kind, (draw, _) in DRAWN.items()}
    monkeypatch.setattr(strangers, "DRAWN", few)
    strangers.main([str(tmp_path / "numbers")])
    assert (tmp_path / "numbers").stat().st_size > 100
    assert "sha256" in capsys.readouterr().out
