#!/usr/bin/env python3
"""How much of its speed decoding keeps while another process spins on one core.

    bench/neighbour_bench.py build/bin/llmrt MODEL [--threads 2] [--tokens 96] [--rounds 7] [--json]

Quiet and busy runs take turns; the neighbour is a plain child process in the same session as the runs, so that
sched_autogroup, where it is on, does not set the two apart. The result is the ratio of the medians of tokens a second,
with the lowest and highest ratio of a round: on a machine that does other work read that spread first.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

PROMPT = 'Once upon a time'
SETTLE_SECONDS = 0.2  # until the scheduler has placed the neighbour
AUTOGROUP = pathlib.Path('/proc/sys/kernel/sched_autogroup_enabled')


def decode_speed(args):
    """Tokens a second after the first one, of one run."""
    command = [args.llmrt, 'run', args.model, '-p', PROMPT, '-n', str(args.tokens), '--ignore-eos', '--json',
               '--threads', str(args.threads)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return 1000.0 / json.loads(result.stdout)['tpot_ms']


def busy_speed(args):
    spinner = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        time.sleep(SETTLE_SECONDS)
        return decode_speed(args)
    finally:
        spinner.kill()
        spinner.wait()


def measure(args):
    decode_speed(args)  # warms the page cache
    quiet, busy = [], []
    for _ in range(args.rounds):
        quiet.append(decode_speed(args))
        busy.append(busy_speed(args))
    ratios = sorted(b / q for q, b in zip(quiet, busy))
    return {
        'model': args.model,
        'threads': args.threads,
        'cores': os.cpu_count(),
        'autogroup': AUTOGROUP.read_text().strip() if AUTOGROUP.exists() else 'absent',
        'load_average': os.getloadavg()[0],
        'quiet_tokens_per_second': statistics.median(quiet),
        'busy_tokens_per_second': statistics.median(busy),
        'ratio': statistics.median(busy) / statistics.median(quiet),
        'ratio_lowest': ratios[0],
        'ratio_highest': ratios[-1],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('llmrt')
    parser.add_argument('model')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--tokens', type=int, default=96)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    if args.rounds < 5:
        parser.error(f'--rounds is {args.rounds}; medians need 5 or more')
    result = measure(args)
    if args.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f'{key:24} {value:.3f}' if isinstance(value, float) else f'{key:24} {value}')


if __name__ == '__main__':
    main()
