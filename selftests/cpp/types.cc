// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlines, spans, results, errors: what ipcx.hpp has of its own.
 */
#include <array>
#include <cstring>
#include <vector>

#include "test.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;

template <class T>
constexpr bool only_moved =
	!std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
	std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
	std::is_nothrow_destructible_v<T> && std::is_nothrow_default_constructible_v<T>;

static_assert(only_moved<ipcx::queue> && only_moved<ipcx::topic> && only_moved<ipcx::region>);
static_assert(only_moved<ipcx::queue_loan> && only_moved<ipcx::queue_message>);
static_assert(only_moved<ipcx::topic_loan> && only_moved<ipcx::topic_message>);
static_assert(only_moved<ipcx::loan_batch<4>> && only_moved<ipcx::message_batch<4>>);
static_assert(only_moved<ipcx::mapping>);
static_assert(std::is_base_of_v<std::system_error, ipcx::error>);
static_assert(std::is_nothrow_copy_constructible_v<ipcx::error>);

static std::int64_t now()
{
	return std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count();
}

TEST(deadlines)
{
	std::int64_t before = now(), ns = ipcx::deadline(2s).ns();

	CHECK(ipcx::nowait.ns() == IPCX_NOWAIT && ipcx::forever.ns() == IPCX_FOREVER);
	CHECK(ns >= before + 2000000000 && ns <= now() + 2000000000);
	CHECK(ipcx::deadline(0s).ns() == IPCX_NOWAIT && ipcx::deadline(-1h).ns() == IPCX_NOWAIT);
	CHECK(ipcx::deadline(std::chrono::hours::max()).ns() == IPCX_FOREVER);
	CHECK(ipcx::deadline(std::chrono::nanoseconds::max()).ns() == IPCX_FOREVER);
	CHECK(ipcx::deadline(std::chrono::duration<double>(1e300)).ns() == IPCX_FOREVER);
	ns = ipcx::deadline(std::chrono::duration<double>(0.5)).ns();
	CHECK(ns >= before + 500000000 && ns <= now() + 500000000);
	/* a part of a nanosecond is waited for */
	CHECK(ipcx::deadline(std::chrono::duration<double>(1e-12)).ns() > before);
	CHECK(ipcx::deadline(7).ns() == 7 && ipcx::deadline(-1).ns() == 1);
	CHECK(ipcx::deadline(steady_clock::time_point(7ns)).ns() == 7);
	CHECK(ipcx::deadline(steady_clock::time_point(0ns)).ns() == 1);
	CHECK(ipcx::deadline(steady_clock::time_point(-5s)).ns() == 1);
	CHECK(ipcx::deadline(steady_clock::time_point::max()).ns() == IPCX_FOREVER);
}

static std::size_t length(ipcx::span<const int> s)
{
	return s.size();
}

template <class From, class To> constexpr bool becomes = std::is_convertible_v<From, To>;

/* constness is not lost, and one type not taken for another */
static_assert(becomes<std::vector<int> &, ipcx::span<int>>);
static_assert(becomes<ipcx::span<int>, ipcx::span<const int>>);
static_assert(!becomes<ipcx::span<const int>, ipcx::span<int>>);
static_assert(!becomes<const std::vector<int> &, ipcx::span<int>>);
static_assert(!becomes<std::vector<char> &, ipcx::bytes>);
static_assert(!becomes<std::vector<long> &, ipcx::span<int>>);

TEST(spans)
{
	int three[3] = { 1, 2, 3 };
	std::vector<int> four = { 1, 2, 3, 4 };
	std::array<int, 5> five{};
	ipcx::span<int> s = three;
	int sum = 0;

	CHECK(length(three) == 3 && length(four) == 4 && length(five) == 5 && length(s) == 3);
	s[2] = 9;
	for (int i : s)
		sum += i;
	CHECK(sum == 12 && three[2] == 9 && s.data() == three && !s.empty());
	CHECK(ipcx::span<int>().empty() && !ipcx::span<int>().data());
	CHECK(ipcx::as_bytes(s).size() == sizeof(three));
	CHECK(ipcx::bytes_of(five).size() == sizeof(five));
	CHECK(ipcx::as_bytes(std::string_view("abc")).size() == 3);
#if defined(__cpp_lib_span)
	std::span<int> standard = s;
	ipcx::span<const int> back = standard;

	CHECK(standard.size() == 3 && back.data() == three);
#endif
}

TEST(results)
{
	ipcx::result<int> seven = ipcx::result<int>::make([](int &n) noexcept { return n = 7; });
	ipcx::result<int> none = ipcx::failure{ EAGAIN };
	ipcx::result<void> nothing = ipcx::result<void>::of(-ETIMEDOUT);

	CHECK(seven && *seven == 7 && seven.value() == 7 && !seven.error() && !seven.timed_out());
	CHECK(!none && none.timed_out() &&
	      none.error() == std::errc::resource_unavailable_try_again);
	CHECK(!nothing && nothing.timed_out() && nothing.error() == std::errc::timed_out);
	CHECK(ipcx::result<void>::of(3) && !ipcx::result<void>(ipcx::failure{ EPERM }).timed_out());
	(void)ipcx::queue::try_open("cpp/no", IPCX_SEND);
	none = ipcx::failure{ EAGAIN, "words of its own" };
	CHECK_THROWS(EAGAIN, none.value());
	CHECK_THROWS(ETIMEDOUT, (nothing.value(), 0));
}

TEST(errors)
{
	std::string words;

	try {
		ipcx::queue::open(uri("nowhere"), IPCX_SEND);
		CHECK(!"thrown");
	} catch (const std::system_error &e) {
		ipcx::error copy = dynamic_cast<const ipcx::error &>(e);

		words = ipcx_error();
		CHECK(e.code() == std::errc::no_such_file_or_directory && words == e.what());
		(void)ipcx::queue::try_open("cpp/no", IPCX_SEND);
		CHECK(words != ipcx_error() && words == copy.what());
	}
	CHECK(words.find("nowhere") != std::string::npos);
	CHECK(ipcx::queue::try_open(uri("nowhere"), 0).error() == std::errc::invalid_argument);
	CHECK_THROWS(EINVAL, ipcx::queue::open("pigeon", IPCX_SEND | IPCX_EXCL));
	CHECK_THROWS(EOPNOTSUPP, ipcx::queue::open("pigeon:x", IPCX_SEND));
	CHECK_THROWS(ENOENT, ipcx::topic::open(uri("nowhere"), IPCX_PUBLISH));
	CHECK_THROWS(ENOENT, ipcx::region::open(region_uri("nowhere"), IPCX_READ));
	CHECK_THROWS(ENOENT, (ipcx::queue::unlink(uri("nowhere")), 0));
	CHECK_THROWS(ENOENT, (ipcx::topic::unlink(uri("nowhere")), 0));
	CHECK_THROWS(ENOENT, (ipcx::region::unlink(region_uri("nowhere")), 0));
}
