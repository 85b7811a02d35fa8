"""A bar chart of ratios as SVG, with a mark where each ought to be at least (or at most) and where it would like to be.

Ratios lie on a logarithmic scale, so that twice and half are equally far from one.
"""

import dataclasses
import math
from xml.sax.saxutils import escape

ROW_HEIGHT = 24
LABEL_WIDTH = 330
PLOT_WIDTH = 520
NUMBER_WIDTH = 100
TOP = 58
TICKS = (0.1, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16)

STYLE = '''
  text { font: 13px sans-serif; fill: #333; }
  .title { font-weight: bold; font-size: 15px; }
  .small { font-size: 11px; fill: #777; }
  .grid { stroke: #ddd; } .one { stroke: #666; }
  .met { fill: #2e7d32; } .missed { fill: #c62828; } .plain { fill: #78909c; }
  .reach { stroke: #111; stroke-width: 2; } .aim { stroke: #111; stroke-width: 2; stroke-dasharray: 2 2; }
'''


@dataclasses.dataclass
class Bar:
    label: str
    ratio: float | None  # None: not measured
    reach: float | None = None
    aim: float | None = None
    lower_is_better: bool = False

    def verdict(self):
        """The class of the bar's colour."""
        if self.ratio is None or self.reach is None:
            return 'plain'
        return 'met' if (self.ratio <= self.reach if self.lower_is_better else self.ratio >= self.reach) else 'missed'


def _scale(bars):
    """A function from a ratio to its x, and the ticks that are inside."""
    values = [v for bar in bars for v in (bar.ratio, bar.reach, bar.aim) if v]
    low, high = min([0.5, *values]) / 1.15, max([2, *values]) * 1.15
    span = math.log(high / low)
    return (lambda ratio: LABEL_WIDTH + PLOT_WIDTH * math.log(ratio / low) / span), [t for t in TICKS if low <= t <= high]


def _line(css, x, top, bottom):
    return f'<line class="{css}" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'


def _bar(bar, number, place):
    top = TOP + number * ROW_HEIGHT
    parts = [f'<text x="{LABEL_WIDTH - 8}" y="{top + 16}" text-anchor="end">{escape(bar.label)}</text>']
    if bar.ratio:
        left, right = sorted((place(1), place(bar.ratio)))
        parts.append(f'<rect class="{bar.verdict()}" x="{left:.1f}" y="{top + 4}" width="{max(right - left, 1):.1f}" '
                     f'height="{ROW_HEIGHT - 9}"/>')
    for css, value in (('reach', bar.reach), ('aim', bar.aim)):
        if value:
            parts.append(_line(css, place(value), top + 1, top + ROW_HEIGHT - 2))
    text = f'{bar.ratio:.2f}' if bar.ratio else 'not measured'
    parts.append(f'<text x="{LABEL_WIDTH + PLOT_WIDTH + 8}" y="{top + 16}">{text}</text>')
    return parts


def draw(title, bars):
    """The SVG's text."""
    place, ticks = _scale(bars)
    bottom = TOP + len(bars) * ROW_HEIGHT
    width = LABEL_WIDTH + PLOT_WIDTH + NUMBER_WIDTH
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 10}" width="{width}">',
             f'<style>{STYLE}</style>', f'<rect width="{width}" height="{bottom + 10}" fill="#fff"/>',
             f'<text class="title" x="10" y="20">{escape(title)}</text>',
             f'<text class="small" x="10" y="38">solid mark: reach; dashed: aim; logarithmic</text>']
    for tick in ticks:
        parts.append(_line('one' if tick == 1 else 'grid', place(tick), TOP - 4, bottom))
        parts.append(f'<text class="small" x="{place(tick):.1f}" y="{TOP - 8}" text-anchor="middle">{tick:g}</text>')
    for number, bar in enumerate(bars):
        parts.extend(_bar(bar, number, place))
    return '\n'.join([*parts, '</svg>']) + '\n'
