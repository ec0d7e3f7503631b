/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Several slots on loan or messages at a time, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_BATCH_HPP
#define IPCX_BATCH_HPP

#include "ipcx_message.hpp"

namespace ipcx
{
inline namespace IPCX_FAILURES
{

/* One slot of a loan_batch, which ends with that */
class batch_loan : public detail::writable<batch_loan>
{
	ipcx_msg *m_;

public:
	explicit batch_loan(ipcx_msg *m) noexcept : m_(m)
	{
	}

	ipcx_msg *raw() const noexcept
	{
		return m_;
	}
};

/* One message of a message_batch, which ends with that */
class batch_message : public detail::readable<batch_message>
{
	const ipcx_msg *m_;

public:
	explicit batch_message(const ipcx_msg *m) noexcept : m_(m)
	{
	}

	const ipcx_msg *raw() const noexcept
	{
		return m_;
	}
};

namespace detail
{

/* Up to @N of them; @V is how one is seen, and what is left in the end is ended by @D. */
template <class V, class D, unsigned int N> class batch
{
	static_assert(N >= 1 && N <= 64, "a batch has 1 to 64 messages");

	void take_over(batch &from) noexcept
	{
		first_ = from.first_;
		n_ = std::exchange(from.n_, 0);
		q_ = from.q_;
		for (unsigned int i = 0; i < n_; i++)
			m_[first_ + i] = from.m_[first_ + i];
	}

protected:
	ipcx_queue *q_ = nullptr;
	unsigned int first_ = 0, n_ = 0;
	ipcx_msg m_[N];

	batch() noexcept
	{
	}

	batch(batch &&from) noexcept
	{
		take_over(from);
	}

	batch &operator=(batch &&from) noexcept
	{
		if (this != &from) {
			drop();
			take_over(from);
		}
		return *this;
	}

	~batch()
	{
		drop();
	}

	void drop() noexcept
	{
		if (n_)
			D::drop(q_, m_ + first_, n_);
		n_ = 0;
	}

	int filled(ipcx_queue *q, int r) noexcept
	{
		q_ = q;
		first_ = 0;
		n_ = r < 0 ? 0 : static_cast<unsigned int>(r);
		return r;
	}

	void pass(unsigned int n) noexcept
	{
		first_ += n;
		n_ -= n;
	}

	/*
	 * Ends some, the first ones, by a function of C, which returns how many. One that fails as
	 * its lease has ended is held no more.
	 */
	template <class F> result<unsigned int> finish(F by) noexcept
	{
		return result<unsigned int>::make([&](unsigned int &n) noexcept {
			int r = n_ ? by(q_, m_ + first_, n_) : 0;

			n = r < 0 ? 0 : static_cast<unsigned int>(r);
			pass(r == -ESTALE ? 1 : n);
			return r;
		});
	}

public:
	class iterator
	{
		ipcx_msg *m_;

	public:
		explicit iterator(ipcx_msg *m) noexcept : m_(m)
		{
		}

		V operator*() const noexcept
		{
			return V(m_);
		}

		iterator &operator++() noexcept
		{
			m_++;
			return *this;
		}

		bool operator!=(const iterator &other) const noexcept
		{
			return m_ != other.m_;
		}
	};

	/* How many are held */
	unsigned int size() const noexcept
	{
		return n_;
	}

	bool empty() const noexcept
	{
		return !n_;
	}

	V operator[](unsigned int i) noexcept
	{
		return V(m_ + first_ + i);
	}

	iterator begin() noexcept
	{
		return iterator(m_ + first_);
	}

	iterator end() noexcept
	{
		return iterator(m_ + first_ + n_);
	}
};

} /* namespace detail */

/**
 * class loan_batch - up to @N empty slots of a queue
 *
 * Only moved, never copied; its destructor cancels what was not committed. The queue must outlive
 * it.
 */
template <unsigned int N> class loan_batch : public detail::batch<batch_loan, loan_batch<N>, N>
{
	friend class detail::batch<batch_loan, loan_batch<N>, N>;
	friend class queue;

	static void drop(ipcx_queue *q, ipcx_msg *m, unsigned int n) noexcept
	{
		for (unsigned int i = 0; i < n; i++)
			(void)ipcx_queue_cancel(q, m + i);
	}

public:
	loan_batch() noexcept
	{
	}

	/**
	 * commit() - send them
	 *
	 * Returns how many were sent. The others are still held, and are the first ones then.
	 * Throws, as ipcx_queue_commit_n(), when there was none.
	 */
	unsigned int commit()
	{
		return try_commit().value();
	}

	result<unsigned int> try_commit() noexcept
	{
		return this->finish(ipcx_queue_commit_n);
	}
};

/**
 * class message_batch - up to @N messages of a queue
 *
 * Only moved, never copied; its destructor releases those that were not. The queue must outlive
 * it. What may have to be put back is better taken alone, as a queue_message.
 */
template <unsigned int N>
class message_batch : public detail::batch<batch_message, message_batch<N>, N>
{
	friend class detail::batch<batch_message, message_batch<N>, N>;
	friend class queue;

	/* of one that fails, as its lease has ended, those behind it know nothing */
	static void drop(ipcx_queue *q, ipcx_msg *m, unsigned int n) noexcept
	{
		for (unsigned int i = 0; i < n;) {
			int r = ipcx_queue_release_n(q, m + i, n - i);

			i += r > 0 ? static_cast<unsigned int>(r) : 1;
		}
	}

public:
	message_batch() noexcept
	{
	}

	/**
	 * release() - be done with them
	 *
	 * Returns how many were released; the others are still held, and are the first ones then.
	 * Throws, as ipcx_queue_release_n(), when there was none. ESTALE says that the lease of the
	 * first had ended, which is held no more: call it again for the others.
	 */
	unsigned int release()
	{
		return try_release().value();
	}

	result<unsigned int> try_release() noexcept
	{
		return this->finish(ipcx_queue_release_n);
	}
};

} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_BATCH_HPP */
