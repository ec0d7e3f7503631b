/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Errors, results, deadlines and spans of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_BASE_HPP
#define IPCX_BASE_HPP

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#if __has_include(<span>)
#include <span>
#endif

#include "ipcx.h"

/*
 * Functions that throw and those that abort have different names to the linker, so that a program
 * may have both: what it was built from with exceptions, and what without.
 */
#if defined(__cpp_exceptions)
#define IPCX_FAILURES thrown
#else
#define IPCX_FAILURES aborting
#endif

namespace ipcx
{
inline namespace IPCX_FAILURES
{

/**
 * class error - what is thrown
 *
 * code() is the errno, in the generic category; what() is what ipcx_error() said of it.
 */
class error : public std::system_error
{
	std::runtime_error words_; /* copied without an allocation */

public:
	explicit error(int err, const char *words = ipcx_error())
		: std::system_error(err, std::generic_category()), words_(words)
	{
	}

	const char *what() const noexcept override
	{
		return words_.what();
	}
};

namespace detail
{

/* Without exceptions the words go to stderr, and the program ends. */
[[noreturn]] inline void raise(int err, const char *words = ipcx_error())
{
#if defined(__cpp_exceptions)
	throw error(err, words);
#else
	std::fprintf(stderr, "ipcx: error %d: %s\n", err, words);
	std::abort();
#endif
}

} /* namespace detail */

/* What went wrong, for class result; @words: nullptr, as ipcx_error() says */
struct failure {
	int err; /* an errno, positive; 0: nothing */
	const char *words = nullptr;
};

namespace detail
{

/* What a result with a value and one without can be asked */
class outcome
{
	int err_;
	const char *words_;

protected:
	outcome(failure f) noexcept : err_(f.err), words_(f.words)
	{
	}

	/* @r: what a function of C returned */
	template <class R> void set(R r) noexcept
	{
		err_ = r < 0 ? static_cast<int>(-r) : 0;
	}

	void check() const
	{
		if (err_)
			raise(err_, words_ ? words_ : ipcx_error());
	}

public:
	explicit operator bool() const noexcept
	{
		return !err_;
	}

	std::error_code error() const noexcept
	{
		return std::error_code(err_, std::generic_category());
	}

	/* Was there nothing, or no room, until the deadline? */
	bool timed_out() const noexcept
	{
		return err_ == EAGAIN || err_ == ETIMEDOUT;
	}
};

} /* namespace detail */

/**
 * class result - a value, or the errno why there is none
 *
 * Of the functions try_...(), which throw nothing. True if there is a value, which * and ->
 * reach; else error() says why. value() throws class error if there is none, with the words for
 * the last failure of this thread: call it before anything else of ipcx.
 */
template <class T> class [[nodiscard]] result : public detail::outcome
{
	T value_{};

public:
	result(failure f) noexcept : outcome(f)
	{
	}

	/* @fill gets the value to fill in, and returns what a function of C did. */
	template <class F> static result make(F &&fill) noexcept
	{
		result r = failure{ 0 };

		r.set(fill(r.value_));
		return r;
	}

	T &operator*() &noexcept
	{
		return value_;
	}

	T &&operator*() &&noexcept
	{
		return std::move(value_);
	}

	T *operator->() noexcept
	{
		return &value_;
	}

	T &value() &
	{
		check();
		return value_;
	}

	T value() &&
	{
		check();
		return std::move(value_);
	}
};

/* The same for what has no value. */
template <> class [[nodiscard]] result<void> : public detail::outcome
{
public:
	result(failure f) noexcept : outcome(f)
	{
	}

	/* @r: what a function of C returned */
	static result of(int r) noexcept
	{
		return failure{ r < 0 ? -r : 0 };
	}

	void value() const
	{
		check();
	}
};

/**
 * class deadline - how long to wait
 *
 * From a duration, which begins now, or a time of std::chrono::steady_clock; or ipcx::nowait or
 * ipcx::forever. A duration that is not positive does not wait, one that no clock can count to is
 * for ever.
 */
class deadline
{
	std::int64_t ns_;

	static constexpr std::int64_t count(std::chrono::nanoseconds ns) noexcept
	{
		return ns.count();
	}

	template <class R, class P> static constexpr bool endless(std::chrono::duration<R, P> d)
	{
		return std::chrono::duration<double>(d).count() >= 9.2e9;
	}

public:
	/* As in C: nanoseconds of CLOCK_MONOTONIC, IPCX_NOWAIT, IPCX_FOREVER; negative is past */
	explicit constexpr deadline(std::int64_t ns) noexcept : ns_(ns < 0 ? 1 : ns)
	{
	}

	template <class R, class P>
	deadline(std::chrono::duration<R, P> d) noexcept : ns_(IPCX_FOREVER)
	{
		std::int64_t now = count(std::chrono::steady_clock::now().time_since_epoch()), more;

		if (d <= d.zero()) {
			ns_ = IPCX_NOWAIT;
		} else if (!endless(d)) {
			more = count(std::chrono::ceil<std::chrono::nanoseconds>(d));
			if (more < IPCX_FOREVER - now)
				ns_ = now + more;
		}
	}

	/* One that is past is not nowait: what is not there has timed out. */
	template <class D>
	deadline(std::chrono::time_point<std::chrono::steady_clock, D> t) noexcept
		: ns_(IPCX_FOREVER)
	{
		D d = t.time_since_epoch();

		if (d <= d.zero())
			ns_ = 1;
		else if (!endless(d))
			ns_ = count(std::chrono::ceil<std::chrono::nanoseconds>(d));
	}

	constexpr std::int64_t ns() const noexcept
	{
		return ns_;
	}
};

inline constexpr deadline nowait{ IPCX_NOWAIT };
inline constexpr deadline forever{ IPCX_FOREVER };

/**
 * class span - some objects of one type in a row, which belong to somebody else
 *
 * What of std::span is needed here, for C++17; where there is std::span, each becomes the other.
 */
template <class T> class span
{
	T *data_ = nullptr;
	std::size_t size_ = 0;

	template <class C>
	using row_of = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))> (*)[];

public:
	using element_type = T;
	using value_type = std::remove_cv_t<T>;
	using iterator = T *;

	constexpr span() noexcept = default;

	constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size)
	{
	}

	/* Of an array, or of what has data() and size() */
	template <class C, class = std::enable_if_t<std::is_convertible_v<row_of<C>, T (*)[]>>>
	constexpr span(C &&c) noexcept : data_(std::data(c)), size_(std::size(c))
	{
	}

#if defined(__cpp_lib_span)
	constexpr operator std::span<T>() const noexcept
	{
		return std::span<T>(data_, size_);
	}
#endif

	constexpr T *data() const noexcept
	{
		return data_;
	}

	constexpr std::size_t size() const noexcept
	{
		return size_;
	}

	constexpr bool empty() const noexcept
	{
		return !size_;
	}

	constexpr T *begin() const noexcept
	{
		return data_;
	}

	constexpr T *end() const noexcept
	{
		return data_ + size_;
	}

	constexpr T &operator[](std::size_t i) const noexcept
	{
		return data_[i];
	}
};

using bytes = span<const std::byte>;

/* The bytes of objects in a row */
template <class T> bytes as_bytes(span<T> s) noexcept
{
	static_assert(std::is_trivially_copyable_v<T>, "only such a type is its bytes");
	return bytes(reinterpret_cast<const std::byte *>(s.data()), s.size() * sizeof(T));
}

inline bytes as_bytes(std::string_view s) noexcept
{
	return bytes(reinterpret_cast<const std::byte *>(s.data()), s.size());
}

/* The bytes of one object */
template <class T> bytes bytes_of(const T &object) noexcept
{
	return as_bytes(span<const T>(&object, 1));
}

/**
 * class name - the URI of an object: a string of C or of C++, or nullptr for none
 */
class name
{
	const char *text_;

public:
	name(const char *text) noexcept : text_(text)
	{
	}

	name(const std::string &text) noexcept : text_(text.c_str())
	{
	}

	const char *c_str() const noexcept
	{
		return text_;
	}
};

namespace detail
{

/* A struct of C with its size set and all else 0 */
template <class C> struct sized : C {
	sized() noexcept : C{}
	{
		this->sz = sizeof(C);
	}
};

} /* namespace detail */

} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_BASE_HPP */
