"""Results: medians with their spread, a floor or an aim; as a table and as JSON."""

import math
from collections.abc import Sequence
from statistics import median

from msgspec import Struct
from rich.table import Table


class Spread(Struct, frozen=True, kw_only=True):
    """A summary of samples: the median, the tenth and ninetieth percentile, their number."""

    median: float
    p10: float
    p90: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """Summarize one sample or more."""
        ordered = sorted(samples)
        return cls(
            median=median(ordered),
            p10=quantile(ordered, 0.1),
            p90=quantile(ordered, 0.9),
            least=ordered[0],
            most=ordered[-1],
            count=len(ordered),
        )

    def __str__(self) -> str:
        """Format for the table."""
        if self.count == 1:
            return short(self.median)
        return f"{short(self.median)}  ({short(self.p10)} - {short(self.p90)})"


class Aim(Struct, frozen=True, kw_only=True):
    """The aim of a figure: `most` or `least` for its median or, with `ratio`, for its median ratio to the floor."""

    most: float = math.inf
    least: float = -math.inf
    ratio: bool = False

    def __str__(self) -> str:
        """Format for the table."""
        bound = f"≤ {short(self.most)}" if self.most < math.inf else f"≥ {short(self.least)}"
        return f"{bound} x floor" if self.ratio else bound


class Figure(Struct, frozen=True, kw_only=True):
    """One line of the table. `ratio` is of pairs that were measured directly after each other."""

    part: str
    name: str
    unit: str
    value: Spread
    floor: Spread | None = None
    ratio: Spread | None = None
    aims: tuple[Aim, ...] = ()
    met: bool | None = None
    note: str = ""
    samples: tuple[float, ...] = ()
    floor_samples: tuple[float, ...] = ()


def figure(  # noqa: PLR0913 - one line of the table
    part: str,
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    floor: Sequence[float] = (),
    aims: Sequence[Aim] = (),
    note: str = "",
) -> Figure:
    """Return a line; `floor` has a sample for each of `samples`, or is empty."""
    value = Spread.of(samples)
    ratio = Spread.of([ours / theirs for ours, theirs in zip(samples, floor, strict=True)]) if floor else None
    judged = [(aim, ratio if aim.ratio else value) for aim in aims]
    return Figure(
        part=part,
        name=name,
        unit=unit,
        value=value,
        floor=Spread.of(floor) if floor else None,
        ratio=ratio,
        aims=tuple(aims),
        met=all(aim.least <= of.median <= aim.most for aim, of in judged if of is not None) if aims else None,
        note=note,
        samples=tuple(samples),
        floor_samples=tuple(floor),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the sample below which a share of the ordered samples is."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def short(number: float) -> str:
    """Format a number with two or three significant digits."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    if abs(number) >= 10:
        return f"{number:.1f}"
    return f"{number:.2f}" if abs(number) >= 0.1 or number == 0 else f"{number:.2g}"


def table(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table."""
    shown = Table("", "figure", "unit", "median (p10 - p90)", "floor", "ratio", "aim", "", title="Hydria's figures")
    part = ""
    for each in figures:
        mark = {True: "[green]met", False: "[red]missed", None: ""}[each.met]
        shown.add_row(
            each.part if each.part != part else "",
            each.name,
            each.unit,
            str(each.value),
            str(each.floor or ""),
            str(each.ratio or ""),
            ", ".join(str(aim) for aim in each.aims),
            mark,
        )
        part = each.part
    return shown
