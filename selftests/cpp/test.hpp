/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of ipcx.hpp share. Each runs in a process of its own, see main.cc.
 */
#ifndef TEST_HPP
#define TEST_HPP

#include <ipcx.hpp>
#include <string>

struct test {
	const char *title;
	void (*run)();
	test *next;

	test(const char *name, void (*function)());
};

#define TEST(name) \
	static void name(); \
	static test test_##name(#name, name); \
	static void name()

/* Ends the process of the test when it is not so. */
#define CHECK(...) \
	do { \
		if (!(__VA_ARGS__)) \
			failed(__FILE__, __LINE__, #__VA_ARGS__); \
	} while (0)

/* The error that must be thrown there */
#define CHECK_THROWS(errno_wanted, ...) \
	do { \
		int thrown = 0; \
		try { \
			(void)(__VA_ARGS__); \
		} catch (const ipcx::error &e) { \
			thrown = e.code().value(); \
			CHECK(*e.what()); \
		} \
		if (thrown != (errno_wanted)) \
			wrong(__FILE__, __LINE__, #__VA_ARGS__, thrown, errno_wanted); \
	} while (0)

[[noreturn]] void failed(const char *file, int line, const char *what);
[[noreturn]] void wrong(const char *file, int line, const char *what, int is, int wanted);

/* The name of an object of this test, over the transport that is tested */
std::string uri(const char *name);
/* The same for regions, which there are not over all */
std::string region_uri(const char *name);

/* Slots that a sender who has sent keeps on loan for its next message */
unsigned int spares();

/* How often memory was asked for by new */
extern unsigned long news;

/* A child that does what @function does; true if it ended well, or was killed by this signal */
template <class F> pid_t child(F function);
bool ends(pid_t pid, int signal = 0);
pid_t fork_or_fail();
[[noreturn]] void leave();

template <class F> pid_t child(F function)
{
	pid_t pid = fork_or_fail();

	if (pid)
		return pid;
	function();
	leave();
}

/* Longer than what goes beside a head, and as much as needs a page */
struct point {
	std::int64_t x, y;
	char name[112];
};

/* Both ends of a queue in one process */
struct ends_of_queue {
	ipcx::queue rx, tx;

	explicit ends_of_queue(const char *name, ipcx::queue_opts opts = {});
	~ends_of_queue();

private:
	std::string uri_;
};

#endif
