#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
reference.py KERNEL-DOC DIR: writes the parts of the site that are made, not written, into DIR:
reference-*.rst from the headers, man-pages.rst from the man pages, errnos.txt from those, from
Documentation/cures.txt and the words of libuser/. If KERNEL-DOC is empty the reference is the headers as they are. Runs at the
top of the tree.
"""
import errno as numbers
import os
import pathlib
import re
import subprocess
import sys

HEADERS = {
    "queue": ("Queues", ["include/ipcx.h"]),
    "call": ("Requests and answers", ["include/ipcx_call.h"]),
    "topic": ("Topics", ["include/ipcx_topic.h"]),
    "region": ("Regions", ["include/ipcx_region.h"]),
    "list": ("What there is", ["include/ipcx_list.h"]),
    "ioctl": ("Structs of the ioctls", ["include/uapi/linux/ipcx.h", "include/uapi/linux/ipcx_topic.h",
                                        "include/uapi/linux/ipcx_region.h",
                                        "include/uapi/linux/ipcx_tap.h"]),
    "netlink": ("The netlink family", ["include/uapi/linux/ipcx_netlink.h"]),
}


def heading(text, line="="):
    return f"{text}\n{line * len(text)}\n\n"


def literal(text, language="none"):
    return f".. code-block:: {language}\n\n" + "".join(
        f"   {line}".rstrip() + "\n" for line in text.expandtabs(8).splitlines()) + "\n"


def escaped(text):
    return re.sub(r"([*`|\\_])", r"\\\1", text)


def marked(text):
    """A line of kernel-doc: names become links and literals."""
    text = re.sub(r"\*\*(\w+)\*\*", r"``\1``", text)
    text = re.sub(r"(?<![`\w])(ipcx_\w+)\(\)", r":c:func:`\1`", text)
    return re.sub(r"(?<![`\w])([A-Z][A-Z0-9]*_[A-Z0-9_]*\*?|ipcx_\w+|\w+_)(?![`\w])(?!\()", r"``\1``", text)


def with_errors(lines):
    """Text in which there may be lists of errors, aligned as in the headers."""
    out, inside = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        item = re.match(r" *(-?E[A-Z0-9]+)  +(\S.*)", line.expandtabs(8))
        if item:
            out += ["", f"``{item[1]}``", "  " + marked(item[2])]
            inside = indent
        elif inside is not None and indent > inside:
            out.append("  " + marked(line.strip()))
        else:
            out += [""] if inside is not None else []
            inside = None
            out.append(marked(line))
    return out


def kernel_doc(tool, header, functions):
    """Its comments, one after the other."""
    text = subprocess.run([tool, "-rst", "-sphinx-version", "5.3.0", "-Werror", header], check=True,
                          capture_output=True, encoding="utf-8").stdout
    for part in re.split(r"(?m)^(?=\.\. c:)", text)[1:]:
        first, _, rest = part.partition("\n")
        name = re.search(r"(ipcx_\w+)(?: \(|$)", first)[1]
        out, plain, code = "", [], False
        for line in rest.splitlines():
            code = code and not line.startswith("**") or line == "::"
            if code or line.startswith("``") or re.fullmatch(r"\*\*\w+\*\*", line):
                out += "\n".join(with_errors(plain) + [line]) + "\n"
                plain = []
            else:
                plain.append(line)
        out = first + "\n" + out + "\n".join(with_errors(plain)) + "\n\n"
        if "c:function" in first:
            yield out + f"Man page: :manpage:`{name}(3)`\n\n"
        elif name in functions:  # C has one place for both
            yield f".. c:namespace:: structs\n\n{out}.. c:namespace:: NULL\n\n"
        else:
            yield out


def head_of(text):
    """The comment at the beginning of a header, which says what all of it has in common."""
    comment = re.search(r"(?s)^/\*\n(.*?)\n \*/", text, re.M)
    return re.sub(r"(?m)^ \* ?", "", comment[1]) if comment else ""


def constants(text):
    """Those paragraphs of a header that define something that is no function and has no comment."""
    for part in re.split(r"\n\n+", text):
        defines = re.search(r"(?m)^#define IPCX_\w+[ \t(]", part) or re.match(r"(/\*[^*].*\*/\n)?enum ", part)
        if defines and "/**" not in part:
            yield part


def reference(tool, name, where):
    title, headers = HEADERS[name]
    kernel = "uapi" in headers[0]
    out = heading(title)
    functions = {p.stem for p in pathlib.Path("Documentation/man").glob("ipcx_*.3")}
    if kernel:
        out += ".. c:namespace:: uapi\n\n"
        functions = ()
    for header in headers:
        text = pathlib.Path(header).read_text()
        if not tool:
            out += literal(text, "c")
            continue
        head, parts = head_of(text), list(constants(text))
        include = header.replace("include/uapi/", "").replace("include/", "")
        out += heading(f"<{include}>", "-") if len(headers) > 1 else f"``#include <{include}>``\n\n"
        if head and kernel:
            out += literal(head)
        elif head:
            out += "\n".join(marked(escaped_stars(line)) for line in head.splitlines()) + "\n\n"
        if parts:
            out += literal("\n\n".join(parts), "c")
        out += "".join(kernel_doc(tool, header, functions))
    (where / f"reference-{name}.rst").write_text(out)


def escaped_stars(line):
    return re.sub(r"(?<![A-Z_])\*", r"\\*", line)


def man(page):
    """The lines of a page as text."""
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=1000", page], check=True,
                          capture_output=True, encoding="utf-8").stdout
    return re.sub(r".\x08", "", text).expandtabs(8).splitlines()


def pages():
    return sorted(p for p in pathlib.Path("Documentation/man").iterdir() if not p.is_symlink())


def man_pages(where):
    out = heading("Man pages") + "Each function has one, with all its errors; so have the command and the device.\n\n"
    for page in sorted(pathlib.Path("Documentation/man").iterdir(), key=lambda p: (p.suffix, p.name)):
        text = page.read_text()
        name, section = page.stem, page.suffix[1:]
        out += f":manpage:`{name}({section})`\n  {escaped(re.search(r'(?m)^.Nd (.*)', text)[1])}\n\n"
    (where / "man-pages.rst").write_text(out)


def causes():
    """{errno: {cause: [who]}} of what the man pages say."""
    found = {}
    for page in pages():
        names, who, section, error, text = [], [], "", None, []
        for line in man(page) + ["END"]:
            if error and text and (not line.strip() or line == "END"):
                for errno in error:
                    found.setdefault(errno, {}).setdefault(" ".join(text), []).extend(who)
                error = None
            if re.match(r"\S", line):
                section, who = line.strip(), names
            elif section == "NAME":
                names = names or re.findall(r"ipcx_\w+", line.split(" – ")[0])
            elif section == "ERRORS" and line:
                item = re.match(r" +\[(E[A-Z0-9]+(?:, \[E[A-Z0-9]+\])*)\] *(.*)", line)
                if item:
                    error, text = re.findall("E[A-Z0-9]+", item[1]), [item[2]] if item[2] else []
                elif error:
                    text.append(line.strip())
                elif not line.startswith(" " * 6):
                    # "It also fails with" goes on with the one before
                    who = re.findall(r"(ipcx_\w+)\(\)", line) or (who if line.startswith("     It ") else names)
    return found


def words():
    """{errno: [sentence]} of what ipcx_error() may say, in the order of the sources."""
    found = {}
    for source in sorted(pathlib.Path("libuser").glob("*.c")):
        text = source.read_text()
        define = dict(re.findall(r'(?m)^#define (\w+) "(.*)"$', text))
        labels, before = [], ""
        token = re.compile(r'case (E\w+):|err == (E\w+)|(default:|^})|(return )(?!ipcx_fail)|(?:ipcx_fail|ipcx_fail_text)\(\s*(\w+),'
                           r'((?:\s*(?:"(?:[^"\\]|\\.)*"|[A-Z]+(?=\s*")|(?<=")\s*[A-Z]+(?=\s*[,")])))+)', re.M)
        for m in token.finditer(text):
            if m[1]:
                labels = labels + [m[1]] if before == "case" else [m[1]]
                before = "case"
                continue
            before = ""
            if m[2]:
                labels = [m[2]]
            elif m[3]:
                labels = []
            elif m[4]:  # elsewhere, for the other labels
                labels = labels[-1:]
            else:
                said = "".join(define.get(w, "") if w else s for s, w in
                               re.findall(r'"((?:[^"\\]|\\.)*)"|([A-Z]+)', m[6])).replace('\\"', '"')
                if re.search(r"%s$|^%s %s", said):
                    continue
                said = re.sub(r"^(queue|topic|region|name|member) %s", r"\1 NAME", said)
                said = re.sub(r"%-?[0-9.]*(?:ll|z|l)?[udoxi]", "N", said).replace("%s", "...")
                for errno in [m[5]] if re.fullmatch(r"E[A-Z0-9]+", m[5]) else labels:
                    if said not in found.setdefault(errno, []):
                        found[errno].append(said)
    return found


def own_errnos():
    """{function: errnos} of the headers, with those of the functions that it fails as"""
    found, others = {}, {}
    for header in pathlib.Path("include").glob("*.h"):
        for name, doc in re.findall(r"(?s)/\*\*\n \* (ipcx_\w+)\(\)(.*?)\*/", header.read_text()):
            returns = doc.partition("Return:")[2]
            found[name] = re.findall(r"(?m)(?:^ \* |-)(E[A-Z0-9]+)\b", returns)
            lines = re.findall(r"(?m)^(?! \* -?E[A-Z0-9]+ | \*  ).*", returns)
            others[name] = re.findall(r"ipcx_\w+(?=\(\))", "\n".join(lines))

    def whole(name, seen):
        seen.add(name)
        errors = found.get(name, [])
        for other in others.get(name, []):
            errors = errors + (whole(other, seen) if other not in seen else [])
        return errors

    return {name: whole(name, set()) for name in found}


def fails_with(errno, who, own):
    """Those of a man page that have the error: what ends or breaks a handle is not in the headers."""
    general = {"EBADF", "ESTALE", "ENOTCONN", "EPROTO"}
    those = [n for n in dict.fromkeys(who) if own.get(n, [errno]) and
             (errno in own.get(n, [errno]) or
              errno in general and not re.search("_(open|unlink|remove)$", n))]
    return those or list(dict.fromkeys(who))


def apart(text, who):
    """A cause that begins with whose it is: that, and the rest"""
    only = re.match(r"(?:Only ((?:(?:, | and )?ipcx_\w+\(\))+) |(ipcx_\w+\(\)): )(.)(.*)", text)
    if not only:
        return text, who
    return only[3].upper() + only[4], re.findall(r"ipcx_\w+", only[1] or only[2])


def cures():
    """[[errno, what the cause has, cure, whether there is such a cause]] of Documentation/cures.txt"""
    found, errno = [], ""
    for line in pathlib.Path("Documentation/cures.txt").read_text().splitlines():
        if line.startswith("\t"):
            found.append([errno, *line.strip().split(" = ", 1), False])
        elif not line.startswith("#"):
            errno = line
    return found


def cure(errno, cause, known):
    for rule in known:
        if rule[0] == errno and re.search(rule[1], cause):
            rule[3] = True
            return rule[2]
    sys.exit(f"Documentation/cures.txt has nothing to do about {errno}: {cause}")


def rows(errno, cause, known, own):
    """Of the table: each cause, whose it is, and what to do"""
    name = f"_`{errno}`: *{os.strerror(getattr(numbers, errno))}*"
    for text, who in cause.items():
        todo = cure(errno, text, known)
        text, who = apart(text, who)
        who = [f":manpage:`{n}(3)`" for n in fails_with(errno, who, own)] or ["an ioctl, :manpage:`ipcx(4)`"]
        yield f"   * - {name}\n     - {', '.join(who)}\n     - {escaped(text)}\n     - {escaped(todo)}\n"
        name = errno


def errnos(where):
    cause, said, known, own = causes(), words(), cures(), own_errnos()
    for errno in sorted(set(said) - set(cause)):
        sys.exit(f"the library has words for {errno}, but no man page names it")
    out = " ".join(f"{errno}_" for errno in sorted(cause)) + "\n\n"
    out += ".. list-table::\n   :header-rows: 1\n   :widths: 12 24 36 28\n\n"
    out += "   * - errno\n     - of\n     - cause\n     - what to do\n"
    for errno in sorted(cause):
        out += "".join(rows(errno, cause[errno], known, own))
    for rule in known:
        if not rule[3]:
            sys.exit(f"Documentation/cures.txt: no cause of {rule[0]} has \"{rule[1]}\" first")
    out += "\n" + heading("What ipcx_error() says")
    for errno in sorted(said):
        out += f"``{errno}``\n\n" + "".join(f"- {escaped(text)}\n" for text in said[errno]) + "\n"
    (where / "errnos.txt").write_text(out)


def main():
    tool, where = sys.argv[1], pathlib.Path(sys.argv[2])
    known = {header for _, headers in HEADERS.values() for header in headers}
    for header in sorted({*map(str, pathlib.Path("include").rglob("*.h"))} - known):
        sys.exit(f"{header} is on no page: put it into HEADERS of scripts/reference.py")
    for name in HEADERS:
        reference(tool, name, where)
    man_pages(where)
    errnos(where)


main()
