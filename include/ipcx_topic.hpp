/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Topics, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_TOPIC_HPP
#define IPCX_TOPIC_HPP

#include "ipcx_channel.hpp"

namespace ipcx
{
inline namespace IPCX_FAILURES
{

/* struct ipcx_topic_opts with its size set and all else 0 */
using topic_opts = detail::sized<ipcx_topic_opts>;

/**
 * class topic - membership of a topic
 *
 * Only moved, never copied; its destructor closes it. What was moved from may only be assigned
 * to or destroyed. It must outlive its loans and messages.
 *
 * Each function is that of C whose name it has behind "ipcx_topic_", and throws class error with
 * the errno that the comment there explains. Those with try_ throw nothing, and do not wait if no
 * deadline is given. Those that a queue has too are in ipcx_channel.hpp: open(), unlink(), close(),
 * fd(), caps(), attr(), loan(), take(), next(), send(), recv().
 */
class topic : public detail::channel<topic, ipcx_topic>
{
public:
	using channel::channel;

	/* How many messages this subscriber missed */
	std::uint64_t missed() const noexcept
	{
		return ipcx_topic_missed(get());
	}

	/* Ends a durable subscription that nobody has open. */
	void forget(name durable)
	{
		try_forget(durable).value();
	}

	result<void> try_forget(name durable) noexcept
	{
		return result<void>::of(ipcx_topic_forget(get(), durable.c_str()));
	}
};

} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_TOPIC_HPP */
