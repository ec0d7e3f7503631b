# SPDX-License-Identifier: GPL-2.0-only
"""Has the Python binding what the headers have: functions, layout of structs, values, all of them?"""
import ctypes
import glob
import os
import re
import subprocess

from python_util import TOP

import ipcx
from ipcx import _constants, _lib


def functions(_):
    """All of the library, under its names"""
    with open(os.path.join(TOP, "libuser", "libipcx.map")) as f:
        there = {line.strip(" \t\n;")[5:] for line in f if line.startswith("\t\tipcx_")}
    # these are a take and what follows
    assert there - set(_lib.PROTOTYPES) == {"queue_recv", "topic_recv", "queue_reply_next"}, there
    for name in there - {"error", "list"}:
        noun, verb = name.split("_", 1)
        assert hasattr(getattr(ipcx, noun.title()), {"fd": "fileno"}.get(verb, verb)), name


def layout(_):
    """Structs and constants, as the headers have them"""
    structs = {"msg": _lib.Msg, "queue_opts": _lib.QueueOpts, "queue_attr": _lib.QueueAttr,
               "queue_stats": _lib.QueueStats, "topic_opts": _lib.TopicOpts, "topic_attr": _lib.TopicAttr,
               "region_opts": _lib.RegionOpts, "listed": _lib.Listed}
    lines, want = [], []
    for name, struct in structs.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct ipcx_{name}));')
        want.append(f"{name} {ctypes.sizeof(struct)}")
        end = 0
        for field, _type in struct._fields_:
            at = f"struct ipcx_{name}, {field}"
            lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof({at}), '
                         f'sizeof(((struct ipcx_{name} *)0)->{field}));')
            f = getattr(struct, field)
            want.append(f"{name}.{field} {f.offset} {f.size}")
            assert f.offset - end < 8, f"{name}.{field}: something before it is missing"
            end = f.offset + f.size
    there = {name: getattr(ipcx, name) for name in ipcx.__all__ if name.isupper()}
    for name, value in dict(there, NOWAIT=_lib.NOWAIT, FOREVER=_lib.FOREVER).items():
        lines.append(f'printf("{name} %lld\\n", (long long)IPCX_{name});')
        want.append(f"{name} {value}")
        assert value == getattr(_constants, name, value), name
    named = set()
    for header in glob.glob(os.path.join(TOP, "include", "*.h")):
        with open(header) as f:
            for line in f:
                if re.match(r"#define |\tIPCX_|enum ", line):
                    named.update(re.findall(r"\bIPCX_([A-Z_]+)(?=[\s,])", line))
    named = {n for n in named if not re.search(r"\bH$|_H$", n)}
    # timeouts are seconds, or None
    missing = named - {"SINGLE_THREAD", "FOREVER", "NOWAIT"} ^ set(there)
    assert not missing, missing
    source = "#include <ipcx.h>\n#include <stdio.h>\nint main(void)\n{\n" + "\n".join(lines) + "\n}\n"
    program = os.path.join(os.environ["XDG_RUNTIME_DIR"], "layout")
    subprocess.run(["gcc", "-xc", "-I" + os.path.join(TOP, "include"), "-o", program, "-"],
                   input=source, text=True, check=True)
    got = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert got == want, [(g, w) for g, w in zip(got, want) if g != w]
    assert len(got) > 150, len(got)
