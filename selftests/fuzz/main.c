// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz: makes programs of calls, runs them, keeps those that reach new code and
 * changes them. See usage().
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define CORPUS_MAX	4096
#define RECENT		8	/* programs kept as text: a complaint may come late */

static struct {
	uint64_t seed, ops, seconds;
	const char *corpus, *seeds, *run, *recent;
	bool json;
} opt = { .seed = 1, .ops = 10000 };

/* What is large is not copied when a process is forked. */
struct large {
	struct program corpus[CORPUS_MAX];
	struct program current;
	char text[TEXT_MAX];
};

static struct large *large;
static uint32_t corpus_size;
static uint64_t ops, programs;
static int corpus_file = -1;
static char *recent;
static struct timespec start;

static void usage(FILE *to)
{
	fputs("usage: fuzz [OPTION...]\n\n"
	      "Fuzzes /dev/ipcx with programs of 2 to 6 processes, as root, on a kernel that may\n"
	      "crash. Where there is KCOV and the module is built for it (make module KCOV=1),\n"
	      "programs that reach new code are kept and changed; else all are made anew.\n\n"
	      "  --seed S      where random numbers begin (default 1)\n"
	      "  --ops N       stop after N calls (default 10000)\n"
	      "  --seconds N   stop after N seconds, if that is earlier\n"
	      "  --seeds DIR   programs to begin with: DIR/*.txt\n"
	      "  --corpus DIR  the same; what is found is added to DIR/corpus.txt\n"
	      "  --recent FILE before a program is run it is stored in FILE, mapped: the last 8 of\n"
	      "                them, as texts that end with NUL, each at a multiple of 128 KiB\n"
	      "  --run FILE    run the programs in FILE only: once, or again and again up to --ops\n"
	      "  --json        the report as JSON\n\n"
	      "Examples:\n\n"
	      "  fuzz --seed 7 --ops 100000 --seeds selftests/fuzz/seeds --corpus /run/out\n"
	      "  fuzz --run selftests/fuzz/seeds/basic.txt\n\n"
	      "Exit status: 0; 1 a promise was broken, the program is printed; 2 wrong usage.\n",
	      to);
}

static double elapsed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9;
}

static void report(void)
{
	double s = elapsed();

	printf(opt.json ?
		       "{\"ops\": %llu, \"programs\": %llu, \"edges\": %u, \"pcs\": %u, "
		       "\"corpus\": %u, \"ops_per_second\": %.0f, \"seconds\": %.1f, "
		       "\"seed\": %llu}\n" :
		       "%llu ops, %llu programs, %u edges, %u PCs, corpus %u, %.0f ops/s, %.1f s, seed %llu\n",
	       (unsigned long long)ops, (unsigned long long)programs, kcov_edges(), kcov_pcs(),
	       corpus_size, ops / s, s, (unsigned long long)opt.seed);
}

static void progress(void)
{
	static double last;

	if (!isatty(2) || elapsed() < last + 1)
		return;
	last = elapsed();
	fprintf(stderr, "\r%llu ops, %u edges, corpus %u, %.0f ops/s ", (unsigned long long)ops,
		kcov_edges(), corpus_size, ops / last);
}

/* The text first: this kernel may not come back from it. */
static void record(const struct program *p)
{
	char *to = recent + programs % RECENT * TEXT_MAX;
	int n;

	if (!recent)
		return;
	n = sprintf(to, "# program %llu of seed %llu, after %llu ops, %u edges, %u PCs\n",
		    (unsigned long long)programs, (unsigned long long)opt.seed,
		    (unsigned long long)ops, kcov_edges(), kcov_pcs());
	program_print(p, to + n, TEXT_MAX - n);
}

static void keep(const struct program *p)
{
	size_t n = program_print(p, large->text, sizeof(large->text));

	if (corpus_size < CORPUS_MAX)
		large->corpus[corpus_size++] = *p;
	if (corpus_file >= 0 && write(corpus_file, large->text, n) != n)
		perror("corpus");
}

static bool run(const struct program *p)
{
	const char *wrong;

	record(p);
	programs++;
	wrong = exec_run(p, &ops);
	if (!wrong)
		wrong = exec_check();
	if (wrong) {
		program_print(p, large->text, sizeof(large->text));
		printf("%s after program %llu of seed %llu:\n%s", wrong,
		       (unsigned long long)programs - 1, (unsigned long long)opt.seed, large->text);
	}
	return !wrong;
}

static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *buf;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	buf = calloc(1, st.st_size + 1);
	n = buf ? read(fd, buf, st.st_size) : -1;
	close(fd);
	return n == st.st_size ? buf : NULL;
}

/* Return: whether all programs in the file were understood. */
static bool load(const char *path)
{
	char *buf = read_file(path);
	const char *at = buf, *wrong;

	if (!buf) {
		perror(path);
		return false;
	}
	while (!(wrong = program_parse(&large->current, at, &at)) && corpus_size < CORPUS_MAX)
		large->corpus[corpus_size++] = large->current;
	free(buf);
	if (wrong && *wrong)
		fprintf(stderr, "%s: not understood: %s\n", path, wrong);
	return !wrong || !*wrong;
}

static bool load_dir(const char *dir, const char *prefix)
{
	struct dirent **list;
	char path[4096];
	bool ok = true;
	int i, n = scandir(dir, &list, NULL, alphasort);

	if (n < 0)
		perror(dir);
	for (i = 0; i < n; i++) {
		const char *dot = strrchr(list[i]->d_name, '.');

		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (dot && !strcmp(dot, ".txt") &&
		    !strncmp(list[i]->d_name, prefix, strlen(prefix)))
			ok &= load(path);
	}
	return ok && n >= 0;
}

static bool open_corpus(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/corpus.txt", opt.corpus);
	corpus_file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
	if (corpus_file < 0)
		perror(path);
	return corpus_file >= 0;
}

/* Memory of the machine that this guest runs on, as a rule: what is stored survives a crash. */
static bool map_recent(void)
{
	size_t size = RECENT * TEXT_MAX;
	int fd = open(opt.recent, O_RDWR | O_CLOEXEC);
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED || madvise(p, size, MADV_DONTFORK)) {
		perror(opt.recent);
		return false;
	}
	close(fd);
	recent = p;
	return true;
}

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

/*
 * Limits that a program can reach, also one of root's; faults on any allocation,
 * without a word in the log.
 */
static void prepare(void)
{
	static const char *const faults[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	char path[128];
	int i;

	set("/sys/module/ipcx/parameters/user_bytes_max", "33554432");
	set("/sys/module/ipcx/parameters/user_queues_max", "24");
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", faults[i]);
		set(path, "0");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", faults[i]);
		set(path, "N");
	}
	set("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	if (syscall(SYS_capget, &h, d))
		return;
	d[0].effective &= ~(1U << CAP_SYS_RESOURCE);
	d[0].permitted &= ~(1U << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &h, d))
		perror("capset");
}

static bool over(void)
{
	return ops >= opt.ops || (opt.seconds && elapsed() > opt.seconds);
}

static bool run_all(void)
{
	uint32_t i, n = corpus_size;

	for (i = 0; i < n && !over(); i++) {
		large->current = large->corpus[i];
		if (!run(&large->current))
			return false;
		if (exec_has_kcov())
			kcov_collect(large->current.procs);
	}
	return true;
}

/* Each program has random numbers of its own: what ran before does not change them. */
static void next_program(void)
{
	random_seed(opt.seed * 0x2545f4914f6cdd1dULL + programs);
	if (!corpus_size || !random_below(4)) {
		program_generate(&large->current);
		return;
	}
	large->current = large->corpus[random_below(corpus_size)];
	program_mutate(&large->current, &large->corpus[random_below(corpus_size)]);
}

static bool fuzz(void)
{
	if (!run_all())
		return false;
	while (!over()) {
		next_program();
		if (!run(&large->current))
			return false;
		if (exec_has_kcov() && kcov_collect(large->current.procs))
			keep(&large->current);
		progress();
	}
	return true;
}

static bool replay(void)
{
	bool limited = opt.ops;

	if (!limited)
		opt.ops = UINT64_MAX;
	do {
		if (!run_all())
			return false;
	} while (limited && ops && !over());
	return true;
}

static bool parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 't' },
		{ "seeds", required_argument, NULL, 'd' },
		{ "corpus", required_argument, NULL, 'c' },
		{ "recent", required_argument, NULL, 'm' },
		{ "run", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	bool given = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			opt.ops = strtoull(optarg, NULL, 0);
			given = true;
			break;
		case 't':
			opt.seconds = strtoull(optarg, NULL, 0);
			break;
		case 'd':
			opt.seeds = optarg;
			break;
		case 'c':
			opt.corpus = optarg;
			break;
		case 'm':
			opt.recent = optarg;
			break;
		case 'r':
			opt.run = optarg;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	if (opt.run && !given)
		opt.ops = 0;
	return optind == argc;
}

int main(int argc, char **argv)
{
	bool ok;

	if (!parse_options(argc, argv)) {
		usage(stderr);
		return 2;
	}
	large = mmap(NULL, sizeof(*large), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (large == MAP_FAILED || madvise(large, sizeof(*large), MADV_DONTFORK))
		return 2;
	if ((opt.run && !load(opt.run)) || (opt.seeds && !load_dir(opt.seeds, "")) ||
	    (opt.corpus && (!load_dir(opt.corpus, "corpus") || !open_corpus())) ||
	    (opt.recent && !map_recent()))
		return 2;
	prepare();
	exec_init();
	if (!exec_has_kcov())
		fputs("no KCOV: fuzzing blindly\n", stderr);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ok = opt.run ? replay() : fuzz();
	if (ok && exec_has_kcov() && !kcov_pcs())
		fputs("KCOV saw nothing: the module is not instrumented, this was blind\n", stderr);
	report();
	exec_end();
	return !ok;
}
