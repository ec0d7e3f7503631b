#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# html.sh: the documentation as a site.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: [KERNEL_DOC=PROGRAM] scripts/html.sh

	Makes build/html of Documentation/, the comments of the public headers and the man pages.
	Warnings are errors, and so is a link to something that is not there.

	KERNEL_DOC is scripts/kernel-doc of some kernel. Without it that of the sources that
	scripts/kernel.sh fetches is used; if it is empty, the headers are shown as they are.
	END
}

case ${1:-} in
'') ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
kernel_doc=${KERNEL_DOC-$(scripts/kernel.sh source)/scripts/kernel-doc}
out=$PWD/build/html
from=$PWD/build/html-from # what is written and what is made, in one directory
mkdir -p build
exec 9>build/.html-lock
flock 9
rm -rf "$from" "$out"
cp -rs "$PWD/Documentation" "$from"
scripts/reference.py "$kernel_doc" "$from"
sphinx-build -q -W --keep-going -b html -d build/html-doctrees "$from" "$out"
rm -rf "$out/.buildinfo" "$out/objects.inv"
mkdir "$out/man"
(
	# a page that is here is linked to here
	cd Documentation/man
	for page in *; do
		mandoc -T html -O 'man=%N.%S.html;https://manpages.debian.org/%N.%S' "$page" >"$out/man/$page.html"
	done
)
scripts/links.py "$out" ./*.md Documentation/examples/*.md
