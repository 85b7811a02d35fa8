#!/usr/bin/env python3
"""One table and one chart of what `llmrt bench` and llama.cpp's llama-bench and llama-batched-bench measured.

    bench/compare_with_llama_bench.py --table table.md --chart ratios.svg \\
        peer=llama-bench.json peer=1b-q4_0.batched.jsonl ours=bench.json runs.jsonl

Inputs are SIDE[/VARIANT]=FILE with the output of llama-bench (`-o json` or jsonl), llama-batched-bench
(`--output-format jsonl`) or `llmrt bench --json`, or files of bench/interleave.py, whose runs are named SIDE[/VARIANT].
SIDE is `peer` or `ours`. Variants: `avx2` (both held to AVX2), `neighbour` (beside a spinning process), `load` and
`memory` (whole processes that generate one token: how long they took, the most memory that they had).

Rows are named by the model files, 1b-q4_0.gguf and so on (bench/README.md makes them); --shapes says how the 1B and the
small one are called. llama-batched-bench does not say which model it ran: it is taken from its command, or from the name
of its output's file up to the first point. Where the peer was measured in several ways (with and without flash
attention, by both of its programs), the way with the best median counts.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import statistics
import sys

import ratio_chart

# A batched run with so few tokens before it counts as one of depth 0.
SHORT_PROMPT = 32


@dataclasses.dataclass(frozen=True)
class Key:
    """What was measured: `kind` is decode, prefill (tokens a second), load (seconds) or memory (bytes)."""
    model: str
    kind: str
    batch: int = 1
    depth: int = 0
    prompt: int = 0
    variant: str = ''


@dataclasses.dataclass
class Sample:
    value: float
    way: str  # the program and its settings
    low: float = 0.0
    high: float = 0.0
    bandwidth: float = 0.0  # bytes a second that memory can give, of the same run; 0: unknown
    bytes_per_token: float = 0.0


@dataclasses.dataclass
class Row:
    label: str
    key: Key
    reach: float | None = None
    aim: float | None = None
    lower_is_better: bool = False


def stem(path):
    return pathlib.PurePath(path).name.split('.gguf')[0]


def model_of_command(command):
    """The model file that a command line names."""
    for flag, value in zip(command, command[1:]):
        if flag in ('-m', '--model'):
            return stem(value)
    return next((stem(word) for word in command if word.endswith('.gguf')), '')


def read_ours(report, variant):
    """(key, sample) of each case of `llmrt bench --json`."""
    model, bandwidth = stem(report['model']), report['read_bandwidth_bytes_per_second'] or 0
    for case in report['results']:
        rate = case['tokens_per_second']
        key = Key(model, case['kind'], case['batch'], case['depth'], case['prompt'], variant)
        yield key, Sample(rate, report['device'], case['tokens_per_second_min'], case['tokens_per_second_max'], bandwidth,
                          (case['bytes_per_second'] or 0) / rate if rate else 0)


def read_llama_bench(tests, variant):
    for test in tests:
        model, way = stem(test['model_filename']), f'llama-bench fa={test.get("flash_attn", "?")}'
        kind = 'decode' if test['n_prompt'] == 0 else 'prefill'
        if test['n_prompt'] and test['n_gen']:
            continue  # both in one figure
        key = Key(model, kind, 1, test['n_depth'], test['n_prompt'], variant)
        for rate in test['samples_ts']:
            yield key, Sample(rate, way, rate, rate)


def read_batched(lines, variant, model):
    for line in lines:
        way = f'llama-batched-bench fa={line.get("flash_attn", "?")}'
        depth = 0 if line['pp'] <= SHORT_PROMPT else line['pp']
        yield Key(model, 'decode', line['pl'], depth, 0, variant), Sample(line['speed_tg'], way, line['speed_tg'],
                                                                          line['speed_tg'])


def parse_objects(text):
    """The JSON objects in a text, alone or in arrays, each from the beginning of a line; what else it says is passed over."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(text):
        end = place
        if text[place] in '[{':
            try:
                value, end = decoder.raw_decode(text, place)
                found.extend(part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict))
            except json.JSONDecodeError as error:
                if text.startswith('{"', place):  # no line of a log
                    raise ValueError(f'an object is cut off: {error}') from error
        line_end = text.find('\n', end)
        place = len(text) if line_end < 0 else line_end + 1
    return found


def read_output(text, variant, model):
    objects = parse_objects(text)
    if not objects:
        raise ValueError('no JSON in it')
    if 'kv_bytes_per_token' in objects[0]:
        return [pair for report in objects for pair in read_ours(report, variant)]
    if 'samples_ts' in objects[0]:
        return list(read_llama_bench(objects, variant))
    if 'speed_tg' in objects[0]:
        return list(read_batched(objects, variant, model))
    raise ValueError(f'neither of the three formats; its fields are {", ".join(sorted(objects[0]))}')


def memory_without_kv(run, model, kv_bytes_per_token):
    """The peak of a run that generates behind a prompt or a depth, without keys and values."""
    objects, peak = parse_objects(run['output']), run['peak_rss_bytes']
    if not objects:
        raise ValueError(f'no JSON in what {run["name"]} printed')
    if 'kv_used_bytes' in objects[0]:
        # Those are written after loading, which may have taken more than all that follows.
        return max(peak - objects[0]['kv_used_bytes'], objects[0].get('peak_rss_after_load_bytes') or 0)
    if model not in kv_bytes_per_token:
        raise ValueError(f'{run["name"]}: what a token of {model} takes of keys and values is unknown; add a run of ours with it')
    positions = max(test.get('n_depth', 0) + test['n_prompt'] + test['n_gen'] for test in objects)
    return peak - positions * kv_bytes_per_token[model]


def read_run(run, variant, kv_bytes_per_token):
    model = model_of_command(run['command'])
    if variant == 'load':
        return [(Key(model, 'load'), Sample(run['seconds'], 'process', run['seconds'], run['seconds']))]
    if variant == 'memory':
        used = memory_without_kv(run, model, kv_bytes_per_token)
        return [(Key(model, 'memory'), Sample(used, 'process', used, used))]
    return read_output(run['output'], variant, model)


class Measured:
    """Samples by side and key."""

    def __init__(self):
        self.samples = {'peer': collections.defaultdict(list), 'ours': collections.defaultdict(list)}
        self.notes = set()

    def add(self, name, pairs):
        side = name.partition('/')[0]
        if side not in self.samples:
            raise ValueError(f'"{name}" is neither peer nor ours')
        for key, sample in pairs:
            self.samples[side][key].append(sample)

    def note(self, text):
        """Which builds and machines the output tells of."""
        for found in parse_objects(text):
            if 'kv_bytes_per_token' in found:
                self.notes.add(f'ours: {found["fingerprint"].split(";")[0]}, {found["device"]}, {found["threads"]} threads')
            elif 'build_commit' in found:
                self.notes.add(f'peer: llama.cpp {found["build_commit"]}, {found["cpu_info"]}, {found["n_threads"]} threads')

    def best(self, side, key, lower):
        """The samples of the way that did best, [] where nothing was measured."""
        ways = collections.defaultdict(list)
        for sample in self.samples[side].get(key, []):
            ways[sample.way].append(sample)
        pick = min if lower else max
        return pick(ways.values(), key=lambda samples: statistics.median(s.value for s in samples), default=[])


def read_inputs(inputs):
    measured, runs, outputs = Measured(), [], []
    for text in inputs:
        name, equals, path = text.partition('=')
        path = path if equals else name
        content = pathlib.Path(path).read_text(encoding='utf-8')
        if equals:
            measured.add(name, read_output(content, name.partition('/')[2], pathlib.PurePath(path).name.split('.')[0]))
            measured.note(content)
            outputs.append(content)
        else:
            runs.extend(parse_objects(content))
    # What a token's keys and values take is known from ours, wherever it stands.
    per_token = {}
    for output in outputs + [run['output'] for run in runs]:
        for found in parse_objects(output):
            if 'kv_bytes_per_token' in found:
                per_token[stem(found['model'])] = found['kv_bytes_per_token']
    for run in runs:
        measured.add(run['name'], read_run(run, run['name'].partition('/')[2], per_token))
        measured.note(run['output'])
    return measured


def make_rows(big, small):
    """The rows of the goal and their marks: at least `reach` times the peer's speed, better `aim`."""
    rows = []

    def decode(kinds, reach, aim, batch=1, depth=0):
        place = f'batch {batch}' + (f', depth {depth}' if depth else '')
        for kind in kinds:
            rows.append(Row(f'decode, {place}, {kind.upper()}', Key(f'{big}-{kind}', 'decode', batch, depth), reach, aim))

    def prefill(kinds, reach, aim, depth=0):
        place = '512' + (f' at depth {depth}' if depth else '')
        for kind in kinds:
            rows.append(Row(f'prefill {place}, {kind.upper()}', Key(f'{big}-{kind}', 'prefill', 1, depth, 512), reach, aim))

    decode(['q4_0'], 1.6, 2.0)
    decode(['q4_k_m'], 1.6, 2.2)
    decode(['q8_0'], 1.25, 1.4)
    decode(['f16'], 1.05, 1.15)
    prefill(['q4_0', 'q8_0', 'q4_k_m'], 3, 5)
    prefill(['bf16'], 3, 6)
    prefill(['f16'], 1.2, None)
    for batch, reach, aim in ((8, 3, 5), (16, 4, 6), (32, 5, 8)):
        decode(['q4_0', 'q8_0'], reach, aim, batch)
    decode(['q4_0'], 3, 4.5, 1, 4096)
    prefill(['q4_0'], 3, 6, 4096)
    for kind in ('q4_0', 'q8_0'):
        rows.append(Row(f'{small}: decode, {kind.upper()}', Key(f'{small}-{kind}', 'decode'), 1.3))
        rows.append(Row(f'{small}: prefill 512, {kind.upper()}', Key(f'{small}-{kind}', 'prefill', 1, 0, 512), 2))
    rows.append(Row('load and one token, Q4_0, s', Key(f'{big}-q4_0', 'load'), 1.0, None, True))
    rows.append(Row('peak memory without KV, Q4_0, MB', Key(f'{big}-q4_0', 'memory'), 0.6, None, True))
    for kind in ('q4_0', 'q8_0', 'q4_k_m'):
        for key in (Key(f'{big}-{kind}', 'decode', variant='avx2'), Key(f'{big}-{kind}', 'prefill', 1, 0, 512, 'avx2')):
            rows.append(Row(f'AVX2 alone: {key.kind}, {kind.upper()}', key, 1.0, 1.3))
    return rows


def median(samples):
    return statistics.median(sample.value for sample in samples)


def spread_text(samples, scale):
    if not samples:
        return ''
    low, high = min(s.low for s in samples), max(s.high for s in samples)
    digits = 2 if median(samples) * scale < 10 else 1
    return f'{median(samples) * scale:.{digits}f} ({low * scale:.{digits}f}–{high * scale:.{digits}f}, n={len(samples)})'


def share_text(row, rate, ours):
    """A batch-1 decode's share of the read bandwidth, by the bytes that ours counts for a token."""
    known = [s for s in ours if s.bandwidth and s.bytes_per_token]
    if row.key.kind != 'decode' or row.key.batch != 1 or not known or not rate:
        return ''
    return f'{100 * rate * statistics.median(s.bytes_per_token / s.bandwidth for s in known):.0f} %'


def verdict(row, ratio):
    if ratio is None or row.reach is None:
        return ''
    gain = (row.reach / ratio) if row.lower_is_better else ratio / row.reach
    if gain < 1:
        return f'missed by {100 * (1 - gain):.0f} %'
    return 'aim' if row.aim and ratio >= row.aim else 'reach'


def table_line(row, peer, ours, ratio):
    scale = 1e-6 if row.key.kind == 'memory' else 1
    sign = '≤ ' if row.lower_is_better else ''
    cells = [row.label, spread_text(peer, scale), spread_text(ours, scale),
             share_text(row, median(peer) if peer else 0, ours), share_text(row, median(ours) if ours else 0, ours),
             f'**{ratio:.2f}**' if ratio else '', f'{sign}{row.reach:g}' if row.reach else '',
             f'{row.aim:g}' if row.aim else '', verdict(row, ratio)]
    return '| ' + ' | '.join(cells) + ' |'


def neighbour_lines(measured, rows):
    """How much of its own speed each side keeps beside a busy neighbour."""
    for row in rows:
        alone = row.key
        if alone.kind != 'decode' or alone.variant:
            continue
        beside = dataclasses.replace(alone, variant='neighbour')
        kept = {side: (measured.best(side, beside, False), measured.best(side, alone, False)) for side in ('peer', 'ours')}
        if any(busy and quiet for busy, quiet in kept.values()):
            cells = [f'{median(busy) / median(quiet):.2f}' if busy and quiet else '' for busy, quiet in kept.values()]
            yield f'| {row.label}: kept beside a busy neighbour | {cells[0]} | {cells[1]} | | | | 0.4 | 0.48 | |'


def compare(measured, rows):
    """The table's lines and the chart's bars."""
    lines = ['| row | peer: median (lowest–highest) | ours | peer of bandwidth | ours of bandwidth | ratio | reach | aim | |',
             '| --- | --- | --- | --- | --- | --- | --- | --- | --- |']
    bars = []
    for row in rows:
        peer = measured.best('peer', row.key, row.lower_is_better)
        ours = measured.best('ours', row.key, row.lower_is_better)
        ratio = median(ours) / median(peer) if peer and ours else None
        if peer or ours:
            lines.append(table_line(row, peer, ours, ratio))
        bars.append(ratio_chart.Bar(row.label, ratio, row.reach, row.aim, row.lower_is_better))
    lines.extend(neighbour_lines(measured, rows))
    return lines + [''] + [f'- {note}' for note in sorted(measured.notes)], bars


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inputs', nargs='+', metavar='SIDE[/VARIANT]=FILE or FILE')
    parser.add_argument('--table', help='where the table goes; without it: stdout')
    parser.add_argument('--chart', help='where the chart goes, an SVG')
    parser.add_argument('--shapes', default='1b,135m', help='what the files of the 1B and of the small shape begin with')
    args = parser.parse_args(arguments)
    try:
        measured = read_inputs(args.inputs)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f'{type(error).__name__}: {error}')
    lines, bars = compare(measured, make_rows(*args.shapes.split(',')))
    text = '\n'.join(lines) + '\n'
    if args.table:
        pathlib.Path(args.table).write_text(text, encoding='utf-8')
    else:
        print(text, end='')
    if args.chart:
        title = 'Speed as a multiple of llama.cpp’s (load and memory: less is better)'
        pathlib.Path(args.chart).write_text(ratio_chart.draw(title, bars), encoding='utf-8')


if __name__ == '__main__':
    main(sys.argv[1:])
