// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics and regions.
 */
#include <atomic>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.hpp"

using namespace std::chrono_literals;

static const auto soon = 10s;

TEST(what_is_published_comes_to_all)
{
	auto pub = ipcx::topic::open(uri("news"), IPCX_CREATE | IPCX_PUBLISH);
	auto one = ipcx::topic::open(uri("news"), IPCX_SUBSCRIBE);
	auto two = ipcx::topic::open(uri("news"), IPCX_SUBSCRIBE | IPCX_LOSSY);
	ipcx::topic_message m;

	for (int i = 0; i < 20; i++) {
		auto l = pub.loan(sizeof(point), soon);

		l.as<point>().x = i;
		l.set_tag(i);
		l.commit();
		CHECK(!l);
		one.next(m, soon);
		CHECK(m.as<point>().x == i && m.tag() == static_cast<std::uint64_t>(i));
		auto n = two.take(soon);

		CHECK(n.as<point>().x == i);
		n.release();
		CHECK(!n && n.try_release().error() == std::errc::operation_not_permitted);
	}
	CHECK(one.try_next(m).timed_out() && !m && two.try_take().timed_out());
	CHECK(one.missed() == 0 && two.missed() == 0);
	CHECK(one.attr().mode == 0600 && one.caps() & IPCX_CAP_FAN_OUT);
	ipcx::topic::unlink(uri("news"));
}

TEST(places_and_messages_of_topics_come_back)
{
	ipcx::topic_opts opts;

	opts.depth = 8;
	auto pub = ipcx::topic::open(uri("back"), IPCX_CREATE | IPCX_PUBLISH, opts);
	auto sub = ipcx::topic::open(uri("back"), IPCX_SUBSCRIBE);
	unsigned long before = news;

	/* more than there are places, all of which come back */
	for (int i = 0; i < 50; i++) {
		{
			auto unused = pub.loan(100, soon), moved = std::move(unused);

			CHECK(!unused && moved);
		}
		auto l = pub.loan(sizeof(i), soon);

		l.as<int>() = i;
		l.commit();
		auto m = sub.take(soon), n = std::move(m);

		CHECK(!m && n.as<int>() == i);
	}
	CHECK(news == before && sub.try_take().timed_out() && sub.missed() == 0);

	/* a message that is held keeps its place, as long as it is held */
	pub.send("held", soon);
	auto held = sub.take(soon);
	int sent = 0;

	while (sent < 100 && pub.try_send("more"))
		sent++;
	CHECK(sent < 100 && held.text() == "held");
	held = ipcx::topic_message();
	CHECK(pub.try_send("room", soon));
	for (int i = 0; i < sent; i++)
		CHECK(sub.take(soon).text() == "more");
	CHECK(sub.take(soon).text() == "room");
	ipcx::topic::unlink(uri("back"));
}

TEST(next_releases_what_another_topic_holds)
{
	ipcx::topic_opts opts;

	opts.depth = 8;
	auto pub = ipcx::topic::open(uri("one"), IPCX_CREATE | IPCX_PUBLISH, opts);
	auto sub = ipcx::topic::open(uri("one"), IPCX_SUBSCRIBE);
	auto both = ipcx::topic::open(uri("two"), IPCX_CREATE | IPCX_PUBLISH | IPCX_SUBSCRIBE);

	pub.send("one", soon);
	both.send("two", soon);
	auto m = sub.take(soon);

	both.next(m, soon);
	CHECK(m.text() == "two");
	/* what is held there keeps no place here */
	for (int i = 0; i < 20; i++) {
		pub.send("more", soon);
		CHECK(sub.take(soon).text() == "more");
	}
	ipcx::topic::unlink(uri("one"));
	ipcx::topic::unlink(uri("two"));
}

TEST(handles_close_themselves)
{
	const unsigned int make = IPCX_CREATE | IPCX_EPHEMERAL;
	int fd;

	{
		auto q = ipcx::queue::open(uri("gone"), make | IPCX_RECV);
		auto t = ipcx::topic::open(uri("gone-topic"), make | IPCX_PUBLISH);
		auto r = ipcx::region::open(region_uri("gone-region"), IPCX_CREATE | IPCX_READ);

		CHECK(ipcx::queue::try_open(uri("gone"), IPCX_SEND));
		CHECK(ipcx::topic::try_open(uri("gone-topic"), IPCX_PUBLISH));
		fd = r.fd();
		CHECK(fcntl(fd, F_GETFD) >= 0);
	}
	CHECK(ipcx::queue::try_open(uri("gone"), IPCX_SEND).error() ==
	      std::errc::no_such_file_or_directory);
	CHECK(ipcx::topic::try_open(uri("gone-topic"), IPCX_PUBLISH).error() ==
	      std::errc::no_such_file_or_directory);
	CHECK(fcntl(fd, F_GETFD) < 0);
	ipcx::region::unlink(region_uri("gone-region"));
}

TEST(copies_of_topics)
{
	auto pub = ipcx::topic::open(uri("copy"), IPCX_CREATE | IPCX_PUBLISH);
	auto sub = ipcx::topic::open(uri("copy"), IPCX_SUBSCRIBE);
	std::byte buf[8];

	pub.send("eight by", soon);
	CHECK(sub.recv(buf, soon) == 8 && !std::memcmp(buf, "eight by", 8));
	pub.send("nine byte", soon);
	CHECK(sub.try_recv(buf, soon).error() == std::errc::message_size);
	CHECK(sub.take(soon).text() == "nine byte");
	CHECK_THROWS(EPERM, sub.loan(1));
	CHECK_THROWS(EPERM, pub.take());
	CHECK_THROWS(pub.caps() & IPCX_CAP_DURABLE ? ENOENT : EOPNOTSUPP,
		     (pub.forget("nobody"), 0));
	ipcx::topic::unlink(uri("copy"));
}

TEST(a_topic_can_be_polled)
{
	auto pub = ipcx::topic::open(uri("poll"), IPCX_CREATE | IPCX_PUBLISH);
	auto sub = ipcx::topic::open(uri("poll"), IPCX_SUBSCRIBE);
	pollfd p{ sub.fd(), POLLIN, 0 };

	while (sub.try_take())
		;
	pub.send("x", soon);
	CHECK(poll(&p, 1, 10000) == 1 && p.revents & POLLIN);
	CHECK(sub.take(soon).text() == "x");
	ipcx::topic::unlink(uri("poll"));
}

TEST(a_subscriber_that_is_killed)
{
	ipcx::topic_opts opts;
	int ready[2];
	char c;

	opts.depth = 8;
	auto pub = ipcx::topic::open(uri("kill"), IPCX_CREATE | IPCX_PUBLISH, opts);

	CHECK(!pipe(ready));
	pid_t pid = child([&] {
		auto sub = ipcx::topic::open(uri("kill"), IPCX_SUBSCRIBE);

		CHECK(write(ready[1], "", 1) == 1);
		auto m = sub.take(soon);

		CHECK(write(ready[1], "", 1) == 1);
		pause();
	});

	CHECK(read(ready[0], &c, 1) == 1);
	pub.send("held", soon);
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK(!kill(pid, SIGKILL) && ends(pid, SIGKILL));
	for (int i = 0; i < 50; i++)
		pub.send("nobody waits for the dead", soon);
	ipcx::topic::unlink(uri("kill"));
}

struct shared {
	std::atomic<int> count;
	int numbers[100];
};

TEST(regions)
{
	ipcx::region_opts opts;

	opts.size = 8192;
	auto r = ipcx::region::open(region_uri("region"), IPCX_CREATE | IPCX_READ | IPCX_WRITE,
				    opts);

	CHECK(r.size() == 8192 && r.fd() >= 0);
	auto m = r.map(PROT_READ | PROT_WRITE);
	shared &s = m.as<shared>();

	CHECK(m && m.size() == 8192 && s.count == 0);
	CHECK(m.as_span<shared>().size() == 8192 / sizeof(shared));
	pid_t pid = child([] {
		auto other = ipcx::region::open(region_uri("region"), IPCX_READ | IPCX_WRITE);
		auto mine = other.map(PROT_READ | PROT_WRITE);

		mine.as<shared>().numbers[3] = 33;
		mine.as<shared>().count.store(1, std::memory_order_release);
	});

	CHECK(ends(pid) && s.count.load(std::memory_order_acquire) == 1 && s.numbers[3] == 33);
	CHECK_THROWS(EMSGSIZE, m.as<char[8193]>());
	auto half = r.map(PROT_READ, 4096);

	CHECK(half.size() == 4096 && half.as<const char>() == 0);
	CHECK_THROWS(EINVAL, r.map(PROT_READ, 8192));
	CHECK_THROWS(EINVAL, r.map(PROT_READ, 1));
	r.resize(4096);
	CHECK(r.size() == 4096);

	/* a mapping outlives its region, and is moved */
	r.close();
	CHECK(!r);
	auto moved = std::move(m);

	CHECK(!m && moved.as<shared>().numbers[3] == 33);
	half = std::move(moved);
	CHECK(!moved && half.size() == 8192 && half.as<shared>().count == 1);
	half = std::move(*&half);
	CHECK(half && half.as<shared>().count == 1);
	half.unmap();
	CHECK(!half);
	CHECK_THROWS(EMSGSIZE, half.as<char>());
	ipcx::region::unlink(region_uri("region"));
}

/* A mapping is as long as it says, whatever becomes of the region meanwhile. */
TEST(regions_that_grow)
{
	auto r = ipcx::region::open(region_uri("grow"), IPCX_CREATE | IPCX_READ | IPCX_WRITE);
	int there = 0, not_there = 0;

	r.resize(4096);
	CHECK_THROWS(EINVAL, r.map(PROT_READ, 4096));
	pid_t pid = child([] {
		auto same = ipcx::region::open(region_uri("grow"), IPCX_READ | IPCX_WRITE);

		for (;;) {
			same.resize(8192);
			same.resize(4096);
		}
	});

	const auto end = std::chrono::steady_clock::now() + 200ms;

	while (!there || !not_there || std::chrono::steady_clock::now() < end) {
		auto m = r.try_map(PROT_READ, 4096);

		CHECK(m ? m->size() == 4096 : m.error() == std::errc::invalid_argument);
		m ? there++ : not_there++;
	}
	CHECK(!kill(pid, SIGKILL) && ends(pid, SIGKILL));
	ipcx::region::unlink(region_uri("grow"));
}

/* @addr is mapped, as msync(2) says */
static bool mapped(void *addr)
{
	return !msync(addr, 1, MS_ASYNC);
}

TEST(mappings_are_unmapped)
{
	ipcx::region_opts opts;
	void *a, *b;

	opts.size = 4096;
	auto r =
		ipcx::region::open(region_uri("unmap"), IPCX_CREATE | IPCX_READ | IPCX_WRITE, opts);
	{
		auto m = r.map(PROT_READ), n = r.map(PROT_READ);

		a = m.data();
		b = n.data();
		CHECK(mapped(a) && mapped(b));
		n = std::move(m);
		CHECK(mapped(a) && !mapped(b));
	}
	CHECK(!mapped(a));
	ipcx::region::unlink(region_uri("unmap"));
}

TEST(seals)
{
	ipcx::region_opts opts;

	opts.size = 4096;
	auto r = ipcx::region::open(region_uri("seal"), IPCX_CREATE | IPCX_READ | IPCX_WRITE, opts);
	auto done = r.try_seal(IPCX_SEAL_SHRINK);

	if (r.caps() & IPCX_CAP_SEALS) {
		CHECK(done);
		CHECK_THROWS(EPERM, (r.resize(1), 0));
	} else {
		CHECK(done.error() == std::errc::operation_not_supported);
	}
	ipcx::region::unlink(region_uri("seal"));
}
