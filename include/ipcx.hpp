/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libipcx in C++17: the functions of ipcx.h as classes. There is nothing to link but libipcx.
 *
 * Handles close themselves, a loan that is not committed is cancelled, and a message that is not
 * released is released. Names are those of C without "ipcx_": ipcx_queue_take() is queue::take().
 * It throws class error; queue::try_take() throws nothing, and returns a result. What ipcx.h says
 * of threads holds for queue, topic and region; a loan, a message, a batch or a mapping is used by
 * one thread at a time.
 *
 * In a child made by fork() destructors give nothing back that is the parent's, but for handles
 * with IPCX_INHERIT: there a copy of a loan or message is to be let go in one of the two only.
 *
 * On the way of a message no memory is allocated, but for an exception. It works with
 * -fno-exceptions too: what would throw says why on stderr and aborts, so use try_...() there.
 * Parts of one program may be built with and without, but hand each other no objects of ipcx.
 */
#ifndef IPCX_HPP
#define IPCX_HPP

#include "ipcx_batch.hpp"
#include "ipcx_queue.hpp"
#include "ipcx_region.hpp"
#include "ipcx_topic.hpp"

#endif /* IPCX_HPP */
