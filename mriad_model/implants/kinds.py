"""Which implants are drawn, how often, how large and how plain."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What may be wrong with a slice."""

    SOLID = "solid"  # one grey value, with more or less texture
    SHIFT = "shift"  # brighter or darker by an amount
    SCALING = "scaling"  # brighter or darker by a factor
    RING = "ring"  # a rim about a core, with or without a halo
    MASS = "mass"  # lobes, core, rim, oedema; may push what is around it
    FOREIGN = "foreign"  # a patch of another head
    MASS_EFFECT = "mass_effect"  # tissue pushed, pulled or drawn together
    NOISE = "noise"
    SMEAR = "smear"  # texture lost
    INVERSION = "inversion"  # dark for bright
    SPOTS = "spots"  # several small ones


@dataclass(frozen=True, slots=True)
class Mixture:
    """How implants are drawn. Lengths in pixels of 128 a side, grey values of 0 to 1."""

    kinds: Mapping[Kind, float]  # how often each, relative to the others
    radii: tuple[float, float]
    weakest: float = 0.1  # least change of grey values
    faintest: float = 0.5  # least share that a solid one has of its own grey value
    midline: float = 0.0  # share whose middle lies near the midline
    anomalous: float = 0.75  # share of samples with any
    several: float = 0.3  # of those, with two or three
    bright: float = 0.6  # share of solid, shifted and scaled ones that are brighter
    curves: float = 0.35  # share of samples whose grey values are drawn from another curve


BROAD = Mixture(
    kinds=MappingProxyType(
        {
            Kind.SOLID: 4.0,
            Kind.SHIFT: 2.0,
            Kind.SCALING: 1.5,
            Kind.RING: 3.0,
            Kind.FOREIGN: 2.0,
            Kind.MASS_EFFECT: 0.7,
            Kind.NOISE: 0.3,
            Kind.SMEAR: 0.3,
            Kind.INVERSION: 0.4,
            Kind.SPOTS: 1.2,
        }
    ),
    radii=(3.5, 30.0),
)
"""All kinds, also small and faint ones."""

PLAIN = Mixture(
    kinds=MappingProxyType(
        {
            Kind.SOLID: 5.0,
            Kind.SHIFT: 2.0,
            Kind.SCALING: 1.5,
            Kind.RING: 4.0,
            Kind.FOREIGN: 2.0,
            Kind.MASS_EFFECT: 0.6,
            Kind.NOISE: 0.2,
            Kind.SMEAR: 0.2,
            Kind.INVERSION: 0.3,
            Kind.SPOTS: 0.8,
        }
    ),
    radii=(5.0, 36.0),
    weakest=0.18,
    faintest=0.6,
    anomalous=0.7,
)
"""Larger and plainer ones."""

MASSES = replace(
    PLAIN,
    kinds=MappingProxyType(
        {
            Kind.SOLID: 4.0,
            Kind.SHIFT: 1.5,
            Kind.SCALING: 1.2,
            Kind.RING: 1.5,
            Kind.MASS: 5.0,
            Kind.FOREIGN: 1.5,
            Kind.MASS_EFFECT: 0.4,
            Kind.NOISE: 0.2,
            Kind.SMEAR: 0.2,
            Kind.INVERSION: 0.3,
            Kind.SPOTS: 0.8,
        }
    ),
    radii=(5.0, 28.0),
    midline=0.12,
)
"""Those, and masses with lobes, rim and oedema; some on the midline."""
