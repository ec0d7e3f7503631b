/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Slots on loan and messages, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_MESSAGE_HPP
#define IPCX_MESSAGE_HPP

#include <cstring>

#include "ipcx_base.hpp"

namespace ipcx
{
inline namespace IPCX_FAILURES
{

class queue;

namespace detail
{

template <class D, class H> class channel;

/* What is done in C with each kind of object */
template <class H> struct functions;

template <> struct functions<ipcx_queue> {
	using opts = ipcx_queue_opts;
	using attributes = struct ipcx_queue_attr;
	static constexpr auto open = ipcx_queue_open;
	static constexpr auto unlink = ipcx_queue_unlink;
	static constexpr auto close = ipcx_queue_close;
	static constexpr auto fd = ipcx_queue_fd;
	static constexpr auto caps = ipcx_queue_caps;
	static constexpr auto attr = ipcx_queue_attr;
	static constexpr auto loan = ipcx_queue_loan;
	static constexpr auto take = ipcx_queue_take;
	static constexpr auto next = ipcx_queue_next;
	static constexpr auto send = ipcx_queue_send;
	static constexpr auto recv = ipcx_queue_recv;
	static constexpr auto commit = ipcx_queue_commit;
	static constexpr auto release = ipcx_queue_release;
	static constexpr auto nack = ipcx_queue_nack;

	/* Was it sent by a call that goes on, that is given up; what a server has said is dropped. */
	static void cancel(ipcx_queue *q, ipcx_msg *m) noexcept
	{
		ipcx_msg answer{};
		int r = ipcx_queue_cancel(q, m);

		if (!r)
			return;
		do {
			r = ipcx_queue_call(q, m, &answer, 1);
		} while (r == -EINTR);
		if (!r)
			(void)ipcx_queue_release(q, &answer);
	}
};

template <> struct functions<ipcx_topic> {
	using opts = ipcx_topic_opts;
	using attributes = struct ipcx_topic_attr;
	static constexpr auto open = ipcx_topic_open;
	static constexpr auto unlink = ipcx_topic_unlink;
	static constexpr auto close = ipcx_topic_close;
	static constexpr auto fd = ipcx_topic_fd;
	static constexpr auto caps = ipcx_topic_caps;
	static constexpr auto attr = ipcx_topic_attr;
	static constexpr auto loan = ipcx_topic_loan;
	static constexpr auto take = ipcx_topic_take;
	static constexpr auto next = ipcx_topic_next;
	static constexpr auto send = ipcx_topic_send;
	static constexpr auto recv = ipcx_topic_recv;
	static constexpr auto commit = ipcx_topic_commit;
	static constexpr auto release = ipcx_topic_release;

	static void cancel(ipcx_topic *t, ipcx_msg *m) noexcept
	{
		(void)ipcx_topic_cancel(t, m);
	}
};

/* Of so many bytes at @data: is there no room for that much, or is it not aligned? 0 or an errno */
inline int misfit(const void *data, std::size_t len, std::size_t size, std::size_t align) noexcept
{
	if (len < size)
		return EMSGSIZE;
	return reinterpret_cast<std::uintptr_t>(data) % align ? EINVAL : 0;
}

[[noreturn]] inline void raise_misfit(int err, std::size_t len, std::size_t size, std::size_t align)
{
	char words[160];

	if (err == EMSGSIZE)
		std::snprintf(words, sizeof(words),
			      "%zu bytes are there, and the type that was asked for has %zu", len,
			      size);
	else
		std::snprintf(words, sizeof(words),
			      "the payload does not lie at a multiple of %zu, as the type that was "
			      "asked for must; copy<T>() it",
			      align);
	raise(err, words);
}

/* A type of which the bytes are all */
template <class T> struct plain_type {
	static_assert(std::is_trivially_copyable_v<T>, "other processes know only bytes");
	using type = T;
};

template <class T> using plain = typename plain_type<T>::type;

/* The payload at @data as what C++ calls it, or nullptr. @T may be const. */
template <class T> T *fitting(void *data, std::size_t len) noexcept
{
	return misfit(data, len, sizeof(T), alignof(T)) ? nullptr : static_cast<T *>(data);
}

template <class T> T &fit(void *data, std::size_t len)
{
	int err = misfit(data, len, sizeof(T), alignof(T));

	if (err)
		raise_misfit(err, len, sizeof(T), alignof(T));
	return *static_cast<T *>(data);
}

template <class T> span<T> fit_row(void *data, std::size_t len)
{
	int err = len % sizeof(T) ? EMSGSIZE : misfit(data, len, 0, alignof(T));

	if (err)
		raise_misfit(err, len, sizeof(T), alignof(T));
	return span<T>(static_cast<T *>(data), len / sizeof(T));
}

/* What a message and one of a batch can be asked; @D has raw(). */
template <class D> class readable
{
	const ipcx_msg &msg() const noexcept
	{
		return *static_cast<const D *>(this)->raw();
	}

public:
	const std::byte *data() const noexcept
	{
		return static_cast<const std::byte *>(msg().data);
	}

	std::size_t size() const noexcept
	{
		return msg().len;
	}

	ipcx::bytes bytes() const noexcept
	{
		return ipcx::bytes(data(), size());
	}

	std::string_view text() const noexcept
	{
		return std::string_view(static_cast<const char *>(msg().data), size());
	}

	/**
	 * as() - the payload where it lies, as an object
	 *
	 * Behind the object there may be more. Unless the queue is sealed its sender can still
	 * write there: do not believe what was checked before, or take a copy().
	 *
	 * Throws EMSGSIZE if it is shorter than a T, EINVAL if it is not aligned for one.
	 */
	template <class T> const T &as() const
	{
		return fit<const plain<T>>(msg().data, size());
	}

	/* The same, or nullptr */
	template <class T> const T *try_as() const noexcept
	{
		return fitting<const plain<T>>(msg().data, size());
	}

	/* The payload as objects in a row; throws if it is not a whole number of them */
	template <class T> span<const T> as_span() const
	{
		return fit_row<const plain<T>>(msg().data, size());
	}

	/* A copy of what as() finds, which need not be aligned */
	template <class T> T copy() const
	{
		plain<T> object;

		if (size() < sizeof(T))
			raise_misfit(EMSGSIZE, size(), sizeof(T), alignof(T));
		std::memcpy(&object, msg().data, sizeof(T));
		return object;
	}

	std::uint64_t tag() const noexcept
	{
		return msg().tag;
	}

	std::uint64_t seq() const noexcept
	{
		return msg().seq;
	}

	std::uint32_t prio() const noexcept
	{
		return msg().prio;
	}

	/* IPCX_REQUEST, IPCX_POISON, IPCX_EXPIRED, IPCX_CANCELED, IPCX_OWNERDEAD */
	std::uint32_t flags() const noexcept
	{
		return msg().flags;
	}

	std::uint32_t deliveries() const noexcept
	{
		return msg().deliveries;
	}

	pid_t pid() const noexcept
	{
		return msg().pid;
	}

	uid_t uid() const noexcept
	{
		return msg().uid;
	}

	gid_t gid() const noexcept
	{
		return msg().gid;
	}
};

/* What a loan and one of a batch can be told; @D has raw(). */
template <class D> class writable
{
	ipcx_msg &msg() noexcept
	{
		return *static_cast<D *>(this)->raw();
	}

public:
	std::byte *data() noexcept
	{
		return static_cast<std::byte *>(msg().data);
	}

	std::size_t size() const noexcept
	{
		return static_cast<const D *>(this)->raw()->len;
	}

	span<std::byte> bytes() noexcept
	{
		return span<std::byte>(data(), size());
	}

	/* As of a message; what lies there is not defined before it is written. */
	template <class T> T &as()
	{
		return fit<plain<T>>(msg().data, size());
	}

	template <class T> T *try_as() noexcept
	{
		return fitting<plain<T>>(msg().data, size());
	}

	template <class T> span<T> as_span()
	{
		return fit_row<plain<T>>(msg().data, size());
	}

	/* Makes the message shorter. Throws EMSGSIZE if that would be longer. */
	void resize(std::size_t size)
	{
		if (size > msg().len)
			raise_misfit(EMSGSIZE, msg().len, size, 1);
		msg().len = size;
	}

	/* Writes this at the beginning, and ends the message there. Throws EMSGSIZE. */
	void write(ipcx::bytes from)
	{
		resize(from.size());
		if (!from.empty())
			std::memcpy(msg().data, from.data(), from.size());
	}

	void write(std::string_view from)
	{
		write(as_bytes(from));
	}

	void set_tag(std::uint64_t tag) noexcept
	{
		msg().tag = tag;
	}

	void set_prio(std::uint32_t prio) noexcept
	{
		msg().prio = prio;
	}

	/* IPCX_REQUEST */
	void set_flags(std::uint32_t flags) noexcept
	{
		msg().flags = flags;
	}

	/* Until when it has to be taken; ipcx::forever, as after a loan: no limit */
	void set_expires(deadline when) noexcept
	{
		msg().expires = when.ns() == IPCX_FOREVER ? 0 : when.ns() ? when.ns() : 1;
	}
};

/* One message, or slot on loan, that ends by what @D does, at the latest when this is destroyed. */
template <class H, class D> class held
{
protected:
	H *h_ = nullptr;
	ipcx_msg m_{};

	held() = default;

	held(held &&from) noexcept
		: h_(std::exchange(from.h_, nullptr)), m_(std::exchange(from.m_, ipcx_msg{}))
	{
	}

	held &operator=(held &&from) noexcept
	{
		if (this != &from) {
			drop();
			h_ = std::exchange(from.h_, nullptr);
			m_ = std::exchange(from.m_, ipcx_msg{});
		}
		return *this;
	}

	~held()
	{
		drop();
	}

	void drop() noexcept
	{
		if (h_)
			D::drop(h_, &m_);
		over();
	}

	/* What it was has no payload any more; its number and the like can still be asked for. */
	void over() noexcept
	{
		h_ = nullptr;
		m_.data = nullptr;
		m_.len = 0;
	}

	/*
	 * Ends it by a function of C. @keep: if that fails it is held all the same, as a loan
	 */
	template <class F> result<void> end(F by, bool keep) noexcept
	{
		int r;

		if (!h_)
			return failure{ EPERM, "nothing is held here, or no more" };
		r = by(h_, &m_);
		if (r >= 0 || !keep)
			over();
		return result<void>::of(r);
	}

	/* @r: what a function of C returned that has filled it unless it failed */
	int filled(H *h, int r) noexcept
	{
		h_ = h;
		if (r < 0)
			over();
		return r;
	}

public:
	/* Is there something? Not after a move, nor when it was committed, released and so on. */
	explicit operator bool() const noexcept
	{
		return h_;
	}
};

} /* namespace detail */

/**
 * class basic_loan - an empty slot to write a message into
 *
 * Only moved, never copied. If it is not committed its destructor cancels it, without throwing.
 * The queue or topic must outlive it. ipcx::queue_loan and ipcx::topic_loan are meant.
 */
template <class H>
class basic_loan : public detail::held<H, basic_loan<H>>, public detail::writable<basic_loan<H>>
{
	using held = detail::held<H, basic_loan<H>>;
	using c = detail::functions<H>;
	friend held;
	friend class queue;
	template <class, class> friend class detail::channel;

	static void drop(H *h, ipcx_msg *m) noexcept
	{
		c::cancel(h, m);
	}

public:
	basic_loan() noexcept
	{
	}

	/* The struct of C, for functions that have no form here */
	ipcx_msg *raw() noexcept
	{
		return &this->m_;
	}

	const ipcx_msg *raw() const noexcept
	{
		return &this->m_;
	}

	/* The number of a request that was committed, which its answer has too */
	std::uint64_t seq() const noexcept
	{
		return this->m_.seq;
	}

	/**
	 * commit() - send it
	 *
	 * When it fails the slot is still on loan. Errors as of ipcx_queue_commit() and
	 * ipcx_topic_commit().
	 */
	void commit()
	{
		try_commit().value();
	}

	result<void> try_commit() noexcept
	{
		return this->end(c::commit, true);
	}

	/* Gives the slot back; or gives the call up that sent it, and goes on. */
	void cancel() noexcept
	{
		held::drop();
	}
};

/**
 * class basic_message - a message, read where it lies
 *
 * Only moved, never copied. If it is not released its destructor releases it, without throwing,
 * also when an exception passes by: who wants it to be delivered again then catches and calls
 * nack(). The queue or topic must outlive it. ipcx::queue_message and ipcx::topic_message are
 * meant.
 */
template <class H>
class basic_message : public detail::held<H, basic_message<H>>,
		      public detail::readable<basic_message<H>>
{
	using held = detail::held<H, basic_message<H>>;
	using c = detail::functions<H>;
	friend held;
	friend class queue;
	template <class, class> friend class detail::channel;

	static void drop(H *h, ipcx_msg *m) noexcept
	{
		(void)c::release(h, m);
	}

public:
	basic_message() noexcept
	{
	}

	/* The struct of C, for functions that have no form here */
	const ipcx_msg *raw() const noexcept
	{
		return &this->m_;
	}

	/**
	 * release() - be done with it
	 *
	 * Whether it succeeds or not, it is held no more. Errors as of ipcx_queue_release() and
	 * ipcx_topic_release(); ESTALE, the lease had ended, is what a destructor does not tell.
	 */
	void release()
	{
		try_release().value();
	}

	result<void> try_release() noexcept
	{
		return this->end(c::release, false);
	}

	/* Puts it back, to be delivered again; of queues only. As release() else. */
	void nack()
	{
		try_nack().value();
	}

	result<void> try_nack() noexcept
	{
		return this->end(c::nack, false);
	}
};

using queue_loan = basic_loan<ipcx_queue>;
using queue_message = basic_message<ipcx_queue>;
using topic_loan = basic_loan<ipcx_topic>;
using topic_message = basic_message<ipcx_topic>;

} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_MESSAGE_HPP */
