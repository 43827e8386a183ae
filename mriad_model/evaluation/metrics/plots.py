"""The figures of an evaluation, as PNG bytes.

Matplotlib's objects on the Agg canvas: no global state, safe in threads. Colours are Okabe and
Ito's (2008), distinct with any colour vision; nothing depends on colour alone.
"""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mriad_model.detection.training.fit_progress import Epoch
from mriad_model.evaluation.metrics.scan_metrics import Confusion, Interval, RocBand

HEALTHY, ABNORMAL, INK, FAINT = "#0072B2", "#D55E00", "#1a1a1a", "#8a8a8a"
DPI = 160
MOST_SIGMAS = 12.0  # scores beyond are drawn in the last bin, which says so


def roc_plot(
    band: RocBand, auroc: float, interval: Interval | None, operating: tuple[float, float] | None
) -> bytes:
    """The mean ROC curve with its band. `operating` is (false-, true-positive rate)."""
    figure, axes = _figure(5.0, 5.0)
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (4, 4)), linewidth=1, label="chance")
    axes.fill_between(
        band.fpr, band.low, band.high, color=HEALTHY, alpha=0.18, linewidth=0, label="95 % interval"
    )
    text = f"model, area {auroc:.3f}"
    if interval is not None:
        text += f" ({interval.low:.3f} to {interval.high:.3f})"
    axes.plot(band.fpr, band.tpr, color=HEALTHY, linewidth=2, label=text)
    if operating is not None:
        label = "at the threshold"
        axes.plot(*operating, marker="D", color=ABNORMAL, markersize=8, linestyle="", label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="false-positive rate (1 - specificity)", ylabel="true-positive rate (recall)")
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return _png(figure)


def score_histogram(healthy: Sequence[float], abnormal: Sequence[float], threshold: float) -> bytes:
    """Scores of both classes in sd of the calibration scores, with the threshold's line."""
    figure, axes = _figure(6.6, 3.9)
    everything = np.array([*healthy, *abnormal, threshold])
    low = np.floor(max(everything.min(), -MOST_SIGMAS)) if everything.size else -1.0
    high = np.ceil(min(everything.max(), MOST_SIGMAS)) + 0.5
    bins = np.arange(low, high + 0.25, 0.5)
    for scores, colour, hatch, name in (
        (healthy, HEALTHY, "", "healthy"),
        (abnormal, ABNORMAL, "////", "abnormal"),
    ):
        if len(scores) == 0:
            continue
        axes.hist(
            np.clip(scores, bins[0], bins[-1] - 0.01),
            bins=bins.tolist(),
            weights=np.full(len(scores), 100.0 / len(scores)),
            color=colour,
            alpha=0.5,
            hatch=hatch,
            edgecolor=colour,
            linewidth=0.8,
            label=f"{name} ({len(scores)} decisions)",
        )
    axes.axvline(threshold, color=INK, linewidth=1.5)
    axes.annotate(
        f"threshold {threshold:+.2f}",
        (threshold, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -4),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=INK,
    )
    last = f" (last bin: {high - 0.5:g} and more)" if everything.max() > MOST_SIGMAS else ""
    axes.set_xlabel(f"score, sigmas of the calibration scores{last}")
    axes.set_ylabel("share of the class, %")
    axes.margins(x=0.01)
    if len(healthy) or len(abnormal):
        axes.legend(loc="upper right", frameon=False, fontsize=9)
    return _png(figure)


def confusion_plot(confusion: Confusion) -> bytes:
    """The four counts, each shaded by its share of the true class."""
    figure, axes = _figure(4.4, 3.9)
    counts = np.array([[confusion.tn, confusion.fp], [confusion.fn, confusion.tp]])
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.8)  # light: ink stays legible
    names = (("true negative", "false positive"), ("false negative", "true positive"))
    for (row, column), share in np.ndenumerate(shares):
        number = f"{counts[row, column]}\n{100 * share:.0f} %"
        axes.text(column, row, number, ha="center", va="center", fontsize=15, color=INK)
        name = names[row][column]
        axes.text(column, row + 0.38, name, ha="center", fontsize=9, color=INK)
    axes.set_xticks([0, 1], ["normal", "suspicious"])
    axes.set_yticks([0, 1], ["healthy", "abnormal"], rotation=90, va="center")
    axes.set(xlabel="decided", ylabel="labelled")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _png(figure)


def training_plot(
    curves: Sequence[Sequence[Epoch]], step: str = "epoch", loss: str = "mean squared error"
) -> bytes:
    """Loss by epoch, a thin line a fold and member; dots where the kept weights stood.

    `step` and `loss` are the titles of the axes.
    """
    figure, axes = _figure(6.6, 3.6)
    for number, curve in enumerate(each for fold in curves for each in by_member(fold)):
        epochs = [epoch.number for epoch in curve]
        label = "training" if number == 0 else None
        losses = [epoch.train_loss or np.nan for epoch in curve]
        axes.plot(epochs, losses, color=FAINT, linewidth=0.9, linestyle=(0, (3, 2)), label=label)
        _validation(axes, curve, named=number == 0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_yscale("log")
    for axis_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_formatter(FuncFormatter(_plain))
    axes.set(xlabel=step, ylabel=loss)
    if any(curves):
        axes.legend(loc="upper right", frameon=False, fontsize=9)
    return _png(figure)


def by_member(epochs: Sequence[Epoch]) -> list[list[Epoch]]:
    """The epochs of each member of a model, counted from 1 again."""
    found: list[list[Epoch]] = []
    for member in sorted({epoch.member for epoch in epochs}):
        own = [epoch for epoch in epochs if epoch.member == member]
        before = own[0].number - 1
        found.append([replace(epoch, number=epoch.number - before) for epoch in own])
    return found


def _validation(axes: Axes, curve: Sequence[Epoch], *, named: bool) -> None:
    points = [(e.number, e.validation_loss) for e in curve if e.validation_loss is not None]
    if not points:
        return
    label = "held out" if named else None
    axes.plot(*zip(*points, strict=True), color=HEALTHY, linewidth=1.1, alpha=0.8, label=label)
    best = [(number, loss) for number, loss in points if number == curve[-1].best_epoch]
    if best:
        label = "weights kept" if named else None
        axes.plot(*best[0], marker="o", color=ABNORMAL, markersize=5, linestyle="", label=label)


def _plain(value: float, _: int | None = None) -> str:
    """A tick of a logarithmic axis as a plain number, every other one left bare."""
    return f"{value:g}" if f"{value:e}"[0] in "1235" else ""


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one pair of axes, inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9)
    return figure, axes


def _png(figure: Figure) -> bytes:
    """The picture; no date or version inside, so the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
