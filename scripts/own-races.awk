# SPDX-License-Identifier: GPL-2.0-only
#
# own-races.awk: a kernel's log without the reports of data races of which neither access is by
# ipcx. An access is by whoever is first in its backtrace, behind the functions of the kernel
# that only look at a list or copy for their caller.

function end() {
	if (ours || report !~ /BUG: KCSAN/)
		printf "%s", report
	report = ""
	ours = top = 0
}

/\] =+$/ {
	inside = !inside
	report = report $0 "\n"
	if (!inside)
		end()
	next
}

!inside { print; next }

{
	report = report $0 "\n"
	if (/ of [0-9]+ bytes by /) {
		top = 1
	} else if (top && !/\] +(__list_(add|del_entry)_valid(_or_report)?|_copy_(to|from)_(user|iter))\+/) {
		if (/\[ipcx\]/)
			ours = 1
		top = 0
	}
}

END { end() }
