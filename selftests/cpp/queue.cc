// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: what is sent arrives, what is let go comes back, what is moved is there once.
 */
#include <array>
#include <cstring>
#include <poll.h>
#include <unistd.h>
#include <vector>

#include "test.hpp"

using namespace std::chrono_literals;

/* So that a wait that goes wrong does not become one for ever */
static const auto soon = 10s;

TEST(a_message_is_read_where_it_was_written)
{
	ends_of_queue q("typed");
	auto l = q.tx.loan(sizeof(point));
	point &p = l.as<point>();

	p = point{ 3, -4, "here" };
	l.set_tag(77);
	CHECK(l && l.size() == sizeof(point));
	l.commit();
	CHECK(!l);

	auto m = q.rx.take(soon);

	CHECK(m && m.as<point>().x == 3 && m.as<point>().y == -4 && m.tag() == 77);
	CHECK(!std::strcmp(m.as<point>().name, "here") && m.deliveries() == 0);
	CHECK(static_cast<const void *>(&m.as<point>()) == m.data());
	m.release();
	CHECK(!m);
}

TEST(views_are_checked)
{
	ends_of_queue q("views");
	auto l = q.tx.loan(24);
	struct alignas(4096) page {
		char byte[4096];
	};

	CHECK(l.try_as<std::int64_t>() && !l.try_as<point>() &&
	      l.as_span<std::int64_t>().size() == 3);
	CHECK_THROWS(EMSGSIZE, l.as<point>());
	CHECK_THROWS(EMSGSIZE, l.as_span<std::array<char, 7>>());
	CHECK_THROWS(EMSGSIZE, (l.resize(25), 0));
	CHECK_THROWS(EMSGSIZE, (l.write(std::string(25, 'x')), 0));
	l.write("eleven char");
	CHECK(l.size() == 11);
	l.commit();

	auto m = q.rx.take(soon);
	std::int64_t first = m.copy<std::int64_t>();

	CHECK(m.text() == "eleven char" && m.bytes().size() == 11 &&
	      m.as_span<char>().size() == 11);
	CHECK(!std::memcmp(&first, "eleven c", 8) && !m.try_as<point>() &&
	      m.try_as<std::int64_t>());
	CHECK_THROWS(EMSGSIZE, m.as<point>());
	CHECK_THROWS(EMSGSIZE, m.copy<point>());
	CHECK_THROWS(EMSGSIZE, m.as_span<int>());
	CHECK(!m.try_as<page>());

	/* what begins between two is told from what is too short */
	alignas(8) char buf[16] = {};

	CHECK(!ipcx::detail::fitting<int>(buf + 1, 8) && ipcx::detail::fitting<int>(buf + 4, 8));
	CHECK_THROWS(EINVAL, ipcx::detail::fit<int>(buf + 1, 8));
	CHECK_THROWS(EINVAL, ipcx::detail::fit_row<int>(buf + 2, 8));
}

TEST(an_empty_message)
{
	ends_of_queue q("empty");

	q.tx.loan(0).commit();
	q.tx.send(std::string_view());
	for (int i = 0; i < 2; i++) {
		auto m = q.rx.take(soon);

		CHECK(m && !m.size() && m.bytes().empty() && m.text().empty() && !m.try_as<char>());
		CHECK(m.as_span<int>().empty());
	}
}

TEST(a_loan_that_is_let_go_is_cancelled)
{
	ipcx::queue_opts opts;

	opts.depth = 2;
	ends_of_queue q("cancel", opts);

	for (int i = 0; i < 10; i++) {
		auto a = q.tx.loan(200, soon), b = q.tx.loan(200, soon);

		CHECK(q.tx.stat().loaned == 2);
		if (q.tx.caps() & IPCX_CAP_ZERO_COPY)
			CHECK(q.tx.try_loan(200).timed_out());
		b.cancel();
		CHECK(!b && q.tx.stat().loaned == 1);
		b.cancel();
		CHECK(!b.try_commit() && q.tx.stat().loaned == 1);
		CHECK_THROWS(EPERM, (b.commit(), 0));
		a.cancel();
		/* over shm a place is free again when the receiver has come to it */
		CHECK(q.rx.try_take().timed_out());
	}
	CHECK(q.tx.stat().loaned == 0 && q.tx.stat().sent == 0);
	try {
		auto l = q.tx.loan(1);

		throw 1;
	} catch (int) {
	}
	CHECK(q.tx.stat().loaned == 0 && q.rx.try_take().timed_out());
}

TEST(a_message_that_is_let_go_is_released)
{
	ends_of_queue q("release");

	for (unsigned int i = 0; i < 200; i++) {
		q.tx.send(ipcx::bytes_of(i), soon);
		auto m = q.rx.take(soon);

		CHECK(m.as<unsigned int>() == i && q.rx.stat().leased == 1);
	}
	CHECK(q.rx.stat().leased == 0 && q.rx.stat().released == 200);
	CHECK(q.rx.try_take().timed_out());
	q.tx.send("once", soon);

	auto m = q.rx.take(soon);

	m.release();
	CHECK(m.try_release().error() == std::errc::operation_not_permitted);
	CHECK_THROWS(EPERM, (m.release(), 0));
	CHECK(q.rx.stat().released == 201);
}

TEST(what_is_moved_is_there_once)
{
	ends_of_queue q("moves");
	ipcx::queue_loan a = q.tx.loan(200, soon), b = std::move(a), c;

	CHECK(!a && b && !a.raw()->len);
	c = std::move(b);
	CHECK(!b && c && q.tx.stat().loaned == 1);
	/* what was there before is cancelled */
	c = q.tx.loan(300, soon);
	CHECK(q.tx.stat().loaned == 1 && c.size() == 300);
	c = std::move(*&c);
	CHECK(c && c.size() == 300);
	c.commit();
	q.tx.send("second", soon);

	ipcx::queue_message m = q.rx.take(soon), n = std::move(m);

	CHECK(!m && n.size() == 300 && q.rx.stat().leased == 1);
	n = q.rx.take(soon);
	CHECK(n.text() == "second" && q.rx.stat().leased == 1 && q.rx.stat().released == 1);

	/* loans and messages know their queue when that is moved */
	ipcx::queue moved = std::move(q.rx);

	CHECK(!q.rx && moved.get());
	n.release();
	CHECK(moved.stat().released == 2);
	q.rx = std::move(moved);
	{
		std::vector<ipcx::queue_message> kept;

		for (int i = 0; i < 20; i++) {
			q.tx.send(ipcx::bytes_of(i), soon);
			kept.push_back(q.rx.take(soon));
		}
		for (int i = 0; i < 20; i++)
			CHECK(kept[i].as<int>() == i);
		CHECK(q.rx.stat().leased == 20);
	}
	CHECK(q.rx.stat().leased == 0);
}

/* What was let go is not read: it has no payload, but still a number. */
TEST(what_is_over_has_no_payload)
{
	ends_of_queue q("over");
	auto l = q.tx.loan(sizeof(point), soon);

	l.set_flags(IPCX_REQUEST);
	l.commit();
	CHECK(!l.try_as<char>() && l.bytes().empty() && !l.data() && l.seq());
	l = q.tx.loan(sizeof(point), soon);
	l.cancel();
	CHECK_THROWS(EMSGSIZE, l.as<char>());
	CHECK_THROWS(EMSGSIZE, (l.write("x"), 0));

	auto m = q.rx.take(soon);
	std::uint64_t seq = m.seq();

	m.release();
	CHECK(seq && m.seq() == seq && !m.data() && m.text().empty() && m.bytes().empty());
	CHECK(!m.try_as<char>() && m.as_span<char>().empty());
	CHECK_THROWS(EMSGSIZE, m.as<char>());
	CHECK_THROWS(EMSGSIZE, m.copy<char>());
	q.tx.send("again", soon);
	m = q.rx.take(soon);
	CHECK(m.text() == "again");
	m.nack();
	CHECK(m.text().empty());
	q.rx.next(m, soon);
	CHECK(m.text() == "again" && q.rx.try_next(m).timed_out() && m.text().empty());
}

/* What was taken from a queue whose leases end at once is another's soon. */
TEST(what_was_held_for_too_long)
{
	ipcx::queue_opts opts;

	opts.lease_ms = 1;
	const unsigned int flags = IPCX_CREATE | IPCX_SEND | IPCX_RECV;
	auto opened = ipcx::queue::try_open(uri("lease"), flags, opts);

	if (opened.error() == std::errc::operation_not_supported)
		return;
	ipcx::queue q = std::move(opened.value());
	auto wait = [&q] {
		while (q.stat().leased)
			usleep(1000);
	};

	q.send("one", soon);
	auto m = q.take(soon);

	wait();
	CHECK(m.text() == "one");
	CHECK_THROWS(ESTALE, (m.release(), 0));
	CHECK(!m && m.text().empty());

	/* of a batch each says so, and then it is no more in the way of the others */
	q.send("two", soon);
	auto b = q.take_n<2>(soon);

	wait();
	CHECK_THROWS(ESTALE, b.release());
	CHECK(b.size() == 1 && b[0].text() == "two");
	CHECK_THROWS(ESTALE, b.release());
	CHECK(b.empty() && b.release() == 0);
	ipcx::queue::unlink(uri("lease"));
}

TEST(a_deadline_that_makes_no_sense_is_past)
{
	ends_of_queue q("negative");

	q.tx.send("held", soon);
	auto m = q.rx.take(soon);

	CHECK(q.rx.try_next(m, ipcx::deadline(-1)).timed_out() && !m);
	CHECK(q.rx.stat().leased == 0 && q.rx.stat().released == 1);
}

TEST(nack_delivers_again)
{
	ends_of_queue q("nack");

	q.tx.send("again", soon);
	q.rx.take(soon).nack();

	auto m = q.rx.take(soon);

	CHECK(m.text() == "again" && m.deliveries() == 1);
}

TEST(next_releases_and_takes)
{
	ends_of_queue q("next");
	ipcx::queue_message m;

	for (int i = 0; i < 5; i++)
		q.tx.send(ipcx::bytes_of(i), soon);
	for (int i = 0; i < 5; i++) {
		q.rx.next(m, soon);
		CHECK(m && m.as<int>() == i && q.rx.stat().leased == 1);
	}
	CHECK(q.rx.try_next(m).timed_out() && !m);
	CHECK(q.rx.stat().leased == 0 && q.rx.stat().released == 5);
	{
		/* one that another queue holds is released there */
		ends_of_queue other("next-other");

		other.tx.send("other", soon);
		m = other.rx.take(soon);
		q.tx.send("this", soon);
		q.rx.next(m, soon);
		CHECK(m.text() == "this" && other.rx.stat().leased == 0);
		CHECK(other.rx.stat().released == 1);
	}
}

TEST(batches)
{
	ends_of_queue q("batch");
	auto l = q.tx.loan_n<8>(sizeof(point), soon);
	unsigned int n = l.size(), got = 0, sent;

	CHECK(n >= 1 && n <= 8);
	for (unsigned int i = 0; i < n; i++)
		l[i].as<point>().x = i;
	{
		auto moved = std::move(l);

		CHECK(l.empty() && moved.size() == n);
		sent = moved.commit();
		CHECK(sent >= 1 && sent <= n && moved.size() == n - sent);
	}
	CHECK(q.tx.stat().loaned == 0 && q.tx.stat().sent == sent);
	while (got < sent) {
		auto b = q.rx.take_n<4>(soon);

		CHECK(b.size() >= 1 && b.size() <= 4 && q.rx.stat().leased == b.size());
		for (auto m : b)
			CHECK(m.as<point>().x == got++);
		if (got == sent)
			CHECK(b.release() >= 1);
	}
	CHECK(q.rx.stat().leased == 0 && q.rx.stat().released == sent);
	CHECK(q.rx.try_take_n<4>().timed_out());
	{
		auto unused = q.tx.loan_n<3>(100, soon);

		CHECK(q.tx.stat().loaned == unused.size());
		unused = q.tx.loan_n<3>(100, soon);
		CHECK(q.tx.stat().loaned == unused.size());
	}
	CHECK(q.tx.stat().loaned == 0);
}

TEST(a_batch_ends_whatever_became_of_one)
{
	ends_of_queue q("batch-of-three");

	for (int i = 0; i < 3; i++)
		q.tx.send(ipcx::bytes_of(i), soon);
	{
		auto b = q.rx.take_n<3>(soon);

		CHECK(b.size() == 3 && q.rx.stat().leased == 3);
		ipcx_msg second = *b[1].raw();

		CHECK(!ipcx_queue_release(q.rx.get(), &second) && q.rx.stat().leased == 2);
	}
	CHECK(q.rx.stat().leased == 0);

	/* what was not released by the first call is there for the next */
	for (int i = 0; i < 3; i++)
		q.tx.send(ipcx::bytes_of(i), soon);
	auto b = q.rx.take_n<3>(soon);
	ipcx_msg last = *b[2].raw();

	CHECK(b.size() == 3 && !ipcx_queue_release(q.rx.get(), &last));
	CHECK(b.release() == 2 && b.size() == 1 && b[0].seq() == last.seq);
	CHECK_THROWS(EPERM, b.release());
}

TEST(waiting_ends_in_time)
{
	ends_of_queue q("wait");
	auto before = std::chrono::steady_clock::now();

	CHECK(q.rx.try_take().error() == std::errc::resource_unavailable_try_again);
	CHECK(q.rx.try_take(30ms).error() == std::errc::timed_out);
	CHECK(std::chrono::steady_clock::now() - before >= 30ms);
	CHECK(q.rx.try_take(before).error() == std::errc::timed_out);
	CHECK_THROWS(ETIMEDOUT, q.rx.take(5ms));
	CHECK_THROWS(EAGAIN, q.rx.take(ipcx::nowait));
	CHECK(q.rx.try_peek().timed_out());
}

TEST(copies_and_heads)
{
	ends_of_queue q("copies");
	std::byte buf[64];
	std::vector<std::byte> bytes(5000, std::byte{ 42 });

	q.tx.send("text", soon);
	CHECK(q.rx.recv(buf, soon) == 4 && !std::memcmp(buf, "text", 4));
	q.tx.send(bytes, soon);
	CHECK(q.rx.try_recv(buf, soon).error() == std::errc::message_size);

	ipcx_msg head = q.rx.peek();

	CHECK(head.len == 5000 && !head.data);
	CHECK(q.rx.recv(bytes, soon) == 5000);
	CHECK(q.rx.try_recv(buf).timed_out());

	struct ipcx_queue_attr a = q.rx.attr();

	CHECK(a.sz == sizeof(a) && a.mode == 0600 && q.rx.caps() & IPCX_CAP_CALL);
}

TEST(the_descriptor_can_be_polled)
{
	ends_of_queue q("poll");
	pollfd p{ q.rx.fd(), POLLIN, 0 };

	while (q.rx.try_take())
		;
	q.tx.send("x", soon);
	CHECK(poll(&p, 1, 10000) == 1 && p.revents & POLLIN);
	CHECK(q.rx.take(soon).text() == "x");
}

TEST(nothing_is_allocated_for_a_message)
{
	ends_of_queue q("new");
	unsigned long before = news;

	for (int i = 0; i < 100; i++) {
		auto l = q.tx.try_loan(sizeof(point), soon);

		CHECK(l);
		l->as<point>().x = i;
		CHECK(l->try_commit());
		auto m = q.rx.take(soon);

		CHECK(m.as<point>().x == i);
		m.release();
		CHECK(q.tx.try_send(ipcx::bytes_of(i), soon));
		CHECK(q.rx.try_take_n<2>(soon) && q.rx.try_take().timed_out());
	}
	CHECK(news == before);
	CHECK_THROWS(EAGAIN, q.rx.take(ipcx::nowait));
	CHECK(news > before);
}
