// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots' state machine under libFuzzer: each byte of the input decides
 * something, and steps are done as long as there are any. After each step what
 * it touched is compared, at the end of the input everything.
 */
#include "model.h"

static const u8 *input;
static size_t left;

static u32 pick(u32 n)
{
	if (!left)
		return 0;
	left--;
	return *input++ % n;
}

static void failed(const char *what, int line)
{
	fprintf(stderr, "slots: %s, line %d, %zu bytes before the end\n", what, line, left);
	abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	input = data;
	left = size;
	model_init(1 + pick(12));
	while (left)
		step();
	model_end();
	return 0;
}
