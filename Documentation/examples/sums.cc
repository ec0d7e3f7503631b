// SPDX-License-Identifier: GPL-2.0-only
/*
 * One process asks for sums, the other works them out and replies. Over any transport.
 *
 *   c++ -std=c++17 sums.cc -o sums $(pkg-config --cflags --libs libipcx) && ./sums
 */
#include <cstdio>
#include <ipcx.hpp>
#include <numeric>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;

/* Replies until a request is empty. */
static void server(ipcx::queue &q)
{
	for (bool more = true; more;) {
		auto m = q.take(10s);
		auto terms = m.as_span<int>();
		long long sum = std::accumulate(terms.begin(), terms.end(), 0LL);

		more = !terms.empty();
		q.reply(m, ipcx::bytes_of(sum));
	}
}

static void ask(ipcx::queue &q, int n)
{
	auto request = q.loan(n * sizeof(int), 10s);
	auto terms = request.as_span<int>();

	std::iota(terms.begin(), terms.end(), 1);
	auto answer = q.call(request, 10s);

	std::printf("the sum of 1 to %d is %lld\n", n, answer.as<long long>());
}

int main(int argc, char **argv)
try {
	const char *uri = argc > 1 ? argv[1] : "sums";
	auto q = ipcx::queue::open(uri, IPCX_CREATE | IPCX_RECV);

	if (!fork()) {
		auto client = ipcx::queue::open(uri, IPCX_SEND);

		for (int n : { 10, 1000, 100000, 0 })
			ask(client, n);
		return 0;
	}
	server(q);
	int status = 1;

	wait(&status);
	ipcx::queue::unlink(uri);
	return status ? 1 : 0;
} catch (const ipcx::error &e) {
	std::fprintf(stderr, "sums: %s\n", e.what());
	return 1;
}
