// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message costs from one process to another, natively: ipcx without its module, a bare
 * ring, the kernel's own ways and other libraries, each job in one run, in turn, several times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peers.h"

#define TIMES 7
#define RUN_NS 200e6 /* about what one run of a way takes */
#define FIRST 64 /* messages, to see how long one takes */

const struct job jobs[JOBS] = {
	[ONE_8] = { "one way, 8 B", 8, 64 },
	[ONE_64] = { "one way, 64 B", 64, 64 },
	[ONE_1K] = { "one way, 1 KiB", 1024, 64 },
	[ONE_64K] = { "one way, 64 KiB", 65536, 64 },
	[ONE_1M] = { "one way, 1 MiB", 1 << 20, 8 },
	[TRIP_8] = { "round trip, 8 B", 8, 64, true },
	[TRIP_64] = { "round trip, 64 B", 64, 64, true },
	[TRIP_1K] = { "round trip, 1 KiB", 1024, 64, true },
};

// clang-format off
const struct way *const ways[WAYS] = {
	&ring_way, &topic_way, &shm_way, &iceoryx_way, &zmq_way, &nng_way, &pipe_way,
	&seqpacket_way, &mq_way, &fifo_way, &tcp_way, &ipcx_unix_way, &ipcx_mq_way,
	&ipcx_fifo_way, &ipcx_tcp_way,
};

// clang-format on

static struct result results[JOBS][WAYS];

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* How many messages take that long. Sets r->is. */
static uint64_t calibrate(const struct way *w, const struct job *j, double ns, struct result *r)
{
	uint64_t count = FIRST;

	for (;;) {
		run(w, j, count, r);
		if (r->is != MEASURED)
			return 0;
		if (r->ns * count >= ns / 8)
			return ns / r->ns + 1;
		count = r->ns * FIRST < ns / 4 / count ? count * FIRST : ns / 4 / r->ns + 1;
	}
}

static void measure(const struct job *j, unsigned int job, double ns, struct result *r)
{
	double times[WAYS][TIMES];
	uint64_t count[WAYS];

	for (int i = 0; i < WAYS; i++)
		if (ways[i]->jobs & JOB(job) && r[i].is == UNUSED)
			count[i] = calibrate(ways[i], j, ns, &r[i]);
	for (int t = 0; t < TIMES; t++)
		for (int i = 0; i < WAYS; i++) {
			if (r[i].is != MEASURED)
				continue;
			run(ways[i], j, count[i], &r[i]);
			times[i][t] = r[i].ns;
		}
	for (int i = 0; i < WAYS; i++) {
		if (r[i].is != MEASURED)
			continue;
		qsort(times[i], TIMES, sizeof(times[i][0]), compare);
		r[i].ns = times[i][TIMES / 2];
		r[i].low = times[i][0];
		r[i].high = times[i][TIMES - 1];
	}
}

static void row(const struct job *j, const struct way *w, const struct result *r, bool json)
{
	static const char *const is[] = {
		[CANNOT] = "cannot", [ABSENT] = "not there", [FAILED] = "FAILED"
	};

	if (json && r->is == MEASURED)
		printf("{\"job\":\"%s\",\"way\":\"%s\",\"bytes\":%zu,\"ns\":%.1f,\"low\":%.1f,"
		       "\"high\":%.1f}\n",
		       j->name, w->name, j->len, r->ns, r->low, r->high);
	else if (json)
		printf("{\"job\":\"%s\",\"way\":\"%s\",\"bytes\":%zu,\"is\":\"%s\","
		       "\"why\":\"%s\"}\n",
		       j->name, w->name, j->len, is[r->is], r->why);
	else if (r->is == MEASURED)
		printf("| %-17s | %-10s | %10.1f | %10.1f | %10.1f |\n", j->name, w->name, r->ns,
		       r->low, r->high);
	else
		printf("| %-17s | %-10s | %s: %s\n", j->name, w->name, is[r->is], r->why);
}

static void start_all(void)
{
	for (int i = 0; i < WAYS; i++) {
		const char *why = NULL;

		if (ways[i]->start && !ways[i]->missing)
			why = ways[i]->start();
		for (int j = 0; j < JOBS; j++) {
			struct result *r = &results[j][i];

			if (!(ways[i]->jobs & JOB(j)) || !(why || ways[i]->missing))
				continue;
			r->is = ABSENT;
			if (ways[i]->missing)
				snprintf(r->why, WHY_MAX, "package %s", ways[i]->missing);
			else
				snprintf(r->why, WHY_MAX, "%s", why);
		}
	}
}

static void stop_all(void)
{
	for (int i = 0; i < WAYS; i++)
		if (ways[i]->stop)
			ways[i]->stop();
}

static const char usage[] =
	"usage: peers [--json] [PERCENT]\n"
	"\n"
	"Measures what a message costs natively, in ns: topics and queues of ipcx without its\n"
	"module, a bare ring, the kernel's own ways, and other libraries where they are\n"
	"installed. Two processes, each on a CPU of its own; each byte is written and read, each\n"
	"message's length and number checked. In a job the ways take turns, seven times; the\n"
	"median counts. It takes some three minutes; PERCENT makes each turn so much shorter.\n"
	"Nothing else should run: the lowest and the highest figure show whether it did.\n"
	"\n"
	"  --json   one object a line instead of tables\n"
	"\n"
	"Exit status: 0 if all targets are met; 1 if not, or if some could not be measured.\n";

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json"), good;
	const char *last = argc > 1 + json ? argv[1 + json] : "100";
	long percent = strtol(last, NULL, 10);

	if (argc > 2 + json || percent < 1) {
		bool help = !strcmp(last, "--help") || !strcmp(last, "-h");

		fputs(usage, help ? stdout : stderr);
		return help ? 0 : 2;
	}
	run_setup();
	start_all();
	if (!json)
		printf("| %-17s | %-10s | %10s | %10s | %10s |\n", "job", "way", "ns", "low",
		       "high");
	for (int j = 0; j < JOBS; j++) {
		measure(&jobs[j], j, RUN_NS * percent / 100, results[j]);
		for (int i = 0; i < WAYS; i++)
			if (results[j][i].is)
				row(&jobs[j], ways[i], &results[j][i], json);
		fflush(stdout);
	}
	stop_all();
	good = judge(results, json);
	return good ? 0 : 1;
}
