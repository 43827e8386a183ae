"""The curves as one picture: CPU time above, memory below, a column for each part."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.growth_curves.points import Point

Curves = Mapping[str, Sequence[Point]]
SIZE: Final = (12.6, 8.4)  # inches
DPI: Final = 100
COLOURS: Final = ("#1f5f8b", "#c8553d", "#3c8d53", "#8a5a9e", "#b8860b", "#555555")
MARKERS: Final = "osD^vP"
LINEAR: Final = "as the size (slope 1)"
X_LABELS: Final = {
    "slices": "slices of 256 x 256, scored",
    "folders": "folders of one to three pictures",
    "decisions": "decisions in the record",
}
MILLION: Final = 1e6
LEAST_MIB: Final = 10.0
ROOM: Final = 100.0  # two decades above the highest point, for the legend


def draw(parts: Mapping[str, Curves]) -> Figure:
    """A column for each part (its name to its curves): CPU seconds, and MiB, against size."""
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2, len(parts), squeeze=False)
    for (part, curves), above, below in zip(parts.items(), *rows, strict=True):
        _panel(above, curves, lambda point: point.used.cpu_s)
        _panel(below, curves, lambda point: point.used.peak_mib)
        above.legend(fontsize=8.5, loc="upper left", framealpha=0.9)
        _decades(above, ROOM)
        _decades(below, 1.0)
        below.set_xlabel(X_LABELS[part])
    top = max(below.get_ylim()[1] for below in rows[1])
    for below in rows[1]:
        below.set_ylim(LEAST_MIB, top)
    rows[0][0].set_ylabel("CPU time, s")
    rows[1][0].set_ylabel("peak memory of the largest process, MiB")
    return figure


def _panel(axes: Axes, curves: Curves, value: Callable[[Point], float]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for (name, points), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
        sizes, values = [each.size for each in points], [value(each) for each in points]
        axes.plot(sizes, values, color=colour, marker=marker, markersize=5, linewidth=1.6)
        axes.lines[-1].set_label(name)
    top = max((points[-1] for points in curves.values()), key=value)
    first = min(points[0].size for points in curves.values())
    low, high = axes.get_ylim()
    line = value(top) * first / top.size, value(top)
    axes.plot((first, top.size), line, color="#888888", linestyle="--", linewidth=1.2, zorder=0)
    axes.lines[-1].set_label(LINEAR)
    axes.set_ylim(low, high)
    axes.grid(color="#e3e3e3", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _decades(axes: Axes, room: float) -> None:
    """Whole decades on the vertical axis, so that a flat curve looks flat; `room` above."""
    low, high = (math.log10(each) for each in axes.get_ylim())
    axes.set_ylim(10 ** math.floor(low), room * 10 ** math.ceil(high))


def _plain(value: float, _: float) -> str:
    """`100,000`, `10 M` for ten million, `0.01`."""
    if value >= MILLION:
        return f"{value / MILLION:,.0f} M"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def save(figure: Figure, path: Path) -> None:
    """Write a picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
