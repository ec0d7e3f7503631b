// SPDX-License-Identifier: GPL-2.0-only
/*
 * iceoryx 2, both sides poll; a publisher waits for a full subscriber. Its daemon iox-roudi runs
 * while this bench does, with memory for these jobs.
 */
#include "peers.h"

#if PEERS && __has_include("iceoryx_binding_c/publisher.h")
#include <errno.h>
#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000
#define READY "RouDi is ready for clients"

static const char memory[] = "[general]\nversion = 1\n[[segment]]\n"
			     "[[segment.mempool]]\nsize = 128\ncount = 1000\n"
			     "[[segment.mempool]]\nsize = 1024\ncount = 1000\n"
			     "[[segment.mempool]]\nsize = 65536\ncount = 300\n"
			     "[[segment.mempool]]\nsize = 1048576\ncount = 64\n";

static pid_t roudi;

/* Who did not get that far ends it, and what it said last is the reason. */
static const char *wait_until_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static char said[4096];
	size_t have = 0;
	ssize_t n = 1;

	while (n > 0 && have < sizeof(said) - 1 && poll(&p, 1, START_MS) > 0) {
		n = read(fd, said + have, sizeof(said) - 1 - have);
		have += n > 0 ? n : 0;
		said[have] = '\0';
		if (strstr(said, READY))
			return NULL;
	}
	while (have && said[have - 1] == '\n')
		said[--have] = '\0';
	return strrchr(said, '\n') ? strrchr(said, '\n') + 1 : "iox-roudi says nothing";
}

static void be_roudi(const char *config, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setpgid(0, 0);
	dup2(out, 1);
	dup2(out, 2);
	execlp("iox-roudi", "iox-roudi", "-m", "off", "-c", config, NULL);
	dprintf(2, "iox-roudi is missing: package iceoryx\n");
	_exit(1);
}

static void iceoryx_stop(void)
{
	if (roudi <= 0)
		return;
	kill(roudi, SIGTERM);
	waitpid(roudi, NULL, 0);
	roudi = 0;
}

static const char *iceoryx_start(void)
{
	char config[] = "/tmp/ipcx-peers-XXXXXX";
	int fd = mkstemp(config), out[2];
	const char *why;

	if (fd < 0 || write(fd, memory, sizeof(memory) - 1) < 0 || pipe(out))
		return strerror(errno);
	fflush(stdout);
	roudi = fork();
	if (!roudi)
		be_roudi(config, out[1]);
	close(fd);
	close(out[1]);
	why = wait_until_ready(out[0]);
	unlink(config);
	/* the pipe stays: what the daemon says later has a place to go, and is not much */
	if (why)
		iceoryx_stop();
	return why;
}

/* One runtime a process, whatever the number of lanes */
static void join(const struct lane *l)
{
	static bool joined;
	char name[64];

	if (joined)
		return;
	joined = true;
	snprintf(name, sizeof(name), "%s-%d", l->name, getpid()); /* two have never the same */
	iox_set_loglevel(Iceoryx_LogLevel_Off);
	iox_runtime_init(name);
}

static iox_pub_storage_t pub_storage;
static iox_sub_storage_t sub_storage;

static void iceoryx_open(struct lane *l)
{
	iox_pub_options_t pub;
	iox_sub_options_t sub;

	join(l);
	if (!l->sender) {
		iox_sub_options_init(&sub);
		sub.queueCapacity = l->depth;
		sub.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
		l->own = iox_sub_init(&sub_storage, "ipcx", "peers", l->name, &sub);
		return;
	}
	iox_pub_options_init(&pub);
	pub.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	l->own = iox_pub_init(&pub_storage, "ipcx", "peers", l->name, &pub);
	while (!iox_pub_has_subscribers(l->own))
		usleep(1000);
}

static void iceoryx_send(struct lane *l, uint64_t value)
{
	void *data;

	if (iox_pub_loan_chunk(l->own, &data, l->len) != AllocationResult_SUCCESS)
		give_up(FAILED, "no chunk on loan");
	write_all(l, data, value);
	iox_pub_publish_chunk(l->own, data);
}

static uint64_t iceoryx_recv(struct lane *l, uint64_t value)
{
	unsigned int looks = 0;
	const void *data;
	uint64_t sum;

	while (iox_sub_take_chunk(l->own, &data) != ChunkReceiveResult_SUCCESS)
		look_again(&looks);
	sum = read_all(l, data, l->len, value);
	iox_sub_release_chunk(l->own, data);
	return sum;
}

static void iceoryx_close(struct lane *l)
{
	if (l->sender)
		iox_pub_deinit(l->own);
	else
		iox_sub_deinit(l->own);
}
#endif

const struct way iceoryx_way = {
	.name = "iceoryx",
	.words = "library, shared memory and a daemon",
	.to_all = true,
	.jobs = (ONE_WAY & ~JOB(ONE_64M)) | (REFS & ~JOB(REF_64M)) | TRIPS | JOB(IN_64),
#if PEERS && __has_include("iceoryx_binding_c/publisher.h")
	.start = iceoryx_start,
	.stop = iceoryx_stop,
	.open = iceoryx_open,
	.send = iceoryx_send,
	.recv = iceoryx_recv,
	.close = iceoryx_close,
#else
	.missing = "libiceoryx-binding-c-dev",
#endif
};
