# SPDX-License-Identifier: GPL-2.0-only
# The site of "make html"; scripts/html.sh adds what is made from headers, sources and man pages.
import pathlib
import re

source = pathlib.Path(__file__).resolve().parent.parent / "libuser" / "Makefile"

project = "ipcx"
version = release = re.search(r"^VERSION := (\S+)", source.read_text(), re.M)[1]
author = copyright = "the authors of ipcx"
root_doc = "index"
exclude_patterns = ["examples", "man", "netlink"]
highlight_language = "none"
primary_domain = None
smartquotes = False
nitpicky = True
# types that are not ours
nitpick_ignore_regex = [("c:identifier", r"(u?int\d+_t|s?size_t|[pug]id_t|__u\d+|__s\d+|__aligned_\w+)")]
# of the library, not declared but by name
nitpick_ignore = [("c:identifier", name) for name in ("ipcx_queue", "ipcx_topic", "ipcx_region")]
manpages_url = "man/{page}.{section}.html"

html_theme = "alabaster"
html_theme_options = {
    "description": "messages between Linux processes that are not copied",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "sidebar_width": "240px",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
