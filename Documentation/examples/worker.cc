// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worker takes jobs until there are none for a second; what it fails at is put back, for another
 * try. Over any transport.
 *
 *   c++ -std=c++17 worker.cc -o worker $(pkg-config --cflags --libs libipcx) && ./worker
 */
#include <cstdio>
#include <ipcx.hpp>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;

struct job {
	int number, effort;
};

/* Throws at the first try of what takes some effort. */
static void work(const job &j, unsigned int tries)
{
	if (j.effort > 2 && !tries)
		throw j.number;
	std::printf("job %d is done\n", j.number);
}

static int worker(ipcx::queue &q)
{
	while (auto m = q.try_take(1s)) {
		try {
			work(m->as<job>(), m->deliveries());
		} catch (int number) {
			std::printf("job %d comes back\n", number);
			m->nack();
		}
	} /* here what was taken is released, if it is held */
	return 0;
}

int main(int argc, char **argv)
try {
	const char *uri = argc > 1 ? argv[1] : "jobs";
	auto q = ipcx::queue::open(uri, IPCX_CREATE | IPCX_RECV);

	if (!fork()) {
		auto tx = ipcx::queue::open(uri, IPCX_SEND);

		for (int i = 1; i <= 4; i++) {
			auto l = tx.loan(sizeof(job), 10s);

			l.as<job>() = job{ i, i };
			l.commit();
		}
		return 0;
	}
	int status = worker(q), sent = 1;

	wait(&sent);
	ipcx::queue::unlink(uri);
	return status || sent;
} catch (const ipcx::error &e) {
	std::fprintf(stderr, "worker: %s\n", e.what());
	return 1;
}
