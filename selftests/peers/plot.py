#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""plot.py FILE DIR: SVGs of what "ipcx bench --save FILE" found, by gnuplot.

Cost against length of the message, what grows against how much there is of it, and for each job a
bar for each way, with the lowest and the highest. Of what is not in FILE there is no plot.
"""
import json
import os
import re
import subprocess
import sys

HEAD = """set terminal svg size 900,600 dynamic background "white"
set output "{out}"
set title "{title}" noenhanced
set grid
"""
GROWTH = re.compile(r'(size|depth|length|ends|subscribers|polled|backlog|open, of names) (\d+)$')
X = {'size': 'bytes of a message', 'length': 'bytes of a message, of which one word is touched',
     'depth': 'depth', 'ends': 'open ends that send', 'subscribers': 'subscribers',
     'polled': 'objects in one epoll', 'backlog': 'messages that wait', 'open, of names': 'names'}

TITLES = {'open, of names': 'ns to open and close', 'subscribers': 'ns to publish a message'}


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def gnuplot(script):
    subprocess.run(['gnuplot'], input=script, text=True, check=True)


def plot_growth(kind, ways, out):
    """ways: {way: [(x, ns, low, high)]}"""
    script = HEAD.format(out=out, title=TITLES.get(kind, 'ns for a message'))
    script += f'set logscale xy\nset xlabel "{X[kind]}"\nset ylabel "ns"\nset key outside noenhanced\n'
    for i, rows in enumerate(ways.values()):
        script += f'$d{i} << EOD\n' + ''.join('%g %g %g %g\n' % r for r in sorted(rows)) + 'EOD\n'
    script += 'plot ' + ', '.join(f'$d{i} using 1:2:3:4 with yerrorlines dashtype {i // 8 + 1} title {quoted(way)}'
                                  for i, way in enumerate(ways)) + '\n'
    gnuplot(script)


def plot_job(job, rows, out):
    """rows: [(way, ns, low, high)]"""
    rows.sort(key=lambda r: r[1])
    script = HEAD.format(out=out, title=job + ': ns, less is better')
    script += 'set logscale y\nset ylabel "ns"\nset boxwidth 0.7\nset style fill solid 0.5\nunset key\n'
    script += 'set xtics rotate by -40 noenhanced\n$d << EOD\n'
    script += ''.join('%d %s %g %g %g\n' % (i, quoted(r[0]), *r[1:]) for i, r in enumerate(rows)) + 'EOD\n'
    script += f'set xrange [-1:{len(rows)}]\nset yrange [{min(r[2] for r in rows) / 2}:*]\n'
    script += 'plot $d using 1:3:xtic(2) with boxes, $d using 1:3:4:5 with yerrorbars linecolor "black"\n'
    gnuplot(script)


def plot_all(rows, directory):
    growth, jobs = {}, {}
    for row in rows:
        if 'ns' not in row:
            continue
        found = GROWTH.match(row['job'])
        figures = row['ns'], row['low'], row['high']
        if found:
            kind = growth.setdefault(found[1], {})
            kind.setdefault(row['way'], []).append((int(found[2]), *figures))
        else:
            jobs.setdefault(row['job'], []).append((row['way'], *figures))
    for kind, ways in growth.items():
        plot_growth(kind, ways, os.path.join(directory, kind.split()[-1] + '.svg'))
    for job, ways in jobs.items():
        plot_job(job, ways, os.path.join(directory, re.sub(r'[^a-z0-9A-Z]+', '-', job) + '.svg'))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split(':')[0].join(['usage: ', '']))
    with open(sys.argv[1], encoding='utf-8') as f:
        plot_all(map(json.loads, f), sys.argv[2])


if __name__ == '__main__':
    main()
