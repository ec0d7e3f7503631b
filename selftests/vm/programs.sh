#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# programs.sh PROGRAM...: run tests one after the other. What each says is in /run/out/NAME, its
# exit status and how many seconds it took in NAME.status, NAME being the program's and what
# IPCX_SUFFIX adds. A test that leaves the module in use has failed: nothing may be left for the next.
seconds() { cut -d . -f 1 /proc/uptime; }
refs=/sys/module/ipcx/refcnt
for program; do
	name=${program##*/}${IPCX_SUFFIX:-}
	before=$(cat $refs)
	start=$(seconds)
	# Through a pipe: whoever counts instructions must not wait for the host's disk. It ends by a
	# mark, not when the last who has it is gone.
	mkfifo "/run/$name"
	exec 3<>"/run/$name"
	sed -un "/^# end of $name\$/q; p" <"/run/$name" >"/run/out/$name" 3<&- &
	copier=$!
	"$program" >"/run/$name" 2>&1 3<&-
	status=$?
	printf '\n# end of %s\n' "$name" >&3
	wait $copier
	exec 3<&-
	# what is freed by RCU or in a work queue takes a moment
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(cat $refs)" = "$before" ] && break
		sleep 0.3
	done
	left=$(cat $refs)
	if [ "$left" != "$before" ]; then
		echo "# the module has $left references, and had $before before" >>"/run/out/$name"
		status=1
	fi
	echo $status $(($(seconds) - start)) >"/run/out/$name.status"
done
