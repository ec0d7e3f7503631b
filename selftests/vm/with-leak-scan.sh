#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-leak-scan.sh COMMAND: run tests on a debug kernel, then unload the module, which complains of
# objects that are left, and have kmemleak look for others. vm.sh makes a failure of either.
"$@"
status=$?
if [ -e /sys/module/ipcx ]; then
	rmmod ipcx || status=1
fi
leaks=/sys/kernel/debug/kmemleak
# an object counts as leaked only when it was missed twice, the second time five seconds old
ended=$(cut -d . -f 1 /proc/uptime)
echo scan >$leaks || exit 1
age=$(($(cut -d . -f 1 /proc/uptime) - ended))
[ $age -ge 7 ] || sleep $((7 - age))
echo scan >$leaks || exit 1
cat $leaks
exit $status
