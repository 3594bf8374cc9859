"""Pictures of coloured shapes: what is in them (`Scene`) and how they are drawn.

A scene is drawn at three times its size and scaled down, so that edges are smooth. All coordinates are in units of
a canvas of 128 x 128; a scene can be drawn at any size.
"""

import dataclasses
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CANVAS = 128
GRID = 8  # of cells along a side: what one soft token sees
KINDS = ["circle", "square", "triangle", "star", "cross"]
COLOURS = {
    "red": (214, 36, 36),
    "orange": (246, 138, 24),
    "yellow": (244, 220, 44),
    "green": (42, 152, 58),
    "blue": (38, 84, 212),
    "purple": (130, 48, 168),
    "pink": (246, 136, 188),
    "black": (22, 22, 24),
}
RADII = {"small": (11.0, 14.0), "large": (19.0, 24.0)}
COLOUR_JITTER = 12  # of a channel, at most
SEEN_BACKGROUNDS = ["plain", "gradient", "noise", "stripes", "spots"]
UNSEEN_BACKGROUNDS = ["checks", "diagonal"]


@dataclasses.dataclass(frozen=True)
class Shape:
    kind: str
    colour: str
    size: str
    x: float
    y: float
    radius: float
    angle: float  # radians

    @property
    def name(self):
        return f"{self.colour} {self.kind}"


@dataclasses.dataclass(frozen=True)
class Scene:
    shapes: tuple  # of Shape, in reading order
    background: str
    seed: int  # of the drawing: colours of the background, noise


def place(random, radius, others):
    """A free place for a shape, or None."""
    for _ in range(60):
        x, y = random.uniform(radius + 2, CANVAS - radius - 2, 2)
        if all(math.hypot(x - o.x, y - o.y) > 1.25 * (radius + o.radius) + 2 for o in others):
            return float(x), float(y)
    return None


def random_shape(random, others, kind=None, colour=None):
    size = "large" if random.random() < (0.55 if len(others) < 3 else 0.2) else "small"
    radius = float(random.uniform(*RADII[size]))
    where = place(random, radius, others)
    if where is None:
        return None
    return Shape(
        kind=kind or str(random.choice(KINDS)),
        colour=colour or str(random.choice(list(COLOURS))),
        size=size,
        x=where[0],
        y=where[1],
        radius=radius,
        angle=float(random.uniform(-0.25, 0.25)),
    )


def reading_order(shape):
    """Rows of the soft tokens' grid, from the top; in a row from left to right."""
    return shape.y // (CANVAS / GRID), shape.x


def random_scene(random, count, backgrounds=SEEN_BACKGROUNDS):
    """`count` shapes that do not touch. Half of the larger scenes repeat a kind, so that counting it means something."""
    repeated = str(random.choice(KINDS)) if count > 1 and random.random() < 0.5 else None
    shapes = []
    while len(shapes) < count:
        kind = repeated if repeated and random.random() < 0.6 else None
        shape = random_shape(random, shapes, kind)
        if shape is None:
            shapes = []  # no room left: start again
        elif all(shape.name != s.name for s in shapes):
            shapes.append(shape)
    shapes.sort(key=reading_order)
    return Scene(tuple(shapes), str(random.choice(backgrounds)), int(random.integers(2**31)))


def outline(shape):
    """Corners of the shape around (0, 0) at radius 1, not yet turned."""
    if shape.kind == "square":
        corners = [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]
    elif shape.kind == "triangle":
        corners = [(0, -1), (0.95, 0.75), (-0.95, 0.75)]
    elif shape.kind == "star":
        corners = []
        for i in range(10):
            r, a = (1.08 if i % 2 == 0 else 0.45), math.pi * i / 5
            corners.append((r * math.sin(a), -r * math.cos(a)))
    elif shape.kind == "cross":
        a, b = 0.32, 1.0
        corners = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a),
                   (-a, -a)]
    else:
        raise ValueError(shape.kind)
    c, s = math.cos(shape.angle), math.sin(shape.angle)
    return [(c * x - s * y, s * x + c * y) for x, y in corners]


def pale(random):
    """A colour that no shape has: light or middle grey with a little tint."""
    level = random.uniform(140, 245)
    return np.clip(level + random.uniform(-14, 14, 3), 0, 255)


def background(kind, size, random):
    """[size, size, 3] float32 of 0..255."""
    first, second = pale(random), pale(random)
    second = first + np.clip(second - first, -45, 45)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    if kind == "plain":
        t = np.zeros_like(x)
    elif kind == "gradient":
        t = x if random.random() < 0.5 else y
    elif kind == "noise":
        coarse = Image.fromarray(random.uniform(0, 255, (12, 12)).astype(np.uint8)).resize((size, size), Image.BICUBIC)
        t = np.asarray(coarse, np.float32) / 255
    elif kind == "stripes":
        t = ((x if random.random() < 0.5 else y) * random.integers(4, 12) % 1 < 0.5) * 0.5
    elif kind == "spots":
        n = random.integers(4, 9)
        t = (((x * n) % 1 - 0.5) ** 2 + ((y * n) % 1 - 0.5) ** 2 < 0.08) * 0.5
    elif kind == "checks":
        n = random.integers(3, 8)
        t = ((np.floor(x * n) + np.floor(y * n)) % 2) * 0.5
    elif kind == "diagonal":
        t = (x + y) / 2
    else:
        raise ValueError(kind)
    return (first + np.asarray(t, np.float32)[..., None] * (second - first)).astype(np.float32)


def draw(scene, size=CANVAS, noise=8.0):
    """The scene as [size, size, 3] uint8. `noise`: levels of a channel, at most."""
    random = np.random.default_rng(scene.seed)
    pixels = background(scene.background, size, random)
    big = 3 * size
    scale = big / CANVAS
    paper = Image.new("RGB", (big, big))
    cover = Image.new("L", (big, big))
    on_paper, on_cover = ImageDraw.Draw(paper), ImageDraw.Draw(cover)
    for shape in scene.shapes:
        tint = np.clip(np.array(COLOURS[shape.colour]) + random.integers(-COLOUR_JITTER, COLOUR_JITTER + 1, 3), 0, 255)
        ink = tuple(int(v) for v in tint)
        for target, fill in ((on_paper, ink), (on_cover, 255)):
            if shape.kind == "circle":
                r = 0.95 * shape.radius
                box = [(shape.x - r) * scale, (shape.y - r) * scale, (shape.x + r) * scale, (shape.y + r) * scale]
                target.ellipse(box, fill=fill)
            else:
                corners = [((shape.x + shape.radius * x) * scale, (shape.y + shape.radius * y) * scale)
                           for x, y in outline(shape)]
                target.polygon(corners, fill=fill)
    alpha = np.asarray(cover.resize((size, size), Image.BOX), np.float32)[..., None] / 255
    # The paper is black between the shapes: its average over a pixel is already weighted by what is covered.
    ink = np.asarray(paper.resize((size, size), Image.BOX), np.float32)
    pixels = pixels * (1 - alpha) + ink
    if random.random() < 0.3:
        soft = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(random.uniform(0.3, 0.9) * size / CANVAS))
        pixels = np.asarray(soft, np.float32)
    pixels = pixels + random.normal(0, 1, pixels.shape) * random.uniform(0, noise)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def cells(scene, grid=GRID):
    """What a dense head learns per cell of a grid about the shape that covers it.

    Returns six arrays [grid, grid]: colour, kind, size, row and column of the shape's centre (as numbers of colours,
    kinds, sizes, cells; -1 where there is no shape), and centre (1 where a shape's centre lies).
    """
    named = np.full((5, grid, grid), -1, np.int64)
    centre = np.zeros((grid, grid), np.float32)
    step = CANVAS / grid
    for shape in scene.shapes:
        middle = int(shape.y // step), int(shape.x // step)
        centre[middle] = 1
        y, x = (np.mgrid[0:grid, 0:grid] + 0.5) * step
        covered = np.hypot(x - shape.x, y - shape.y) < shape.radius + 0.2 * step
        covered[middle] = True  # a small shape between four cells may cover none of their middles
        named[:, covered] = np.array([[list(COLOURS).index(shape.colour)], [KINDS.index(shape.kind)],
                                      [list(RADII).index(shape.size)], [middle[0]], [middle[1]]])
    return *named, centre
