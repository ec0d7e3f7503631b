/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Queues, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_QUEUE_HPP
#define IPCX_QUEUE_HPP

#include <memory>

#include "ipcx_batch.hpp"

namespace ipcx
{

/* struct ipcx_queue_opts with its size set and all else 0 */
struct queue_opts : ipcx_queue_opts {
	queue_opts() noexcept : ipcx_queue_opts{}
	{
		sz = sizeof(ipcx_queue_opts);
	}
};

/**
 * class queue - an open queue
 *
 * Only moved, never copied; its destructor closes it. What was moved from may only be assigned
 * to or destroyed. It must outlive its loans and messages.
 *
 * Each function is that of C whose name it has behind "ipcx_queue_", and throws class error with
 * the errno that the comment there explains. Those with try_ throw nothing, and do not wait if no
 * deadline is given.
 */
class queue
{
	struct closer {
		void operator()(ipcx_queue *q) const noexcept
		{
			ipcx_queue_close(q);
		}
	};

	std::unique_ptr<ipcx_queue, closer> q_;

public:
	queue() = default;

	/* Takes over a handle of C. */
	explicit queue(ipcx_queue *q) noexcept : q_(q)
	{
	}

	/**
	 * open() - open a queue
	 * @uri: as for ipcx_queue_open()
	 * @flags: IPCX_CREATE, IPCX_SEND, IPCX_RECV and so on
	 * @opts: attributes
	 */
	static queue open(name uri, unsigned int flags, const queue_opts &opts = {})
	{
		return try_open(uri, flags, opts).value();
	}

	static result<queue> try_open(name uri, unsigned int flags,
				      const queue_opts &opts = {}) noexcept
	{
		return result<queue>::make([&](queue &q) noexcept {
			ipcx_queue *h = nullptr;
			int r = ipcx_queue_open(&h, uri.c_str(), flags, &opts);

			q.q_.reset(h);
			return r;
		});
	}

	static void unlink(name uri)
	{
		try_unlink(uri).value();
	}

	static result<void> try_unlink(name uri) noexcept
	{
		return result<void>::of(ipcx_queue_unlink(uri.c_str()));
	}

	static void remove(name uri)
	{
		try_remove(uri).value();
	}

	static result<void> try_remove(name uri) noexcept
	{
		return result<void>::of(ipcx_queue_remove(uri.c_str()));
	}

	/* Its loans and messages must be gone. */
	void close() noexcept
	{
		q_.reset();
	}

	explicit operator bool() const noexcept
	{
		return bool(q_);
	}

	/* The handle of C, which stays the queue's */
	ipcx_queue *get() const noexcept
	{
		return q_.get();
	}

	/* To poll: readable when a take would succeed, see ipcx_queue_fd(). Do not close it. */
	int fd() const noexcept
	{
		return ipcx_queue_fd(get());
	}

	std::uint64_t caps() const noexcept
	{
		return ipcx_queue_caps(get());
	}

	struct ipcx_queue_attr attr() const
	{
		struct ipcx_queue_attr a = {};

		a.sz = sizeof(a);
		result<void>::of(ipcx_queue_attr(get(), &a)).value();
		return a;
	}

	ipcx_queue_stats stat() const
	{
		ipcx_queue_stats s{};

		s.sz = sizeof(s);
		result<void>::of(ipcx_queue_stat(get(), &s)).value();
		return s;
	}

	queue_loan loan(std::size_t len, deadline until = forever)
	{
		return try_loan(len, until).value();
	}

	result<queue_loan> try_loan(std::size_t len, deadline until = nowait) noexcept
	{
		return result<queue_loan>::make([&](queue_loan &l) noexcept {
			return l.filled(get(), ipcx_queue_loan(get(), len, &l.m_, until.ns()));
		});
	}

	queue_message take(deadline until = forever)
	{
		return try_take(until).value();
	}

	result<queue_message> try_take(deadline until = nowait) noexcept
	{
		return result<queue_message>::make([&](queue_message &m) noexcept {
			return m.filled(get(), ipcx_queue_take(get(), &m.m_, until.ns()));
		});
	}

	/* The head of the next message, without its payload, which stays where it is */
	ipcx_msg peek()
	{
		return try_peek().value();
	}

	result<ipcx_msg> try_peek() noexcept
	{
		return result<ipcx_msg>::make(
			[&](ipcx_msg &m) noexcept { return ipcx_queue_peek(get(), &m); });
	}

	/* Releases what @m holds, if anything, and takes the next into it, in one system call. */
	void next(queue_message &m, deadline until = forever)
	{
		try_next(m, until).value();
	}

	result<void> try_next(queue_message &m, deadline until = nowait) noexcept
	{
		/* not held, or held by another queue: that is all zero to this one */
		if (m.h_ != get())
			m = queue_message();
		return result<void>::of(m.filled(get(), ipcx_queue_next(get(), &m.m_, until.ns())));
	}

	/* Up to @N slots of @len bytes each; the first is waited for. */
	template <unsigned int N> loan_batch<N> loan_n(std::size_t len, deadline until = forever)
	{
		return try_loan_n<N>(len, until).value();
	}

	template <unsigned int N>
	result<loan_batch<N>> try_loan_n(std::size_t len, deadline until = nowait) noexcept
	{
		return result<loan_batch<N>>::make([&](loan_batch<N> &b) noexcept {
			return b.filled(get(), ipcx_queue_loan_n(get(), len, b.m_, N, until.ns()));
		});
	}

	/* Up to @N messages; the first is waited for. */
	template <unsigned int N> message_batch<N> take_n(deadline until = forever)
	{
		return try_take_n<N>(until).value();
	}

	template <unsigned int N>
	result<message_batch<N>> try_take_n(deadline until = nowait) noexcept
	{
		return result<message_batch<N>>::make([&](message_batch<N> &b) noexcept {
			return b.filled(get(), ipcx_queue_take_n(get(), b.m_, N, until.ns()));
		});
	}

	/* Sends a copy, which for up to 64 bytes is cheaper than a loan. */
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
			ipcx_queue_send(get(), from.data(), from.size(), until.ns()));
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
			ssize_t r = ipcx_queue_recv(get(), to.data(), to.size(), until.ns());

			len = r < 0 ? 0 : static_cast<std::size_t>(r);
			return r;
		});
	}

	/**
	 * call() - send a request and wait for its answer
	 * @request: a loan; sent by this, and no more on loan when there is an answer
	 * @until: how long to wait
	 *
	 * After EINTR, and EAGAIN of ipcx::nowait, the call goes on: call again with the same
	 * @request, or let it go to give the call up. After another failure @request may say that
	 * it is on loan though it was sent; to let it go is right then, too.
	 */
	queue_message call(queue_loan &request, deadline until = forever)
	{
		return try_call(request, until).value();
	}

	queue_message call(queue_loan &&request, deadline until = forever)
	{
		return try_call(request, until).value();
	}

	result<queue_message> try_call(queue_loan &request, deadline until) noexcept
	{
		return result<queue_message>::make([&](queue_message &m) noexcept {
			int r = ipcx_queue_call(get(), &request.m_, &m.m_, until.ns());

			if (!r)
				request.over();
			return m.filled(get(), r);
		});
	}

	/* The answer to a request that was committed with IPCX_REQUEST */
	queue_message answer(deadline until = forever)
	{
		return try_answer(until).value();
	}

	result<queue_message> try_answer(deadline until = nowait) noexcept
	{
		return result<queue_message>::make([&](queue_message &m) noexcept {
			return m.filled(get(), ipcx_queue_answer(get(), &m.m_, until.ns()));
		});
	}

	/* A slot for the reply to @request */
	queue_loan loan_reply(const queue_message &request, std::size_t len)
	{
		return try_loan_reply(request, len).value();
	}

	result<queue_loan> try_loan_reply(const queue_message &request, std::size_t len) noexcept
	{
		return result<queue_loan>::make([&](queue_loan &l) noexcept {
			int r = ipcx_queue_loan_reply(get(), &request.m_, len, &l.m_);

			return l.filled(get(), r);
		});
	}

	/**
	 * reply() - answer a request, and release it
	 * @request: what was taken
	 * @with: a loan of loan_reply(), or what is copied
	 *
	 * When it fails nothing was sent, and @request and the loan are still held.
	 */
	void reply(queue_message &request, queue_loan &with)
	{
		try_reply(request, with).value();
	}

	void reply(queue_message &request, bytes with)
	{
		try_reply(request, with).value();
	}

	void reply(queue_message &request, std::string_view with)
	{
		try_reply(request, with).value();
	}

	result<void> try_reply(queue_message &request, queue_loan &with) noexcept
	{
		int r = ipcx_queue_reply(get(), &request.m_, &with.m_);

		if (!r) {
			request.over();
			with.over();
		}
		return result<void>::of(r);
	}

	result<void> try_reply(queue_message &request, bytes with) noexcept
	{
		ipcx_msg m = copied(with);
		int r = ipcx_queue_reply(get(), &request.m_, &m);

		if (!r)
			request.over();
		return result<void>::of(r);
	}

	result<void> try_reply(queue_message &request, std::string_view with) noexcept
	{
		return try_reply(request, as_bytes(with));
	}

	/**
	 * reply_next() - answer a request and take the next message, in one system call
	 * @request: what was taken, or nothing, as before the first; the next message after it
	 * @with: what is copied
	 * @until: how long to wait for the next message
	 *
	 * After a failure call it again with the same arguments: what was sent is not sent again,
	 * and @request holds nothing then.
	 */
	void reply_next(queue_message &request, bytes with, deadline until = forever)
	{
		try_reply_next(request, with, until).value();
	}

	result<void> try_reply_next(queue_message &request, bytes with, deadline until) noexcept
	{
		ipcx_msg m = copied(with);
		int r;

		if (!request.h_)
			request.m_ = ipcx_msg{};
		r = ipcx_queue_reply_next(get(), &request.m_, &m, until.ns());
		if (!r)
			request.h_ = get();
		else if (!request.seq()) /* all zero; messages are counted from 1 */
			request.over();
		return result<void>::of(r);
	}

private:
	/* A reply that is not a loan */
	static ipcx_msg copied(bytes from) noexcept
	{
		ipcx_msg m{};

		m.data = const_cast<std::byte *>(from.data());
		m.len = from.size();
		return m;
	}
};

} /* namespace ipcx */

#endif /* IPCX_QUEUE_HPP */
