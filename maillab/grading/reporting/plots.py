"""Two pictures of a class: how each exercise went, how the points are distributed.

Goes in: numbers. Comes out: SVG, and the sentence that stands for it.

Rule 1: black and white are enough: areas differ in pattern, and each has its number.
Rule 2: what the picture says is said in words, too.
"""

from collections.abc import Iterator, Sequence
from html import escape

from maillab.grading.reporting.statistics import Bin, Solved
from maillab.trace.view import FONT, INK, SOFT, plural

WIDTH, ROW, TOP, LEFT, RIGHT = 720, 34, 56, 90, 24
BAND = WIDTH - LEFT - RIGHT
HEIGHT, FOOT = 220, 40  # of the distribution
FULL = "#24567a"
# kind -> its fill, the colour of a number on it, its name
AREAS = {
    "full": (FULL, "#ffffff", "all points"),
    "partly": ("url(#stripes)", INK, "some"),
    "none": ("#ffffff", INK, "none"),
    "absent": ("url(#dots)", SOFT, "not graded"),
}
PATTERNS = (
    '<defs><pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="8" height="8" fill="#ffffff"/>'
    '<rect width="3" height="8" fill="#8fb8d6"/></pattern>'
    '<pattern id="dots" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<rect width="8" height="8" fill="#ffffff"/>'
    '<circle cx="4" cy="4" r="1" fill="#8b949e"/></pattern></defs>'
)


def describe_solved(found: Sequence[Solved]) -> str:
    """What the first picture shows."""
    told = (f"{s.exercise.id}: {_counts(s)}" for s in found)
    return f"How each exercise went. {'; '.join(told)}."


def _counts(one: Solved) -> str:
    graded = one.graded + one.absent
    return (
        f"{one.full} of {plural(graded, 'student')} with all points, "
        f"{one.partly} with some, {one.none} with none"
        + (f", {one.absent} not graded" if one.absent else "")
    )


def solved_svg(found: Sequence[Solved]) -> str:
    """A bar for each exercise, divided by how many solved it."""
    rows = "".join(_bar(one, TOP + n * ROW) for n, one in enumerate(found))
    return _svg(
        TOP + len(found) * ROW + 8, f"{_legend()}{rows}", describe_solved(found)
    )


def _bar(one: Solved, y: int) -> str:
    everybody = max(1, one.graded + one.absent)
    parts = [f'<text x="{LEFT - 12}" y="{y + 17}" text-anchor="end">']
    parts.append(f"{escape(one.exercise.id)}</text>")
    x = float(LEFT)
    for kind in AREAS:
        count = getattr(one, kind)
        width = BAND * count / everybody
        if count:
            parts.append(_area(kind, (x, y, width, 24.0), count))
        x += width
    return "".join(parts)


def _area(kind: str, box: tuple[float, float, float, float], count: int) -> str:
    fill, ink, _ = AREAS[kind]
    x, y, width, height = box
    middle, room = x + width / 2, 9 * len(str(count)) + 6
    behind = FULL if kind == "full" else "#ffffff"  # so that no pattern meets a number
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{fill}" stroke="{INK}"/><rect x="{middle - room / 2:.1f}" '
        f'y="{y + 4:.1f}" width="{room}" height="{height - 8:.1f}" fill="{behind}"/>'
        f'<text x="{middle:.1f}" y="{y + height / 2 + 5:.1f}" fill="{ink}" '
        f'text-anchor="middle">{count}</text>'
    )


def _legend() -> str:
    parts: list[str] = []
    for n, (fill, _, name) in enumerate(AREAS.values()):
        x = LEFT + n * 140
        parts.append(
            f'<rect x="{x}" y="18" width="18" height="14" fill="{fill}" '
            f'stroke="{INK}"/><text x="{x + 26}" y="30">{name}</text>'
        )
    return "".join(parts)


# The distribution ---------------------------------------------------------------------


def describe_distribution(bins: Sequence[Bin]) -> str:
    """What the second picture shows."""
    told = [
        f"{one.called} points: {plural(one.students, 'student')}"
        for one in bins
        if one.students
    ]
    return f"How many students have how many points. {'; '.join(told) or 'Nobody'}."


def distribution_svg(bins: Sequence[Bin]) -> str:
    """A column for each number of points."""
    drawn = "".join(_columns(bins))
    base = HEIGHT - FOOT
    axis = f'<path d="M{LEFT} {base}H{WIDTH - RIGHT}" stroke="{INK}"/>'
    name = f'<text x="{LEFT - 12}" y="{base + 20}" text-anchor="end">points</text>'
    return _svg(HEIGHT, f"{axis}{name}{drawn}", describe_distribution(bins))


def _columns(bins: Sequence[Bin]) -> Iterator[str]:
    most = max([one.students for one in bins], default=0) or 1
    step = BAND / max(1, len(bins))
    base = HEIGHT - FOOT
    for n, one in enumerate(bins):
        height = (base - 40) * one.students / most
        x, middle = LEFT + n * step, LEFT + (n + 0.5) * step
        if one.students:
            yield (
                f'<rect x="{x + step * 0.15:.1f}" y="{base - height:.1f}" '
                f'width="{step * 0.7:.1f}" height="{height:.1f}" fill="{FULL}" '
                f'stroke="{INK}"/>'
            )
            yield _middle(middle, base - height - 8, str(one.students))
        yield _middle(middle, base + 20, one.called)


def _middle(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'


def _svg(height: int, drawn: str, told: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="{FONT}" '
        f'font-size="14" fill="{INK}"><title>{escape(told)}</title>{PATTERNS}'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{drawn}</svg>\n'
    )
