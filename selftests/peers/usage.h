/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IPCX_PEERS_USAGE_H
#define IPCX_PEERS_USAGE_H

#define BENCH_USAGE \
	"usage: ipcx bench [--quick] [--json | --csv | --markdown] [OPTIONS] [PERCENT]\n" \
	"       ipcx bench --sizes | --locks | --growth | --all [the same]\n" \
	"\n" \
	"Measures what a message costs on this machine: by ipcx, with its module if that is\n" \
	"loaded and without it, and by what else there is: pipes, sockets, message queues of\n" \
	"the system, shared memory by hand. Each byte is written and read, each message's\n" \
	"length and number checked. The ways take turns, seven times, and the median counts.\n" \
	"That takes some minutes. Nothing else should run meanwhile.\n" \
	"\n" \
	"  --quick      in under a minute, and in plain words\n" \
	"  --sizes      messages of 8 bytes to 16 MiB, and a table of bandwidths\n" \
	"  --locks      locks, semaphores, messages of 0 bytes that let one process in\n" \
	"  --growth     ipcx with more depth, open ends, objects polled, messages, names\n" \
	"  --all        all but --quick\n" \
	"  --json       one object a line instead of tables\n" \
	"  --csv        comma-separated values, names of columns in the first line\n" \
	"  --markdown   tables in Markdown\n" \
	"  --save FILE  as --json into a file, too\n" \
	"  --jobs TEXT  only jobs with this in their names\n" \
	"  --ways TEXT  only ways with this in their names\n" \
	"  PERCENT      makes each turn so much shorter: 10 for a look\n" \
	"\n" \
	"Columns: ns of a message, the median, the lowest and the highest; millions of\n" \
	"bytes a second; CPU time of all processes for one message, in ns; memory of all\n" \
	"together, in KiB; there and back also what 50, 99 and 99.9 of 100 took at most.\n" \
	"\"untouched\": of each message only the first word is written and read. \"sleeping\":\n" \
	"there and back, who waits sleeps, both on one CPU; \"far\": on two.\n" \
	"\"not near\": in how many turns the host of a virtual machine had moved its two CPUs\n" \
	"apart, or nobody knows. That is looked at before and behind each turn of two processes\n" \
	"on two CPUs, but not of --locks; as long as there is time for it, such a turn is done\n" \
	"again.\n" \
	"\n" \
	"Exit codes: 0 done, and the targets, if any were looked at, are met; 1 not.\n"

#endif /* IPCX_PEERS_USAGE_H */
