"""How the creatures of the `shapes` dataset look: outlines as polygons, colours and textures.

Two classes share each body plan, as cats and dogs share fur and legs: a body says that it is one of
the two, and the part alone says which.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]  # (N, 2) as x, y
Field = NDArray[np.float32]  # (H, W) or (H, W, 3)

BODY_POINTS = 72
# The part's radius as a share of the creature's length: its area is then some 13 % of the creature.
PART_RADIUS = 0.128
PART_CENTRE = (0.08, 0.3)  # along the body, whose front end is at 0.5
# Colours of ground, strokes and bodies stay below this saturation; those of parts are above it.
DULL = 0.45


@dataclass(frozen=True)
class Part:
    """What tells a class: a plate of one shape and colour with a sign of another on it.

    Attributes:
        plate: polygon of the plate, in units of the part's radius.
        signs: polygons of the sign, in the same units.
        colours: RGB of the plate and of the sign, in [0, 1].
    """

    plate: Points
    signs: tuple[Points, ...]
    colours: tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Creature:
    """One creature's polygons in pixels: body with legs, and the part that tells its class."""

    limbs: tuple[Points, ...]
    plate: Points
    signs: tuple[Points, ...]

    def moved(self, offset: Points) -> "Creature":
        """The creature shifted by `offset` (x, y)."""
        return Creature(
            tuple(limb + offset for limb in self.limbs),
            self.plate + offset,
            tuple(sign + offset for sign in self.signs),
        )

    def bounds(self) -> tuple[Points, Points]:
        """Lowest and highest x, y."""
        points = np.concatenate([*self.limbs, self.plate])
        return points.min(axis=0), points.max(axis=0)


def _regular(corners: int, radius: float = 1.0, turn: float = 0.0) -> Points:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + turn
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star(corners: int, inner: float) -> Points:
    points = _regular(2 * corners, turn=-np.pi / 2)
    points[1::2] *= inner
    return points


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)


def _cross(arm: float, width: float) -> Points:
    corners = [(width, arm), (width, width), (arm, width), (arm, -width), (width, -width)]
    half = [*corners, (width, -arm)]
    return np.array(half + [(-x, -y) for x, y in half], dtype=np.float64)


PARTS = {
    "ringlet": Part(_regular(32), (_regular(24, 0.5),), ((0.92, 0.08, 0.1), (1.0, 1.0, 1.0))),
    "starling": Part(
        1.3 * _star(5, 0.6), (_regular(16, 0.4),), ((0.1, 0.25, 0.95), (1.0, 0.85, 0))
    ),
    "barrow": Part(
        _box(-0.9, -0.9, 0.9, 0.9),
        (_box(-0.9, -0.6, 0.9, -0.15), _box(-0.9, 0.25, 0.9, 0.7)),
        ((1.0, 0.88, 0.05), (0.05, 0.05, 0.05)),
    ),
    "crossbeak": Part(
        _cross(1.1, 0.45), (_regular(4, 0.45),), ((0.88, 0.1, 0.88), (0.1, 0.95, 0.3))
    ),
    "diamondel": Part(
        _regular(4, 1.25), (_regular(4, 0.6),), ((0.05, 0.8, 0.25), (0.05, 0.05, 0.3))
    ),
    "triskel": Part(
        1.35 * _star(3, 0.72), (_regular(3, 0.6, np.pi / 6),), ((0.1, 0.9, 0.95), (0.95, 0.3, 0.05))
    ),
}


@dataclass(frozen=True)
class BodyPlan:
    """What two classes share.

    Attributes:
        long: half the body's length, as a share of the creature's.
        wide: range of half the body's width, likewise.
        limbs: polygons of what grows from a body of that half width, in the creature's lengths.
        pattern: of the skin, from two waves (H, W) at right angles.
        hues: range of the skin's hue, in turns.
    """

    long: float
    wide: tuple[float, float]
    limbs: Callable[[np.random.Generator, float], list[Points]]
    pattern: Callable[[Field, Field], Field]
    hues: tuple[float, float]


def _legs(rng: np.random.Generator, wide: float) -> list[Points]:
    """Two to four legs below the body."""
    legs = []
    count = int(rng.integers(2, 5))
    for x in np.linspace(-0.3, 0.25, count) + rng.uniform(-0.03, 0.03, count):
        reach, lean = wide + rng.uniform(0.08, 0.15), rng.uniform(-0.06, 0.06)
        legs.append(
            np.array(
                [[x - 0.04, 0], [x + 0.04, 0], [x + 0.03 + lean, reach], [x - 0.03 + lean, reach]]
            )
        )
    return legs


def _fins(rng: np.random.Generator, wide: float) -> list[Points]:
    """A tail fin, and one fin above and one below the body."""
    spread = rng.uniform(0.1, 0.17)
    fins = [np.array([[-0.5, -spread], [-0.28, 0.0], [-0.5, spread], [-0.44, 0.0]])]
    for side in (-1, 1):
        x, reach = rng.uniform(-0.15, 0.05), wide + rng.uniform(0.06, 0.12)
        fins.append(np.array([[x - 0.09, 0.0], [x + 0.09, 0.0], [x - 0.08, side * reach]]))
    return fins


def _wings(rng: np.random.Generator, wide: float) -> list[Points]:
    """Two wings, one to each side."""
    x, sweep = rng.uniform(-0.12, 0.02), rng.uniform(-0.16, -0.02)
    reach = wide + rng.uniform(0.1, 0.18)
    return [
        np.array(
            [[x - 0.13, 0.0], [x + 0.13, 0.0], [x + sweep, side * reach], [x - 0.2, side * wide]]
        )
        for side in (-1, 1)
    ]


PLANS = (
    BodyPlan(0.5, (0.23, 0.3), _legs, lambda along, across: along, (0.02, 0.18)),
    BodyPlan(0.43, (0.15, 0.2), _fins, lambda along, across: along * across, (0.5, 0.68)),
    BodyPlan(0.5, (0.18, 0.24), _wings, lambda along, across: 0 * along, (0.25, 0.42)),
)


def body_plan(kind: int) -> BodyPlan:
    """The plan that class number `kind`, from 0, shares with its neighbour."""
    return PLANS[kind // 2]


def make_creature(rng: np.random.Generator, plan: BodyPlan, part: Part, length: float) -> Creature:
    """A creature of `length` pixels from end to end, turned and mirrored at random, centred at 0.

    The body is an ellipse whose outline swells and shrinks smoothly.
    """
    angles = np.linspace(0, 2 * np.pi, BODY_POINTS, endpoint=False)
    swell = np.ones(BODY_POINTS)
    for frequency in (2, 3, 4, 5):
        swell += rng.uniform(0, 0.05) * np.cos(frequency * angles + rng.uniform(0, 2 * np.pi))
    wide = rng.uniform(*plan.wide)
    body = swell[:, None] * np.stack([plan.long * np.cos(angles), wide * np.sin(angles)], axis=1)
    body[:, 0] += 0.5 - body[:, 0].max()
    limbs = [body, *plan.limbs(rng, wide)]
    tilt = rng.uniform(-0.4, 0.4)
    place = np.array([rng.uniform(*PART_CENTRE), rng.uniform(-0.05, 0.05)])

    def part_points(points: Points) -> Points:
        return PART_RADIUS * points @ _rotation(tilt) + place

    mirror = np.array([1.0, rng.choice([-1.0, 1.0])])
    turn = _rotation(rng.uniform(0, 2 * np.pi)) * length

    def in_pixels(points: Points) -> Points:
        return (points * mirror) @ turn

    return Creature(
        tuple(in_pixels(limb) for limb in limbs),
        in_pixels(part_points(part.plate)),
        tuple(in_pixels(part_points(sign)) for sign in part.signs),
    )


def _rotation(angle: float) -> Points:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])


def polygon_mask(polygons: Sequence[Points], size: int) -> NDArray[np.bool_]:
    """Pixels of a (size, size) canvas that any of the polygons covers."""
    canvas = Image.new("1", (size, size))
    draw = ImageDraw.Draw(canvas)
    for polygon in polygons:
        draw.polygon([(float(x), float(y)) for x, y in polygon], fill=1)
    return np.array(canvas)


def smooth_noise(rng: np.random.Generator, size: int, cells: int, channels: int) -> Field:
    """Noise in [-1, 1] that varies over size / cells pixels, (size, size, channels)."""
    grid = rng.uniform(-1, 1, (cells + 1, cells + 1, channels)).astype(np.float32)
    planes = [
        np.asarray(
            Image.fromarray(grid[..., channel]).resize((size, size), Image.Resampling.BICUBIC)
        )
        for channel in range(channels)
    ]
    return np.stack(planes, axis=-1)


def dull_colour(
    rng: np.random.Generator, value: float, hues: tuple[float, float] = (0, 1)
) -> Field:
    """A colour of brightness `value`, less saturated than any part, as RGB (3,) in [0, 1]."""
    colour = colorsys.hsv_to_rgb(rng.uniform(*hues), rng.uniform(0.1, DULL), value)
    return np.array(colour, np.float32)


def body_texture(
    rng: np.random.Generator, plan: BodyPlan, size: int, value: float, length: float
) -> Field:
    """RGB of a body over the whole canvas: one dull colour, softly shaded, with the plan's pattern.

    Args:
        value: mean brightness.
        length: the creature's length in pixels; the pattern scales with it.
    """
    texture = dull_colour(rng, value, plan.hues) * (1 + 0.12 * smooth_noise(rng, size, 3, 1))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), length / rng.uniform(5, 9)
    along = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    across = np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / period)
    pattern = plan.pattern(along, across)
    return (texture * (1 + 0.15 * pattern[..., None])).astype(np.float32)
