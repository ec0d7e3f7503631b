// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipcx: the commands and their help.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

static const struct command *const commands[] = {
	/* objects */
	&cmd_doctor, &cmd_create, &cmd_ls, &cmd_show, &cmd_stat, &cmd_holders, &cmd_revoke,
	&cmd_limits, &cmd_rm,
	/* numbers */
	&cmd_top, &cmd_hz, &cmd_metrics, &cmd_monitor, &cmd_tap, &cmd_bench,
	/* messages of queues */
	&cmd_send, &cmd_recv, &cmd_call, &cmd_serve,
	/* topics */
	&cmd_pub, &cmd_sub, &cmd_record, &cmd_replay,
	/* other machines */
	&cmd_bridge
};

static int run_help(int argc, char **argv);

static const struct command cmd_help = {
	"help",
	run_help,
	"tell more about a command",
	"usage: ipcx help [COMMAND]\n",
};

const struct command *command = &cmd_help;

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return strcmp(name, "help") ? NULL : &cmd_help;
}

static void put_overview(FILE *f)
{
	fputs("usage: ipcx COMMAND [NAME] [OPTIONS]\n"
	      "\n"
	      "Messages between processes that are not copied. A queue holds them until\n"
	      "somebody receives them; it stays when its users have gone. What is published in\n"
	      "a topic goes to everybody who subscribes to it.\n"
	      "\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-8s%s\n", commands[i]->name, commands[i]->brief);
	fprintf(f, "  %-8s%s\n", cmd_help.name, cmd_help.brief);
	fputs("\n"
	      "Is everything ready?      ipcx doctor\n"
	      "Send a message:           ipcx send hello -c -m 'Good morning'\n"
	      "Receive it elsewhere:     ipcx recv hello -n 1\n"
	      "Tell many at once:        ipcx sub news -c, and elsewhere ipcx pub news -m rain\n"
	      "\n"
	      "--json with any command writes one JSON object a line. Exit codes: 0 done,\n"
	      "1 failed, 2 wrong usage, 3 doctor found something wrong, 4 timed out or empty.\n",
	      f);
}

static int unknown(const char *word)
{
	fputs("ipcx: there is no command \"", stderr);
	put_printable(stderr, word, strlen(word));
	fputs("\"; \"ipcx help\" lists them\n", stderr);
	return CLI_USAGE;
}

static int run_help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		put_overview(stdout);
		return CLI_OK;
	}
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	fputs(c->help, stdout);
	return CLI_OK;
}

/* What was written to standard output counts as done only if it got there. */
static int finish(int code)
{
	if (fflush(stdout) && !code)
		return fail_file("standard output", errno);
	return code;
}

/* A file that is opened must not become standard output; what is written there fails as before. */
static void keep_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char **argv)
{
	keep_standard();
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		put_overview(stdout);
		return finish(CLI_OK);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("ipcx " IPCX_VERSION);
		return finish(CLI_OK);
	}
	command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	return finish(command->run(argc - 1, argv + 1));
}
