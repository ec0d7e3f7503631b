// SPDX-License-Identifier: GPL-2.0-only
/*
 * judge: what became of all messages, by what receivers have noted. Says so in JSON.
 *
 * work: each message came to one of the receivers; it is doubled as often as it came to more
 * each: each message came to each receiver, once; -x: FILE i is of the host that origin i is at,
 *       and to it these must not come
 *
 * Exit status: 0 when nothing is lost or wrong, and with each nothing doubled either, else 1;
 * with -l 0 when nothing is lost.
 */
#include "load.h"

static const char usage[] = "usage: judge [-lx] [-u SENT] -o ORIGINS -n COUNT work|each FILE...\n"
			    "  -u SENT   only those with a lower number were sent\n";

struct verdict {
	uint64_t expected, lost, doubled, wrong;
};

static void verdict_add(struct verdict *v, uint64_t times, uint64_t right)
{
	v->expected += right;
	v->lost += times < right;
	v->doubled += times > right ? times - right : 0;
}

static void verdict_say(const struct verdict *v, const char *end)
{
	printf("{\"expected\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"doubled\": %" PRIu64
	       ", \"wrong\": %" PRIu64 "}%s",
	       v->expected, v->lost, v->doubled, v->wrong, end);
}

/* Of all @files together, as if they were one */
static struct verdict judge_work(const struct load *l, uint32_t sent, struct seen *const *files,
				 uint32_t n)
{
	struct verdict v = {};

	for (uint32_t origin = 0; origin < l->origins; origin++) {
		for (uint32_t nr = 0; nr < sent; nr++) {
			uint64_t times = 0;

			for (uint32_t f = 0; f < n; f++)
				times += files[f]->times[(uint64_t)origin * l->count + nr];
			verdict_add(&v, times, 1);
		}
	}
	for (uint32_t f = 0; f < n; f++)
		v.wrong += files[f]->wrong;
	return v;
}

/* Of one file. @but: an origin from which nothing comes, or -1 */
static struct verdict judge_each(const struct load *l, uint32_t sent, const struct seen *file,
				 int64_t but)
{
	struct verdict v = { .wrong = file->wrong };

	for (uint32_t origin = 0; origin < l->origins; origin++)
		for (uint32_t nr = 0; nr < sent; nr++)
			verdict_add(&v, file->times[(uint64_t)origin * l->count + nr],
				    origin != but);
	return v;
}

static bool good(const struct verdict *v, bool lost_only, bool once)
{
	return !v->lost && (lost_only || (!v->wrong && !(once && v->doubled)));
}

static bool judge_all(const struct load *l, uint32_t sent, struct seen *const *files, uint32_t n,
		      bool own, bool lost_only)
{
	bool all = true;

	printf("[");
	for (uint32_t f = 0; f < n; f++) {
		struct verdict v = judge_each(l, sent, files[f], own ? f : -1);

		verdict_say(&v, f + 1 < n ? ", " : "");
		all &= good(&v, lost_only, true);
	}
	printf("]\n");
	return all;
}

int main(int argc, char **argv)
{
	struct load l = {};
	struct seen *files[ORIGINS_MAX];
	uint32_t sent = UINT32_MAX, n = 0;
	struct verdict v;
	bool own = false, lost_only = false;
	int opt;

	while ((opt = getopt(argc, argv, "o:n:u:lx")) != -1) {
		switch (opt) {
		case 'o':
			l.origins = number(optarg, ORIGINS_MAX);
			break;
		case 'n':
			l.count = number(optarg, 1U << 30);
			break;
		case 'u':
			sent = number(optarg, 1U << 30);
			break;
		case 'l':
			lost_only = true;
			break;
		case 'x':
			own = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind < 2 || argc - optind - 1 > ORIGINS_MAX) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = optind + 1; i < argc; i++)
		files[n++] = seen_map(argv[i], &l, false);
	sent = sent < l.count ? sent : l.count;
	if (!strcmp(argv[optind], "each"))
		return !judge_all(&l, sent, files, n, own, lost_only);
	v = judge_work(&l, sent, files, n);
	verdict_say(&v, "\n");
	return !good(&v, lost_only, false);
}
