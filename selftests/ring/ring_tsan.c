// SPDX-License-Identifier: GPL-2.0-only
/* Of ring, what has threads that meet. */
#include "../kselftest_harness.h"

/* also for IPCX_TEST_FULL */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

#include "meet.h"

TEST_HARNESS_MAIN
