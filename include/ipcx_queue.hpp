/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Queues, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_QUEUE_HPP
#define IPCX_QUEUE_HPP

#include "ipcx_batch.hpp"
#include "ipcx_channel.hpp"

namespace ipcx
{
inline namespace IPCX_FAILURES
{

/* struct ipcx_queue_opts with its size set and all else 0 */
using queue_opts = detail::sized<ipcx_queue_opts>;

/**
 * class queue - an open queue
 *
 * Only moved, never copied; its destructor closes it. What was moved from may only be assigned
 * to or destroyed. It must outlive its loans and messages.
 *
 * Each function is that of C whose name it has behind "ipcx_queue_", and throws class error with
 * the errno that the comment there explains. Those with try_ throw nothing, and do not wait if no
 * deadline is given. Those that a topic has too are in ipcx_channel.hpp: open(), unlink(), close(),
 * fd(), caps(), attr(), loan(), take(), next(), send(), recv().
 */
class queue : public detail::channel<queue, ipcx_queue>
{
public:
	using channel::channel;

	static void remove(name uri)
	{
		try_remove(uri).value();
	}

	static result<void> try_remove(name uri) noexcept
	{
		return result<void>::of(ipcx_queue_remove(uri.c_str()));
	}

	ipcx_queue_stats stat() const
	{
		detail::sized<ipcx_queue_stats> s;

		result<void>::of(ipcx_queue_stat(get(), &s)).value();
		return s;
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

} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_QUEUE_HPP */
