#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Has libuser/rust/src/ffi.rs what the headers have: functions and their types, structs, values?

usage: layout.py DIRECTORY, where programs are made; libipcx is in $IPCX_LIB_DIR. Says what is not so.
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
FFI = os.path.join(TOP, "libuser", "rust", "src", "ffi.rs")
TYPES = {"void": "c_void", "int": "c_int", "unsigned int": "c_uint", "size_t": "usize", "ssize_t": "isize",
         "uint64_t": "u64", "int64_t": "i64", "uint32_t": "u32", "char": "c_char"}


def read(path):
    with open(path) as f:
        return f.read()


def headers():
    """The headers without comments"""
    text = "".join(read(h) for h in sorted(glob.glob(os.path.join(TOP, "include", "*.h"))))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def in_rust(c):
    """A type of C"""
    const, base = c.startswith("const "), c.replace("const ", "").replace("*", "").strip()
    name = base[7:] if base.startswith("struct ") else TYPES[base]
    for depth in range(c.count("*")):
        name = ("*const " if const and not depth else "*mut ") + name
    return name


def parameter(c):
    if "(*each)" in c:
        return "each: ipcx_each"
    kind, name = re.fullmatch(r"(.*?)(\w+)", c).groups()
    return f"{name}: {in_rust(kind)}"


def functions_of_c(text):
    """Each, as it is to be in Rust"""
    for result, name, args in re.findall(r"^((?:const )?\w[\w ]*?[ *]+)(ipcx_\w+)\(((?:[^;])*?)\);", text, re.M):
        args = re.sub(r"\(\*each\)\([^)]*\)", "(*each)", " ".join(args.split()))
        args = ", ".join(parameter(a) for a in args.split(", ") if a != "void")
        result = "" if result == "void " else " -> " + in_rust(result)
        yield f"fn {name}({args}){result}"


def functions_of_rust(text):
    for name, args, result in re.findall(r"pub fn (\w+)\(([^)]*)\)([^;]*);", text):
        args = " ".join(args.split()).rstrip(",")
        yield f"fn {name}({args}){result}"


def exported():
    library = os.path.join(os.environ["IPCX_LIB_DIR"], "libipcx.so")
    lines = subprocess.run(["nm", "-D", "--defined-only", library], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.splitlines()
    return {line.split()[2].split("@")[0] for line in lines if line.split()[1] == "T"}


def structs_of_c(text):
    """Names of structs, each with the names of its members"""
    for name, body in re.findall(r"^struct (ipcx_\w+) \{\n(.*?)\n\};", text, re.M | re.S):
        yield name, re.findall(r"(\w+)(?:\[\w+\])?[,;]", body)


def structs_of_rust(text):
    """The same, and there padding has a name too"""
    for name, body in re.findall(r"pub struct (\w+) \{\n(.*?)\n\}", text, re.S):
        members = re.findall(r"^    pub (?:r#)?(\w+):", body, re.M)
        if members:
            yield name, members


def program_of_c(c, rust):
    lines = []
    for name, members in structs_of_c(c):
        lines.append(f'printf("{name} %zu %zu\\n", sizeof(struct {name}), _Alignof(struct {name}));')
        for m in members:
            lines.append(f'printf("{name}.{m} %zu %zu\\n", offsetof(struct {name}, {m}), '
                         f'sizeof(((struct {name} *)0)->{m}));')
    for name in re.findall(r"pub const (\w+):", rust):
        lines.append(f'printf("{name} %zu %lld\\n", sizeof({name}), (long long){name});')
    return "#include <ipcx.h>\n#include <stdio.h>\nint main(void)\n{\n" + "\n".join(lines) + "\n}\n"


def program_of_rust(rust):
    lines = []
    for name, members in structs_of_rust(rust):
        lines.append(f"let s: ffi::{name} = unsafe {{ std::mem::zeroed() }};")
        lines.append(f'println!("{name} {{}} {{}}", std::mem::size_of_val(&s), std::mem::align_of_val(&s));')
        for m in members:
            at = f"std::ptr::addr_of!(s.r#{m}) as usize - std::ptr::addr_of!(s) as usize"
            lines.append(f'println!("{name}.{m} {{}} {{}}", {at}, std::mem::size_of_val(&s.r#{m}));')
    for name in re.findall(r"pub const (\w+):", rust):
        lines.append(f'println!("{name} {{}} {{}}", std::mem::size_of_val(&ffi::{name}), ffi::{name});')
    return f'#[allow(dead_code)]\n#[path = "{FFI}"]\nmod ffi;\nfn main() {{\n' + "\n".join(lines) + "\n}\n"


def output(directory, name, source, *compiler):
    program = os.path.join(directory, "layout-" + name)
    subprocess.run([*compiler, "-o", program, "-"], input=source, text=True, check=True)
    return subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def differences(what, got, want):
    bad = sorted(set(got) ^ set(want))
    for line in bad:
        print(f"# {what}, {'in Rust' if line in got else 'in C'} only: {line}")
    return len(bad)


def holes(layout):
    """Bytes of a struct that no member has: C would be given whatever is there"""
    size, end, bad = {}, {}, []
    for line in layout:
        name, first, second = line.split()
        struct, _, member = name.partition(".")
        if not member:
            size[struct], end[struct] = int(first), 0
            continue
        if int(first) != end[struct]:
            bad.append(f"before {name}")
        end[struct] = int(first) + int(second)
    # values have a size and no members
    bad += [f"at the end of {s}" for s in size if s.islower() and end[s] != size[s]]
    for where in bad:
        print(f"# bytes without a name {where}")
    return len(bad)


def main():
    c, rust = headers(), read(FFI)
    named = set(re.findall(r"\bIPCX_[A-Z_]+\b", c))
    of_c, of_rust = list(functions_of_c(c)), list(functions_of_rust(rust))
    bad = differences("functions", of_rust, of_c)
    bad += differences("symbols", [re.search(r"ipcx_\w+", f)[0] for f in of_rust], exported())
    bad += differences("names", re.findall(r"pub const (\w+):", rust),
                       {n for n in named if not re.search(r"_H$|_OPTS$", n)})
    bad += differences("structs", [n for n, _ in structs_of_rust(rust)],
                       re.findall(r"^struct (ipcx_\w+) \{", c, re.M))
    got = output(sys.argv[1], "rust", program_of_rust(rust), "rustc", "--edition=2021")
    want = output(sys.argv[1], "c", program_of_c(c, rust), "gcc", "-xc", "-I" + os.path.join(TOP, "include"))
    bad += differences("layout", [line for line in got if ".__padding " not in line], want)
    bad += holes(got)
    if len(of_c) < 50 or len(want) < 150:
        sys.exit(f"# only {len(of_c)} functions and {len(want)} lines were found")
    sys.exit(bad > 0)


main()
