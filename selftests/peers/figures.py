#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""figures.py PEERS DIR [OPTION...]: measure, and have the documentation show it.

Runs "PEERS --all OPTION..." and then puts into DIR, in one step, what it found: README.md, all of
it, tables.txt for the site, plots, and bench.json. Whatever stops it before, DIR is as it was.
"""
import ctypes
import datetime
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys

import plot

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
NEW = os.path.join(TOP, 'build', 'figures.new')
LENGTHS = ('8 B', '64 B', '1 KiB', '64 KiB', '1 MiB', '64 MiB')
GROUPS = ('4 to 1, 64 B', '1 to all 8, 64 B', '2 to any of 2, 64')
SERIES = ('depth', 'length', 'ends', 'subscribers', 'polled', 'backlog', 'open, of names')
LICENCE = 'SPDX-License-Identifier: GPL-2.0-only'
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def number(n):
    """Three digits count, more would not be true."""
    return f'{n:,.0f}' if n >= 100 else f'{n:.3g}'


def mark(row):
    """Behind figures that are also from turns of CPUs that were far, or perhaps were."""
    return '*' if 'not_near' in row else ''


class Page:
    """The same in Markdown and for Sphinx."""

    def __init__(self):
        self.md, self.rst = [], []

    def title(self, text):
        self.md.append(f'## {text}\n')
        self.rst.append(f'{text}\n{"-" * len(text)}\n')

    def text(self, text):
        self.md.append(text + '\n')
        self.rst.append(text.replace('`', '``') + '\n')

    def table(self, head, rows):
        if not rows:
            return
        self.md.append('| ' + ' | '.join(head) + ' |\n|:--' + '|--:' * (len(head) - 1) + '|\n' +
                       ''.join('| ' + ' | '.join(r) + ' |\n' for r in rows))
        csv = (', '.join(f'"{cell}"' for cell in r) for r in [head, *rows])
        self.rst.append('.. csv-table::\n   :header-rows: 1\n\n' +
                        ''.join(f'   {line}\n' for line in csv))

    def plot(self, name, about):
        if not os.path.exists(os.path.join(NEW, name)):
            return
        self.md.append(f'![{about}]({name})\n')
        self.rst.append(f'.. image:: figures/{name}\n   :alt: {about}\n')


def by_way(rows, jobs):
    """A line for each way that was measured in one of these jobs, its ns in each."""
    ways = {}
    for r in rows:
        if r.get('job') in jobs and 'ns' in r:
            ways.setdefault(r['way'], {})[r['job']] = number(r['ns']) + mark(r)
    return [[way] + [ns.get(j, '') for j in jobs] for way, ns in ways.items()]


def of_series(rows, series):
    """The jobs of a series, in order, by how much there is of it."""
    found = {}
    for r in rows:
        if r['job'].startswith(series + ' '):
            found[int(r['job'].split()[-1])] = r['job']
    return dict(sorted(found.items()))


def show_targets(page, rows):
    judged = [r for r in rows if 'verdict' in r]
    count = {v: sum(r['verdict'] == v for r in judged) for v in ('PASS', 'MISSED', 'not measured')}
    page.title('What was wanted')
    page.text(f'{count["PASS"]} targets stand, {count["MISSED"]} do not, {count["not measured"]} '
              'were not measured. A ratio that may be at most so much is of times, one that must be '
              'at least so much says how many times as fast it is.')
    page.table(['job', 'way', 'against', 'wanted', 'measured', ''],
               [[r['job'], r['way'], r['against'],
                 f'at most {r["at_most"]:g}' if 'at_most' in r else f'at least {r["at_least"]:g}',
                 f'{r["ratio"]:.2f}' if r['ratio'] else '', r['verdict']] for r in judged])
    return judged


def show_jobs(page, rows):
    def job_table(kind, lengths, head):
        jobs = [f'{kind}, {n}' for n in lengths]
        page.table([head, *lengths], by_way(rows, jobs))

    page.title('One way')
    page.text('Nanoseconds a message, each byte written and read.')
    job_table('one way', LENGTHS, 'one way')
    page.plot('one-way-64-B.svg', 'one way, 64 bytes, a bar for each way')
    page.plot('size.svg', 'one way, by length of the message')
    page.title('One way, only the first word written and read')
    job_table('untouched', ('64 B', '64 KiB', '1 MiB', '64 MiB'), 'untouched')
    page.title('There and back')
    page.text('Both poll; then who waits sleeps, both processes on one CPU, and on two.')
    job_table('round trip', LENGTHS[:3], 'polling')
    page.plot('round-trip-64-B.svg', 'there and back, polling, 64 bytes')
    jobs = [f'sleeping, {n}' for n in LENGTHS[:4]] + ['sleeping far, 64B']
    page.table(['sleeping', *LENGTHS[:4], '64 B, two CPUs'], by_way(rows, jobs))
    page.plot('sleeping-64-B.svg', 'there and back, sleeping, 64 bytes')
    page.title('From several, to several')
    page.text('64 bytes, nanoseconds a message until the last has read it.')
    page.table(['', '4 to 1', '1 to all 8', '2 to any of 2'], by_way(rows, GROUPS))


def ring_cost(rows):
    """What each ring that a subscriber reads adds, and how many there were."""
    jobs = of_series(rows, 'ends')
    ns = {n: r['ns'] for n, job in jobs.items() for r in rows
          if r['job'] == job and r['way'] == 'ipcx topic' and 'ns' in r}
    most = max(ns, default=0)
    return ((ns[most] - ns[1]) / (most - 1), most) if most > 1 and 1 in ns else None


def show_growth(page, rows):
    page.title('How cost grows')
    page.text('One process sends 64 bytes and receives them, and nobody waits; for "subscribers" '
              'only what publishing takes counts.')
    for series in SERIES:
        jobs = of_series(rows, series)
        page.table([series, *(f'{n:,}' for n in jobs)], by_way(rows, list(jobs.values())))
        page.plot(series.split()[-1] + '.svg', f'cost by {series}')
    each = ring_cost(rows)
    if each:
        page.text(f'A topic whose subscriber reads {each[1]} rings costs {number(each[0])} ns more '
                  'a message for each of them than with one.')


def show_appendix(page, rows):
    page.title('The tables of "UNIX Network Programming", volume 2, appendix A')
    page.text('Millions of bytes a second by length of the message; what takes how long there and '
              'back is above, "sleeping".')
    sizes = of_series(rows, 'size')
    ways = {}
    for n, job in sizes.items():
        for r in rows:
            if r['job'] == job and 'ns' in r:
                ways.setdefault(r['way'], {})[n] = number(n / r['ns'] * 1e3) + mark(r)
    page.table(['bytes', *(f'{n:,}' for n in sizes)],
               [[way] + [mb.get(n, '') for n in sizes]
                for way, mb in ways.items()])
    page.text('Nanoseconds to let one process in, add 1 and let the next in, with so many '
              'processes.')
    jobs = ['lock, 1 process', 'lock, 2 processes', 'lock, 4 processes']
    page.table(['', '1', '2', '4'], by_way(rows, jobs))


def machine():
    """This one, its system, and of what the figures are."""
    def first(path, pattern):
        with open(path, encoding='utf-8') as f:
            found = re.search(pattern, f.read(), re.M)
        return found[1].strip() if found else '?'

    virtual = 'virtual machine' if 'hypervisor' in first('/proc/cpuinfo', r'^flags\s*:(.*)$').split() \
        else 'machine'
    memory = int(first('/proc/meminfo', r'^MemTotal:\s*(\d+)')) / (1 << 20)
    system = first('/etc/os-release', r'^PRETTY_NAME="?(.*?)"?$')
    commit = subprocess.run(['git', '-C', TOP, 'describe', '--always', '--dirty'], check=False,
                            capture_output=True, text=True).stdout.strip()
    return (f'{virtual}, {os.cpu_count()} CPUs ({first("/proc/cpuinfo", r"^model name.*?:(.*)$")}), '
            f'{memory:.0f} GiB, Linux {platform.release()}, {system}, '
            f'{datetime.date.today().isoformat()}' + (f', the code of {commit}' if commit else ''))


def write(command, rows, all_rows):
    page = Page()
    here = machine()
    page.text(f'`{command}` on a {here}. Each job by all ways in turn, the median counts.')
    for r in rows:
        if 'turns' in r:
            near = number(r['near_ns']) + ' ns' if r['near_ns'] else 'a time that nobody knows'
            page.text(f'The ratios hold for two CPUs of which a line of the cache goes to the other '
                      f'and back in {near}. That was looked at only at the ends '
                      f'of each of {r["turns"]:,} turns of two processes. At an end of {r["far"]:,} it '
                      f'took over 2.5 times as long, of {r["not_known"]:,} nobody knows; figures with '
                      f'such a turn have a \\* behind them, by what was known when their job ended. '
                      f'{r["again"]:,} more turns were done again for that, and {r["waited_s"]:.0f} s were waited.')
    judged = show_targets(page, rows)
    show_jobs(page, rows)
    show_growth(page, rows)
    show_appendix(page, rows)
    with open(os.path.join(NEW, 'README.md'), 'w', encoding='utf-8') as f:
        f.write(f'<!-- {LICENCE} -->\n# Figures\n\n' +
                '\n'.join(page.md) + '\n## All of it\n\n' + all_rows)
    with open(os.path.join(NEW, 'tables.txt'), 'w', encoding='utf-8') as f:
        f.write(f'.. {LICENCE}\n\n' + '\n'.join(page.rst))
    with open(os.path.join(NEW, 'bench.json'), 'w', encoding='utf-8') as f:
        head = {'licence': LICENCE, 'command': command, 'machine': here}
        f.writelines(json.dumps(r) + '\n' for r in [head, *rows])
    return judged


def finish_plots():
    """Those that no page shows are left out; the others say their licence."""
    with open(os.path.join(NEW, 'README.md'), encoding='utf-8') as f:
        shown = f.read()
    for name in os.listdir(NEW):
        path = os.path.join(NEW, name)
        if not name.endswith('.svg'):
            continue
        if f']({name})' not in shown:
            os.remove(path)
            continue
        with open(path, 'r+', encoding='utf-8') as f:
            head, rest = f.read().split('\n', 1)
            f.seek(0)
            f.write(f'{head}\n<!-- {LICENCE} -->\n{rest}')


def put(directory):
    """The new directory takes the place of the old one, at once."""
    rename = ctypes.CDLL(None, use_errno=True).renameat2
    if not os.path.exists(directory):
        os.rename(NEW, directory)
        return
    if rename(AT_FDCWD, NEW.encode(), AT_FDCWD, directory.encode(), RENAME_EXCHANGE):
        sys.exit(f'{directory}: {os.strerror(ctypes.get_errno())}; the new ones are in {NEW}')
    shutil.rmtree(NEW)


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith('-'):
        sys.exit('usage: ' + __doc__)
    peers, directory, *options = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(NEW, ignore_errors=True)
    os.makedirs(NEW)
    saved = os.path.join(NEW, 'bench.json')
    run = [peers, '--all', '--markdown', '--save', saved, *options]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as p:
        try:
            out = p.communicate()[0]
        except BaseException:
            p.terminate()
            p.wait()
            raise
    with open(saved, encoding='utf-8') as f:
        rows = [json.loads(line) for line in f]
    if not any('verdict' in r for r in rows):
        sys.exit(f'the measuring ended with status {p.returncode} before it was through: '
                 f'{directory} is as it was')
    plot.plot_all(rows, NEW)
    command = ' '.join(['make bench-figures', *(f'ARGS={o}' for o in options)])
    judged = write(command, rows, out)
    finish_plots()
    put(directory)
    for r in judged:
        limit = f'at most {r["at_most"]:g}' if 'at_most' in r else f'at least {r["at_least"]:g}'
        print(f'{r["verdict"]:12}  {r["job"]:20}  {r["way"]:13}  {r["ratio"]:8.2f}, {limit} of '
              f'{r["against"]}')
    for r in rows:
        if r.get('is') == 'FAILED':
            print(f'FAILED        {r["job"]}  {r["way"]}: {r["why"]}')
    print(f'{len(rows)} rows; what to commit is {os.path.relpath(directory, TOP)}/')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
