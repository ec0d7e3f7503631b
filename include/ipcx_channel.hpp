/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What queues, topics and regions have in common, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_CHANNEL_HPP
#define IPCX_CHANNEL_HPP

#include <memory>

#include "ipcx_message.hpp"

namespace ipcx
{
inline namespace IPCX_FAILURES
{
namespace detail
{

/* What @D can do, which is a queue, a topic or a region, and an @H in C */
template <class D, class H> class handle
{
	using c = functions<H>;

	struct closer {
		void operator()(H *h) const noexcept
		{
			c::close(h);
		}
	};

	std::unique_ptr<H, closer> h_;

public:
	handle() = default;

	/* Takes over a handle of C. */
	explicit handle(H *h) noexcept : h_(h)
	{
	}

	/**
	 * open() - open a queue, become a member of a topic, open a region
	 * @uri: as for the function of C
	 * @flags: IPCX_CREATE; IPCX_SEND, IPCX_PUBLISH, IPCX_READ and so on
	 * @opts: attributes: queue_opts, topic_opts, region_opts
	 */
	static D open(name uri, unsigned int flags, const sized<typename c::opts> &opts = {})
	{
		return try_open(uri, flags, opts).value();
	}

	static result<D> try_open(name uri, unsigned int flags,
				  const sized<typename c::opts> &opts = {}) noexcept
	{
		return result<D>::make([&](D &d) noexcept {
			H *h = nullptr;
			int r = c::open(&h, uri.c_str(), flags, &opts);

			d = D(h);
			return r;
		});
	}

	static void unlink(name uri)
	{
		try_unlink(uri).value();
	}

	static result<void> try_unlink(name uri) noexcept
	{
		return result<void>::of(c::unlink(uri.c_str()));
	}

	/* Its loans and messages must be gone. The mappings of a region may stay. */
	void close() noexcept
	{
		h_.reset();
	}

	explicit operator bool() const noexcept
	{
		return bool(h_);
	}

	/* The handle of C, which stays this one's */
	H *get() const noexcept
	{
		return h_.get();
	}

	/*
	 * To poll a queue or a topic: readable when a take would succeed, see ipcx_queue_fd() and
	 * ipcx_topic_fd(). Do not close it.
	 */
	int fd() const noexcept
	{
		return c::fd(get());
	}

	std::uint64_t caps() const noexcept
	{
		return c::caps(get());
	}
};

/* What queues and topics can do */
template <class D, class H> class channel : public handle<D, H>
{
	using c = functions<H>;
	using loan_type = basic_loan<H>;
	using message = basic_message<H>;

public:
	using handle<D, H>::handle;
	using handle<D, H>::get;

	typename c::attributes attr() const
	{
		sized<typename c::attributes> a;

		result<void>::of(c::attr(get(), &a)).value();
		return a;
	}

	loan_type loan(std::size_t len, deadline until = forever)
	{
		return try_loan(len, until).value();
	}

	result<loan_type> try_loan(std::size_t len, deadline until = nowait) noexcept
	{
		return result<loan_type>::make([&](loan_type &l) noexcept {
			return l.filled(get(), c::loan(get(), len, &l.m_, until.ns()));
		});
	}

	/* Of topics, EPIPE and EPROTO come once for a publisher, and do not end the others. */
	message take(deadline until = forever)
	{
		return try_take(until).value();
	}

	result<message> try_take(deadline until = nowait) noexcept
	{
		return result<message>::make([&](message &m) noexcept {
			return m.filled(get(), c::take(get(), &m.m_, until.ns()));
		});
	}

	/* Releases what @m holds, if anything, and takes the next; of a queue in one system call. */
	void next(message &m, deadline until = forever)
	{
		try_next(m, until).value();
	}

	result<void> try_next(message &m, deadline until = nowait) noexcept
	{
		/* not held, or held by another one: that is all zero to this one */
		if (m.h_ != get())
			m = message();
		return result<void>::of(m.filled(get(), c::next(get(), &m.m_, until.ns())));
	}

	/* Sends a copy, which for up to 64 bytes is cheaper in a queue than a loan. */
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
		return result<void>::of(c::send(get(), from.data(), from.size(), until.ns()));
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
			ssize_t r = c::recv(get(), to.data(), to.size(), until.ns());

			len = r < 0 ? 0 : static_cast<std::size_t>(r);
			return r;
		});
	}
};

} /* namespace detail */
} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_CHANNEL_HPP */
