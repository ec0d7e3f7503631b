/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Topics, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_TOPIC_HPP
#define IPCX_TOPIC_HPP

#include <memory>

#include "ipcx_message.hpp"

namespace ipcx
{

/* struct ipcx_topic_opts with its size set and all else 0 */
struct topic_opts : ipcx_topic_opts {
	topic_opts() noexcept : ipcx_topic_opts{}
	{
		sz = sizeof(ipcx_topic_opts);
	}
};

/**
 * class topic - membership of a topic
 *
 * Only moved, never copied; its destructor closes it. What was moved from may only be assigned
 * to or destroyed. It must outlive its loans and messages.
 *
 * Each function is that of C whose name it has behind "ipcx_topic_", and throws class error with
 * the errno that the comment there explains. Those with try_ throw nothing, and do not wait if no
 * deadline is given.
 */
class topic
{
	struct closer {
		void operator()(ipcx_topic *t) const noexcept
		{
			ipcx_topic_close(t);
		}
	};

	std::unique_ptr<ipcx_topic, closer> t_;

public:
	topic() = default;

	/* Takes over a handle of C. */
	explicit topic(ipcx_topic *t) noexcept : t_(t)
	{
	}

	/**
	 * open() - become a member of a topic
	 * @uri: as for ipcx_topic_open()
	 * @flags: IPCX_CREATE, IPCX_PUBLISH, IPCX_SUBSCRIBE, IPCX_LOSSY and so on
	 * @opts: attributes
	 */
	static topic open(name uri, unsigned int flags, const topic_opts &opts = {})
	{
		return try_open(uri, flags, opts).value();
	}

	static result<topic> try_open(name uri, unsigned int flags,
				      const topic_opts &opts = {}) noexcept
	{
		return result<topic>::make([&](topic &t) noexcept {
			ipcx_topic *h = nullptr;
			int r = ipcx_topic_open(&h, uri.c_str(), flags, &opts);

			t.t_.reset(h);
			return r;
		});
	}

	static void unlink(name uri)
	{
		try_unlink(uri).value();
	}

	static result<void> try_unlink(name uri) noexcept
	{
		return result<void>::of(ipcx_topic_unlink(uri.c_str()));
	}

	/* Its loans and messages must be gone. */
	void close() noexcept
	{
		t_.reset();
	}

	explicit operator bool() const noexcept
	{
		return bool(t_);
	}

	/* The handle of C, which stays the topic's */
	ipcx_topic *get() const noexcept
	{
		return t_.get();
	}

	/* To poll: readable when a take would succeed, see ipcx_topic_fd(). Do not close it. */
	int fd() const noexcept
	{
		return ipcx_topic_fd(get());
	}

	std::uint64_t caps() const noexcept
	{
		return ipcx_topic_caps(get());
	}

	struct ipcx_topic_attr attr() const
	{
		struct ipcx_topic_attr a = {};

		a.sz = sizeof(a);
		result<void>::of(ipcx_topic_attr(get(), &a)).value();
		return a;
	}

	topic_loan loan(std::size_t len, deadline until = forever)
	{
		return try_loan(len, until).value();
	}

	result<topic_loan> try_loan(std::size_t len, deadline until = nowait) noexcept
	{
		return result<topic_loan>::make([&](topic_loan &l) noexcept {
			return l.filled(get(), ipcx_topic_loan(get(), len, &l.m_, until.ns()));
		});
	}

	/* EPIPE and EPROTO come once for a publisher, and do not end the others. */
	topic_message take(deadline until = forever)
	{
		return try_take(until).value();
	}

	result<topic_message> try_take(deadline until = nowait) noexcept
	{
		return result<topic_message>::make([&](topic_message &m) noexcept {
			return m.filled(get(), ipcx_topic_take(get(), &m.m_, until.ns()));
		});
	}

	/* Releases what @m holds, if anything, and takes the next into it. */
	void next(topic_message &m, deadline until = forever)
	{
		try_next(m, until).value();
	}

	result<void> try_next(topic_message &m, deadline until = nowait) noexcept
	{
		/* not held, or held by another topic: that is all zero to this one */
		if (m.h_ != get())
			m = topic_message();
		return result<void>::of(m.filled(get(), ipcx_topic_next(get(), &m.m_, until.ns())));
	}

	/* Publishes a copy. */
	void send(bytes from, deadline until = forever)
	{
		try_send(from, until).value();
	}

	void send(std::string_view from, deadline until = forever)
	{
		try_send(from, until).value();
	}

	result<void> try_send(bytes from, deadline until = nowait) noexcept
	{
		return result<void>::of(
			ipcx_topic_send(get(), from.data(), from.size(), until.ns()));
	}

	result<void> try_send(std::string_view from, deadline until = nowait) noexcept
	{
		return try_send(as_bytes(from), until);
	}

	/* Receives a copy. Returns the length of the message. */
	std::size_t recv(span<std::byte> to, deadline until = forever)
	{
		return try_recv(to, until).value();
	}

	result<std::size_t> try_recv(span<std::byte> to, deadline until = nowait) noexcept
	{
		return result<std::size_t>::make([&](std::size_t &len) noexcept {
			ssize_t r = ipcx_topic_recv(get(), to.data(), to.size(), until.ns());

			len = r < 0 ? 0 : static_cast<std::size_t>(r);
			return r;
		});
	}

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

} /* namespace ipcx */

#endif /* IPCX_TOPIC_HPP */
