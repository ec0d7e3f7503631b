// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is measured, and in which ways.
 */
#include "peers.h"

const struct job jobs[JOBS] = {
	[ONE_8] = { "one way, 8 B", 8, 64 },
	[ONE_64] = { "one way, 64 B", 64, 64 },
	[ONE_1K] = { "one way, 1 KiB", 1024, 64 },
	[ONE_64K] = { "one way, 64 KiB", 65536, 64 },
	[ONE_1M] = { "one way, 1 MiB", 1 << 20, 8 },
	[ONE_64M] = { "one way, 64 MiB", 64 << 20, 8 },
	[REF_64] = { "untouched, 64 B", 64, 64, .ref = true },
	[REF_64K] = { "untouched, 64 KiB", 65536, 64, .ref = true },
	[REF_1M] = { "untouched, 1 MiB", 1 << 20, 8, .ref = true },
	[REF_64M] = { "untouched, 64 MiB", 64 << 20, 8, .ref = true },
	[TRIP_8] = { "round trip, 8 B", 8, 64, .back = true },
	[TRIP_64] = { "round trip, 64 B", 64, 64, .back = true },
	[TRIP_1K] = { "round trip, 1 KiB", 1024, 64, .back = true },
	[WAIT_8] = { "sleeping, 8 B", 8, 64, .back = true, .block = true, .one_cpu = true },
	[WAIT_64] = { "sleeping, 64 B", 64, 64, .back = true, .block = true, .one_cpu = true },
	[WAIT_1K] = { "sleeping, 1 KiB", 1024, 64, .back = true, .block = true, .one_cpu = true },
	[WAIT_64K] = { "sleeping, 64 KiB", 65536, 64, .back = true, .block = true,
		       .one_cpu = true },
	[FAR_64] = { "sleeping far, 64B", 64, 64, .back = true, .block = true },
	[IN_64] = { "4 to 1, 64 B", 64, 64, .block = true, .senders = 4 },
	[OUT_64] = { "1 to all 8, 64 B", 64, 64, .block = true, .receivers = 8 },
	[WORK_64] = { "2 to any of 2, 64", 64, 64, .block = true, .work = true, .senders = 2,
		      .receivers = 2 },
};

// clang-format off
const struct way *const ways[WAYS] = {
	&ring_way, &futex_way, &slots_way, &topic_way, &shm_way, &kernel_queue_way,
	&kernel_topic_way, &iceoryx_way, &zmq_way, &nng_way, &pipe_way, &vmsplice_way,
	&seqpacket_way, &dgram_way, &unix_stream_way, &mq_way, &sysv_way, &fifo_way, &tcp_way,
	&ipcx_unix_way, &ipcx_mq_way, &ipcx_fifo_way, &ipcx_tcp_way,
};

// clang-format on
