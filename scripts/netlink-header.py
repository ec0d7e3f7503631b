#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
usage: scripts/netlink-header.py [--check]

Writes include/uapi/linux/ipcx_netlink.h from Documentation/netlink/specs/ipcx.yaml. A key of the
specification that this program does not know is an error, and so is an attribute, enum or group that
an operation or attribute names and that is not there, and an event without a group.

  --check   write nothing, say how the header differs from what would be written

Exit status: 0 when all is well, 1 when the header differs or the specification is wrong.
"""
import difflib
import os
import sys
import textwrap

import yaml

SPEC = 'Documentation/netlink/specs/ipcx.yaml'
HEADER = 'include/uapi/linux/ipcx_netlink.h'

KEYS = {
    'spec': {'name', 'protocol', 'doc', 'definitions', 'attribute-sets', 'operations',
             'mcast-groups'},
    'definition': {'name', 'type', 'doc', 'entries', 'value-start'},
    'entry': {'name', 'doc', 'value'},
    'attribute set': {'name', 'doc', 'attributes'},
    'attribute': {'name', 'type', 'sub-type', 'doc', 'enum', 'checks'},
    'checks': {'min', 'max', 'min-len', 'max-len'},
    'operations': {'list'},
    'operation': {'name', 'doc', 'attribute-set', 'do', 'dump', 'event', 'mcgrp'},
    'do, dump': {'request', 'reply'},
    'message': {'attributes'},
    'groups': {'list'},
    'group': {'name', 'doc'},
}
TYPES = {'pad', 'u32', 'u64', 'binary'}


class SpecError(Exception):
    pass


def known(what, node):
    """the keys of a mapping are those of its kind"""
    extra = set(node) - KEYS[what]
    if extra:
        raise SpecError(f'{what} {node.get("name", "")}: unknown key {", ".join(sorted(extra))}')


def check_attribute(where, attr, enums):
    known('attribute', attr)
    known('checks', attr.get('checks', {}))
    if attr['type'] not in TYPES:
        raise SpecError(f'{where} {attr["name"]}: unknown type {attr["type"]}')
    if attr.get('sub-type', 'u64') not in TYPES:
        raise SpecError(f'{where} {attr["name"]}: unknown type {attr["sub-type"]}')
    if 'enum' in attr and attr['enum'] not in enums:
        raise SpecError(f'{where} {attr["name"]}: there is no enum {attr["enum"]}')
    if attr['type'] != 'pad' and 'doc' not in attr:
        raise SpecError(f'{where} {attr["name"]}: no doc')


def check_message(op, message, names):
    known('message', message)
    missing = set(message['attributes']) - names
    if missing:
        raise SpecError(f'{op["name"]}: there is no attribute {", ".join(sorted(missing))}')


def check(spec):
    known('spec', spec)
    for d in spec['definitions']:
        known('definition', d)
        for e in d['entries']:
            known('entry', e)
    enums = {d['name'] for d in spec['definitions']}
    sets = {}
    for s in spec['attribute-sets']:
        known('attribute set', s)
        for a in s['attributes']:
            check_attribute(s['name'], a, enums)
        sets[s['name']] = {a['name'] for a in s['attributes']}
    known('groups', spec['mcast-groups'])
    for g in spec['mcast-groups']['list']:
        known('group', g)
    groups = {g['name'] for g in spec['mcast-groups']['list']}
    known('operations', spec['operations'])
    for op in spec['operations']['list']:
        known('operation', op)
        for mode in ('do', 'dump'):
            known('do, dump', op.get(mode, {}))
            for message in op.get(mode, {}).values():
                check_message(op, message, sets[op['attribute-set']])
        if 'event' in op:
            check_message(op, op['event'], sets[op['attribute-set']])
        if ('event' in op) != (op.get('mcgrp') in groups):
            raise SpecError(f'{op["name"]}: an event and its group belong together')


def upper(*words):
    return '_'.join(words).upper().replace('-', '_')


def enum(tag, doc, entries):
    """@entries: (name, value or None, doc)"""
    lines = ['/**', f' * enum {tag} - {doc}']
    for name, _, text in entries:
        lines += [line.replace(' *      ', ' *\t', 1)
                  for line in textwrap.wrap(f'@{name}: {text}', 100, initial_indent=' * ',
                                            subsequent_indent=' *      ')]
    names = [f'{name}{"" if value is None else f" = {value}"}' for name, value, _ in entries]
    short = f'enum {tag} {{ {", ".join(names)} }};'
    if len(short) <= 100:
        return lines + [' */', short, '']
    return lines + [' */', f'enum {tag} {{', *(f'\t{n},' for n in names[:-1]), f'\t{names[-1]}', '};', '']


def definition(d):
    names = [upper('ipcx', d['name'], e['name']) for e in d['entries']]
    docs = [e['doc'] for e in d['entries']]
    if d['type'] == 'flags':
        return [f'/* {d["doc"]} */'] + [f'#define {name}\t(1U << {n})\t/* {doc} */'
                                        for n, (name, doc) in enumerate(zip(names, docs))] + ['']
    starts = [e.get('value') for e in d['entries']]
    starts[0] = d.get('value-start', 0)
    lines = enum(f'ipcx_{d["name"].replace("-", "_")}', d['doc'], list(zip(names, starts, docs)))
    return lines + [f'#define {upper("ipcx", d["name"], "max")}\t{names[-1]}', '']


def numbered(tag, prefix, doc, items):
    """an enum from 1 on, and the number of its last"""
    entries = [(upper(prefix, i['name']), 1 if n == 0 else None, i['doc'])
               for n, i in enumerate(items)]
    return enum(tag, doc, entries) + [f'#define {upper(prefix, "max")}\t{entries[-1][0]}', '']


def attribute_set(s):
    attributes = [dict(a, doc=f'{a.get("doc", "fills, so that what follows is aligned")} ({a["type"]})')
                  for a in s['attributes']]
    return numbered(f'ipcx_{s["name"]}_attr', f'ipcx_a_{s["name"]}', s['doc'], attributes)


def operations(ops):
    return numbered('ipcx_cmd', 'ipcx_cmd', 'what can be asked for, and what is told to groups', ops)


def groups(items):
    return [line for g in items for line in
            (f'/* {g["doc"]} */', f'#define {upper("ipcx_mcgrp", g["name"])}\t"{g["name"]}"')] + ['']


def header(spec):
    lines = ['/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */',
             f'/* Made by scripts/netlink-header.py from {SPEC}. */',
             '#ifndef _UAPI_LINUX_IPCX_NETLINK_H', '#define _UAPI_LINUX_IPCX_NETLINK_H', '',
             f'#define IPCX_GENL_NAME\t\t"{spec["name"]}"', '#define IPCX_GENL_VERSION\t1', '']
    for d in spec['definitions']:
        lines += definition(d)
    for s in spec['attribute-sets']:
        lines += attribute_set(s)
    lines += operations(spec['operations']['list']) + groups(spec['mcast-groups']['list'])
    return '\n'.join(lines + ['#endif /* _UAPI_LINUX_IPCX_NETLINK_H */', ''])


def main():
    if sys.argv[1:] not in ([], ['--check']):
        print(__doc__.strip())
        return sys.argv[1:] not in (['-h'], ['--help'])
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    with open(SPEC, encoding='utf-8') as f:
        spec = yaml.safe_load(f)
    try:
        check(spec)
        text = header(spec)
    except (SpecError, KeyError) as e:
        print(f'{SPEC}: {e}', file=sys.stderr)
        return 1
    if not sys.argv[1:]:
        with open(HEADER, 'w', encoding='utf-8') as f:
            f.write(text)
        return 0
    with open(HEADER, encoding='utf-8') as f:
        now = f.read()
    sys.stdout.writelines(difflib.unified_diff(now.splitlines(True), text.splitlines(True), HEADER, SPEC))
    return now != text


if __name__ == '__main__':
    sys.exit(main())
