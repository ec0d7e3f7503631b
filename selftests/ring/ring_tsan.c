// SPDX-License-Identifier: GPL-2.0-only
/* Of ring, what has threads that meet. */
#include "../kselftest_harness.h"

#include "meet.h"

TEST_HARNESS_MAIN
