#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-leak-scan.sh PROGRAM: run a test on a debug kernel, and have kmemleak look for what it
# left. vm.sh makes a failure of what kmemleak finds.
"$@"
status=$?
leaks=/sys/kernel/debug/kmemleak
# an object counts as leaked only when it was missed twice, the second time five seconds old
ended=$(cut -d . -f 1 /proc/uptime)
echo scan >$leaks || exit 1
age=$(($(cut -d . -f 1 /proc/uptime) - ended))
[ $age -ge 7 ] || sleep $((7 - age))
echo scan >$leaks || exit 1
cat $leaks
exit $status
