// SPDX-License-Identifier: GPL-2.0-only
/*
 * bridge: a program of its own, ipcx-bridge, so that this one does not need what it needs. It is
 * beside this one, or where programs are looked for.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "util.h"

#define PROGRAM "ipcx-bridge"

static const char help[];

static int run_bridge(int argc, char **argv)
{
	if (argc < 2) {
		fputs(help, stderr);
		return CLI_USAGE;
	}
	argv[0] = PROGRAM;
	exec_beside(PROGRAM, argv);
	execvp(PROGRAM, argv);
	if (errno == ENOENT)
		return fail("there is no %s beside this program or in PATH: the Debian package of "
			    "that name has it; to build it, install libnats-dev",
			    PROGRAM);
	return fail_file(PROGRAM, errno);
}

static const char help[] =
	"usage: ipcx bridge run CONF\n"
	"       ipcx bridge check CONF\n"
	"       ipcx bridge status CONF [--json]\n"
	"       ipcx bridge metrics CONF\n"
	"\n"
	"Queues and topics of this machine go on to others over NATS JetStream, as the file\n"
	"CONF says: bridge.conf(5). See ipcx-bridge(1).\n";

const struct command cmd_bridge = {
	"bridge",
	run_bridge,
	"queues and topics go on to other machines",
	help,
};
