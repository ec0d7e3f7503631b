// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one process publishes comes to all that subscribe. Over any transport that has topics.
 *
 *   c++ -std=c++17 news.cc -o news $(pkg-config --cflags --libs libipcx) && ./news
 */
#include <cstdio>
#include <ipcx.hpp>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;

struct weather {
	int day;
	double degrees;
};

/* Reads until nothing has come for a second. */
static void subscriber(ipcx::topic &t, const char *name)
{
	ipcx::topic_message m;

	while (t.try_next(m, 1s))
		std::printf("%s: day %d, %.1f degrees\n", name, m.as<weather>().day,
			    m.as<weather>().degrees);
}

int main(int argc, char **argv)
try {
	const char *uri = argc > 1 ? argv[1] : "news";
	auto t = ipcx::topic::open(uri, IPCX_CREATE | IPCX_SUBSCRIBE);

	if (!fork()) {
		auto pub = ipcx::topic::open(uri, IPCX_PUBLISH);
		auto own = ipcx::topic::open(uri, IPCX_SUBSCRIBE | IPCX_LOSSY);

		for (int day = 1; day <= 3; day++) {
			auto l = pub.loan(sizeof(weather), 10s);

			l.as<weather>() = weather{ day, 20.5 - day };
			l.commit();
		}
		subscriber(own, "child");
		return 0;
	}
	subscriber(t, "parent");
	int status = 1;

	wait(&status);
	ipcx::topic::unlink(uri);
	return status ? 1 : 0;
} catch (const ipcx::error &e) {
	std::fprintf(stderr, "news: %s\n", e.what());
	return 1;
}
