"""Draws the loss curves of loss.csv files into one small SVG: steps to the right, loss (log scale) up."""

import argparse
import csv
import math
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 50, 30
LOSS_MIN, LOSS_MAX = 0.2, 8.0
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37")


def read_curve(path: Path) -> list[tuple[int, float]]:
    """(step, training loss) of each logged row; validation rows are left out."""
    with path.open(newline="") as file:
        return [(int(row[0]), float(row[1])) for row in csv.reader(file) if row[1]]


def _y(loss: float) -> float:
    share = math.log(max(loss, LOSS_MIN) / LOSS_MIN) / math.log(LOSS_MAX / LOSS_MIN)
    return (HEIGHT - BOTTOM) * (1 - share)


def _polyline(curve: list[tuple[int, float]], last_step: int, colour: str) -> str:
    points = " ".join(f"{LEFT + (WIDTH - LEFT) * step / last_step:.1f},{_y(loss):.1f}" for step, loss in curve)
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'


def draw(curves: dict[str, list[tuple[int, float]]]) -> str:
    last_step = max(curve[-1][0] for curve in curves.values())
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
             f'font-size="11"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']  # fmt: skip
    for tick in TICKS:
        parts.append(f'<path d="M{LEFT} {_y(tick):.1f}H{WIDTH}" stroke="#ddd"/><text x="8" y="{_y(tick) + 9:.1f}">{tick:g}</text>')
    for (name, curve), colour in zip(curves.items(), COLOURS):
        parts.append(_polyline(curve, last_step, colour))
        at = 20 + 16 * COLOURS.index(colour)
        parts.append(f'<text x="{WIDTH - 110}" y="{at}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">step 0</text>')
    parts.append(f'<text x="{WIDTH - 70}" y="{HEIGHT - 8}">step {last_step}</text></svg>')
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", nargs="+", help="NAME=loss.csv")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    named = (item.split("=", 1) for item in args.curves)
    args.out.write_text(draw({name: read_curve(Path(path)) for name, path in named}), encoding="utf-8")


if __name__ == "__main__":
    main()
