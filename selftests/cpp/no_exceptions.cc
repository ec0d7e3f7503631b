// SPDX-License-Identifier: GPL-2.0-only
/*
 * no_exceptions TRANSPORT: ipcx.hpp in a program that is built with -fno-exceptions -fno-rtti.
 * TAP on stdout.
 */
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ipcx.hpp>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In exceptions.cc */
bool throws(const std::string &uri);

static int n, bad;

static void check(const char *what, bool good)
{
	std::printf("%s %d without exceptions: %s\n", good ? "ok" : "not ok", ++n, what);
	bad |= !good;
}

/* What would throw says why and ends the process by abort(3). */
static bool aborts()
{
	char words[1000] = "";
	int status = 0, end[2];
	pid_t pid;

	std::fflush(stdout);
	if (pipe(end))
		return false;
	pid = fork();
	if (!pid) {
		rlimit none{ 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		dup2(end[1], 2);
		ipcx::queue::open("pigeon:x", IPCX_SEND);
		_exit(0);
	}
	close(end[1]);
	return read(end[0], words, sizeof(words) - 1) > 0 && std::strstr(words, "pigeon") &&
	       waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGABRT;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;

	std::string uri = std::string(argv[1]) + ":cpp-none-" + std::to_string(getpid());
	auto rx = ipcx::queue::try_open(uri, IPCX_CREATE | IPCX_RECV);
	auto tx = ipcx::queue::try_open(uri, IPCX_SEND);

	check("open", rx && tx);
	if (rx && tx) {
		check("send", bool(tx->try_send("hello", std::chrono::seconds(10))));
		{
			auto m = rx->try_take(std::chrono::seconds(10));

			check("take", m && m->text() == "hello");
		}
		check("it was released", rx->stat().leased == 0 && rx->stat().released == 1);
		check("an error is a result", rx->try_take().timed_out());
		check("what would throw aborts", aborts());
		check("what is built with exceptions throws", throws("pigeon:x"));
	}
	(void)ipcx::queue::try_unlink(uri);
	std::printf("1..%d\n", n);
	return bad;
}
