// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues between processes: requests and replies, and workers that are killed.
 */
#include <csignal>
#include <sys/time.h>
#include <unistd.h>

#include "test.hpp"

using namespace std::chrono_literals;

static const auto soon = 10s;

TEST(ping_pong)
{
	auto there = ipcx::queue::open(uri("ping"), IPCX_CREATE | IPCX_RECV);
	auto back = ipcx::queue::open(uri("pong"), IPCX_CREATE | IPCX_RECV);
	pid_t pid = child([] {
		auto pong = ipcx::queue::open(uri("pong"), IPCX_SEND);
		auto ping = ipcx::queue::open(uri("ping"), IPCX_SEND);

		(void)pong;
		for (int i = 0; i < 500; i++) {
			auto l = ping.loan(sizeof(point), soon);

			l.as<point>().x = i;
			l.commit();
			pong.send(ipcx::bytes_of(i), soon);
		}
	});

	for (int i = 0; i < 500; i++) {
		CHECK(there.take(soon).as<point>().x == i);
		CHECK(back.take(soon).as<int>() == i);
	}
	CHECK(ends(pid));
	ipcx::queue::unlink(uri("ping"));
	ipcx::queue::unlink(uri("pong"));
}

/* One process waits until another has come to some point. */
struct gate {
	int end[2];

	gate()
	{
		CHECK(!pipe(end));
	}

	void open() const
	{
		CHECK(write(end[1], "", 1) == 1);
	}

	void wait() const
	{
		char c;

		CHECK(read(end[0], &c, 1) == 1);
	}
};

/* Answers one request by the square of what it has; with a loan if the tag says so. */
static void answer(ipcx::queue &q, ipcx::queue_message &m)
{
	std::int64_t n = m.copy<std::int64_t>();

	CHECK(m.flags() & IPCX_REQUEST);
	if (m.tag()) {
		auto l = q.loan_reply(m, sizeof(point));

		l.as<point>() = point{ n * n, 0, "" };
		q.reply(m, l);
		CHECK(!l);
	} else {
		q.reply(m, ipcx::bytes_of(n * n));
	}
	CHECK(!m);
}

TEST(requests_and_replies)
{
	auto q = ipcx::queue::open(uri("call"), IPCX_CREATE | IPCX_RECV);
	pid_t pid = child([] {
		auto client = ipcx::queue::open(uri("call"), IPCX_SEND);

		for (std::int64_t n = 1; n < 100; n++) {
			auto l = client.loan(sizeof(n), soon);

			l.as<std::int64_t>() = n;
			l.set_tag(n & 1);
			auto m = client.call(l, soon);

			CHECK(!l && m.as<std::int64_t>() == n * n);
			CHECK(m.tag() == static_cast<std::uint64_t>(n & 1));
		}
		CHECK(!client.call(client.loan(0, soon), soon).size());
	});
	ipcx::queue_message m;

	for (q.next(m, soon); m.size(); q.next(m, soon))
		answer(q, m);
	q.reply(m, std::string_view());
	CHECK(q.try_reply(m, std::string_view()).error() == std::errc::operation_not_permitted);
	CHECK(ends(pid) && q.stat().leased == 0);
	ipcx::queue::unlink(uri("call"));
}

TEST(reply_next_answers_and_takes)
{
	auto q = ipcx::queue::open(uri("next"), IPCX_CREATE | IPCX_RECV);
	pid_t pid = child([] {
		auto client = ipcx::queue::open(uri("next"), IPCX_SEND);

		for (std::int64_t n = 0; n < 50; n++) {
			auto l = client.loan(sizeof(n), soon);

			l.as<std::int64_t>() = n;
			CHECK(client.call(l, soon).as<std::int64_t>() == n + 1);
		}
	});
	ipcx::queue_message m;
	std::int64_t with = 0;

	for (int i = 0; i < 50; i++) {
		q.reply_next(m, ipcx::bytes_of(with), soon);
		CHECK(m && m.copy<std::int64_t>() == i);
		with = i + 1;
	}
	/* the reply goes out though nothing more comes, and the next call only takes */
	CHECK(q.try_reply_next(m, ipcx::bytes_of(with), 10ms).timed_out() && !m);
	CHECK_THROWS(EMSGSIZE, m.as<char>());
	CHECK(ends(pid));
	CHECK(q.try_reply_next(m, ipcx::bytes_of(with), 10ms).timed_out() && !m);
	CHECK(q.stat().leased == 0);
	/* what is no request is held still */
	auto tx = ipcx::queue::open(uri("next"), IPCX_SEND);

	tx.send("no request", soon);
	q.next(m, soon);
	CHECK(q.try_reply_next(m, ipcx::bytes_of(with), 10ms).error() ==
	      std::errc::invalid_argument);
	CHECK(m && m.text() == "no request");
	ipcx::queue::unlink(uri("next"));
}

TEST(answers_to_requests_that_were_committed)
{
	ends_of_queue q("answer");
	auto l = q.tx.loan(sizeof(std::int64_t), soon);

	l.as<std::int64_t>() = 12;
	l.set_flags(IPCX_REQUEST);
	l.commit();
	CHECK(q.tx.try_answer().timed_out());
	auto m = q.rx.take(soon);

	answer(q.rx, m);
	m = q.tx.answer(soon);
	CHECK(m.as<std::int64_t>() == 144 && m.seq() == l.seq());
	m.release();

	/* one that is released, and so not answered, says so */
	l = q.tx.loan(1, soon);
	l.set_flags(IPCX_REQUEST);
	l.commit();
	q.rx.take(soon).release();
	CHECK(q.tx.answer(soon).flags() & IPCX_CANCELED);
}

TEST(a_call_goes_on_until_it_is_given_up)
{
	ends_of_queue q("goes-on");
	auto l = q.tx.loan(sizeof(std::int64_t), soon);

	l.as<std::int64_t>() = 5;
	CHECK(q.tx.try_call(l, ipcx::nowait).error() == std::errc::resource_unavailable_try_again);
	CHECK(l);
	auto m = q.rx.take(soon);

	answer(q.rx, m);
	CHECK(q.tx.call(l, soon).as<std::int64_t>() == 25);
	CHECK(!l);
	l = q.tx.loan(1, soon);
	CHECK(q.tx.try_call(l, 10ms).error() == std::errc::timed_out);
}

/* A loan with a number to square */
static ipcx::queue_loan number(ipcx::queue &q, std::int64_t n)
{
	auto l = q.loan(sizeof(n), soon);

	l.write(ipcx::bytes_of(n));
	return l;
}

/* While there is one signals come all the time, and end what waits. */
struct signals {
	signals()
	{
		struct sigaction act = {};

		act.sa_handler = [](int) {};
		CHECK(!sigaction(SIGALRM, &act, nullptr));
		every(10000);
	}

	~signals()
	{
		every(0);
		alarm(30);
	}

	static void every(int usec)
	{
		itimerval time = { { 0, usec }, { 0, usec } };

		CHECK(!setitimer(ITIMER_REAL, &time, nullptr));
	}
};

/* A signal, or a wait that is none, leaves nothing of a call to who lets its request go. */
TEST(a_call_is_given_up_with_its_request)
{
	ends_of_queue q("given-up");

	for (int i = 0; i < 20; i++) {
		{
			auto l = number(q.tx, i);

			if (i & 1) {
				CHECK(q.tx.try_call(l, ipcx::nowait).timed_out());
			} else {
				signals come;

				CHECK_THROWS(EINTR, q.tx.call(l, soon));
			}
			/* whether there is an answer to it, or not yet */
			if (i & 2) {
				auto m = q.rx.take(soon);

				answer(q.rx, m);
			}
		}
		{
			signals come;

			CHECK_THROWS(EINTR, q.tx.call(number(q.tx, i), soon));
		}
		while (auto m = q.rx.try_take())
			answer(q.rx, *m);
		CHECK(q.tx.try_answer().timed_out());
		CHECK(q.tx.stat().loaned == spares() && q.tx.stat().answers == 0);
	}
}

/* A child that makes a queue, which it has when this returns, takes a message and waits. */
static pid_t one_that_takes(const std::string &name, const gate &taken)
{
	gate opened;
	pid_t pid = child([&] {
		auto q = ipcx::queue::open(name, IPCX_CREATE | IPCX_RECV);

		opened.open();
		auto m = q.take(soon);

		taken.open();
		pause();
	});

	opened.wait();
	return pid;
}

TEST(a_server_that_is_killed)
{
	gate taken;
	pid_t pid = one_that_takes(uri("server"), taken);
	auto q = ipcx::queue::open(uri("server"), IPCX_SEND);
	pid_t killer = child([&] {
		taken.wait();
		CHECK(!kill(pid, SIGKILL));
	});

	CHECK_THROWS(EOWNERDEAD, q.call(q.loan(8, soon), soon));
	CHECK(ends(killer) && ends(pid, SIGKILL) && q.stat().loaned == spares());
	(void)ipcx::queue::try_unlink(uri("server"));
}

TEST(a_worker_that_is_killed)
{
	gate taken;
	pid_t pid = one_that_takes(uri("worker"), taken);
	auto tx = ipcx::queue::open(uri("worker"), IPCX_SEND);
	bool comes_back = tx.caps() & IPCX_CAP_REDELIVERY;

	tx.send("first", soon);
	taken.wait();
	CHECK(!kill(pid, SIGKILL) && ends(pid, SIGKILL));
	auto rx = ipcx::queue::open(uri("worker"), IPCX_CREATE | IPCX_RECV);

	tx.send("second", soon);
	auto m = rx.take(soon);

	/* what it had taken is with the next one, or is lost, as the transport says */
	if (comes_back) {
		CHECK(m.text() == "first" && m.deliveries() == 1);
		m = rx.take(soon);
	}
	CHECK(m.text() == "second" && m.deliveries() == 0);
	(void)ipcx::queue::try_unlink(uri("worker"));
}

TEST(a_sender_that_is_killed)
{
	auto rx = ipcx::queue::open(uri("sender"), IPCX_CREATE | IPCX_RECV);
	gate loaned;
	pid_t pid = child([&] {
		auto q = ipcx::queue::open(uri("sender"), IPCX_SEND);
		auto sent = q.loan(sizeof(point), soon);

		sent.as<point>().x = 1;
		sent.commit();
		auto l = q.loan(sizeof(point), soon);

		l.as<point>().x = 2;
		loaned.open();
		pause();
	});

	loaned.wait();
	CHECK(!kill(pid, SIGKILL) && ends(pid, SIGKILL));
	CHECK(rx.take(soon).as<point>().x == 1);
	CHECK(rx.try_take(20ms).timed_out());
	auto tx = ipcx::queue::open(uri("sender"), IPCX_SEND);

	tx.send("alive", soon);
	CHECK(rx.take(soon).text() == "alive");
	ipcx::queue::unlink(uri("sender"));
}

TEST(a_forked_child_lets_nothing_go)
{
	ends_of_queue q("fork");
	auto l = q.tx.loan(200, soon);

	q.tx.send("held", soon);
	pid_t pid = child([&] {
		/* what the destructors of a child do is nothing to its parent */
		auto gone = std::move(l);

		CHECK(q.tx.try_loan(1).error() == std::errc::bad_file_descriptor);
	});

	CHECK(ends(pid) && q.tx.stat().loaned == 1 + spares());
	l.write("second");
	l.commit();
	auto m = q.rx.take(soon), n = q.rx.take(soon);

	CHECK((m.text() == "held" && n.text() == "second") ||
	      (m.text() == "second" && n.text() == "held"));
}
