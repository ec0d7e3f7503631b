#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-coverage.sh PROGRAM: run a test, then bring out how often each line of the module ran.
"$@"
status=$?
find /sys/kernel/debug/gcov -name '*.gcda' | while read -r counts; do
	cat "$counts" >"/run/out/${counts##*/}"
done
exit $status
