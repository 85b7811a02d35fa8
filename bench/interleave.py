#!/usr/bin/env python3
"""Runs commands by turns, A B A B ..., and keeps what they print, how long they took and what else the machine did.

    bench/interleave.py --rounds 5 --names peer,ours --out runs.jsonl -- llama-bench -m M -o json -- llmrt bench M --json

One JSON object a run and line goes to --out (appended): name, round, command, seconds, peak_rss_bytes, exit status, the
load average before it, `others` (the share of the processors' time that other processes took meanwhile), and `output`,
what it printed. A first round that does not count warms up. A name that ends in `/neighbour` runs beside a process that
spins on one core. bench/compare_with_llama_bench.py reads these files.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

SETTLE_SECONDS = 0.2  # until the scheduler has placed a neighbour
SPIN = [sys.executable, '-c', 'while True: pass']


def split_commands(arguments):
    """The arguments before the first `--`, and the commands that follow, each after a `--` of its own."""
    parts = [[]]
    for argument in arguments:
        if argument == '--':
            parts.append([])
        else:
            parts[-1].append(argument)
    return parts[0], parts[1:]


def busy_seconds():
    """Processor time of everybody since the machine started, waiting and idling left out."""
    with open('/proc/stat', encoding='ascii') as file:
        user, nice, system, _, _, irq, softirq, *_ = (int(word) for word in file.readline().split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf('SC_CLK_TCK')


def run_once(command):
    """One run: its figures and what it printed."""
    load_average, busy, begin = os.getloadavg()[0], busy_seconds(), time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)  # pylint: disable=consider-using-with
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        others = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
        return {
            'command': command,
            'status': process.returncode,
            'seconds': seconds,
            'peak_rss_bytes': usage.ru_maxrss * 1024,
            'load_average': load_average,
            'others': max(0.0, others / seconds / os.cpu_count()),
            'output': output.read().decode('utf-8', 'replace'),
            'errors': errors.read().decode('utf-8', 'replace')[-2000:],
        }


def run_beside(name, command):
    if not name.endswith('/neighbour'):
        return run_once(command)
    with subprocess.Popen(SPIN) as neighbour:
        time.sleep(SETTLE_SECONDS)
        try:
            return run_once(command)
        finally:
            neighbour.kill()


def parse_arguments(arguments):
    own, commands = split_commands(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--warm-up', type=int, default=1, help='rounds before these that do not count')
    parser.add_argument('--names', default='', help='a name for each command, separated by commas; else a, b, c ...')
    parser.add_argument('--pause', type=float, default=0, help='seconds between two runs')
    parser.add_argument('--out', required=True)
    args = parser.parse_args(own)
    args.commands = commands
    args.names = args.names.split(',') if args.names else [chr(ord('a') + i) for i in range(len(commands))]
    if not commands or not all(commands):
        parser.error('a command follows each --')
    if len(args.names) != len(commands):
        parser.error(f'{len(args.names)} names for {len(commands)} commands')
    return args


def main(arguments):
    args = parse_arguments(arguments)
    with open(args.out, 'a', encoding='utf-8') as out:
        for number in range(-args.warm_up, args.rounds):
            for name, command in zip(args.names, args.commands):
                run = run_beside(name, command)
                if run['status'] != 0:
                    sys.exit(f'{name} ended with {run["status"]}: {" ".join(command)}\n{run["errors"]}')
                print(f'{"warm-up" if number < 0 else number + 1} {name}: {run["seconds"]:.1f} s, others '
                      f'{100 * run["others"]:.0f} %', file=sys.stderr)
                if number >= 0:
                    out.write(json.dumps({'name': name, 'round': number + 1, **run}) + '\n')
                    out.flush()
                time.sleep(args.pause)


if __name__ == '__main__':
    main(sys.argv[1:])
