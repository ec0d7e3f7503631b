// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpp TRANSPORT: the tests of ipcx.hpp over "shm", "unix" or "kernel". TAP on stdout.
 */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/wait.h>
#include <unistd.h>

#include "test.hpp"

unsigned long news;

static test *first, **last = &first;
static std::string transport;
static pid_t tester;

/* gcc takes the library's new for another one than this */
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void *operator new(std::size_t size)
{
	void *p = std::malloc(size ? size : 1);

	news++;
	if (!p)
		throw std::bad_alloc();
	return p;
}

void operator delete(void *p) noexcept
{
	std::free(p);
}

void operator delete(void *p, std::size_t) noexcept
{
	std::free(p);
}

test::test(const char *name, void (*function)()) : title(name), run(function), next(nullptr)
{
	*last = this;
	last = &next;
}

void failed(const char *file, int line, const char *what)
{
	std::printf("# %s:%d: %s; the last words: %s\n", file, line, what, ipcx_error());
	std::fflush(stdout);
	_exit(1);
}

void wrong(const char *file, int line, const char *what, int is, int wanted)
{
	std::printf("# %s:%d: %s: error %d, not %d\n", file, line, what, is, wanted);
	std::fflush(stdout);
	_exit(1);
}

std::string uri(const char *name)
{
	return transport + ":cpp-" + name + "-" + std::to_string(tester);
}

std::string region_uri(const char *name)
{
	std::string t = transport == "kernel" ? "kernel" : "shm";

	return t + ":cpp-" + name + "-" + std::to_string(tester);
}

unsigned int spares()
{
	return transport == "kernel";
}

pid_t fork_or_fail()
{
	pid_t pid;

	std::fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		alarm(30);
	return pid;
}

void leave()
{
	std::fflush(stdout);
	std::exit(0);
}

bool ends(pid_t pid, int signal)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal :
			WIFEXITED(status) && !WEXITSTATUS(status);
}

ends_of_queue::ends_of_queue(const char *name, ipcx::queue_opts opts)
	: rx(ipcx::queue::open(uri(name), IPCX_CREATE | IPCX_RECV, opts)),
	  tx(ipcx::queue::open(uri(name), IPCX_SEND)), uri_(uri(name))
{
}

ends_of_queue::~ends_of_queue()
{
	(void)ipcx::queue::try_unlink(uri_);
}

/* An exception that nobody catches is a failure in words. */
static void run(const test *t)
{
	try {
		t->run();
	} catch (const std::exception &e) {
		std::printf("# thrown: %s\n", e.what());
		std::fflush(stdout);
		_exit(1);
	}
}

int main(int argc, char **argv)
{
	int n = 0, bad = 0;

	if (argc != 2)
		return 2;
	transport = argv[1];
	for (test *t = first; t; t = t->next) {
		pid_t pid;

		tester = getpid();
		pid = child([t] { run(t); });
		n++;
		if (ends(pid)) {
			std::printf("ok %d %s: %s\n", n, argv[1], t->title);
		} else {
			std::printf("not ok %d %s: %s\n", n, argv[1], t->title);
			bad = 1;
		}
	}
	std::printf("1..%d\n", n);
	return bad;
}
