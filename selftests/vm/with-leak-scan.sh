#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-leak-scan.sh PROGRAM: run a test on a debug kernel, long loops cut to a twentieth, and
# have kmemleak look for what it left. vm.sh makes a failure of what kmemleak finds.
IPCX_TEST_SCALE=20
export IPCX_TEST_SCALE
"$@"
status=$?
leaks=/sys/kernel/debug/kmemleak
# an object counts as leaked only when it is some seconds old and was missed twice
for _ in 1 2; do
	sleep 6
	echo scan >$leaks || exit 1
done
cat $leaks
exit $status
