#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
links.py DIR FILE.md...: says which links in the HTML files of DIR, and in the Markdown files, lead to
no file or no place in one. Links to other machines are not looked at.
"""
import html.parser
import pathlib
import re
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def wrong(path, link, pages):
    url = urllib.parse.urlsplit(link)
    if url.scheme or url.netloc:
        return False
    target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
    if not target.exists():
        return True
    place = urllib.parse.unquote(url.fragment)
    return bool(place) and target in pages and place not in pages[target].places


def main():
    top = pathlib.Path(sys.argv[1]).resolve()
    pages = {path: Page(path) for path in top.rglob("*.html")}
    links = [(path, link) for path, page in pages.items() for link in page.links]
    for name in sys.argv[2:]:
        path = pathlib.Path(name).resolve()
        links += [(path, link) for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text())]
    bad = [(path, link) for path, link in links if wrong(path, link, pages)]
    for path, link in bad:
        print(f"{path}: {link} leads nowhere")
    sys.exit(bool(bad) or not pages)


main()
