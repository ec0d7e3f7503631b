// SPDX-License-Identifier: GPL-2.0-only
/*
 * ship WAY LIST OUT: carry every file of LIST to another process, one file one message.
 *
 * The sender reads each file straight into what it sends from. The receiver is another
 * process of another user; it writes "SHA-256  path" lines to OUT, as sha256sum does, or,
 * when OUT is "none", reads one byte in 64 and hashes nothing.
 *
 * The line that is printed has tabs between: way, files, bytes, largest file, files refused,
 * smallest of these, seconds, bytes copied between the two processes.
 */
#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ship.h"

#define NOBODY 65534
#define END UINT64_MAX /* the index of the message that ends it */

struct item {
	char *path;
	size_t size;
};

static const struct way *way;
static struct item *items;
static size_t nitems, biggest;

static void read_list(const char *file)
{
	FILE *f = fopen(file, "r");
	size_t cap = 0;
	struct stat st;
	ssize_t n;

	if (!f)
		err(1, "%s", file);
	for (;; nitems++) {
		items = reallocarray(items, nitems + 1, sizeof(*items));
		if (!items)
			err(1, "list");
		items[nitems].path = NULL;
		cap = 0;
		n = getline(&items[nitems].path, &cap, f);
		if (n <= 0)
			break;
		items[nitems].path[n - 1] = '\0';
		if (stat(items[nitems].path, &st))
			err(1, "%s", items[nitems].path);
		items[nitems].size = st.st_size;
		biggest = biggest < items[nitems].size ? items[nitems].size : biggest;
	}
	fclose(f);
}

static void note(FILE *out, const struct piece *p)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	volatile unsigned char sink = 0;
	unsigned int len, i;
	size_t at;

	if (p->index >= nitems)
		errx(1, "a message with no file's index");
	if (!out) {
		for (at = 0; at < p->len; at += 64)
			sink += ((const unsigned char *)p->data)[at];
		return;
	}
	if (!EVP_Digest(p->len ? p->data : "", p->len, md, &len, EVP_sha256(), NULL))
		errx(1, "SHA-256 failed");
	for (i = 0; i < len; i++)
		fprintf(out, "%02x", md[i]);
	fprintf(out, "  %s\n", items[p->index].path);
}

static int receiver(FILE *out, int ready)
{
	struct piece p = {};

	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		err(1, "cannot become uid %d", NOBODY);
	way->attach();
	close(ready);
	for (way->recv(&p); p.index != END; way->recv(&p))
		note(out, &p);
	return out && fclose(out) ? 1 : 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void sender(pid_t child)
{
	size_t i, bytes = 0, largest = 0, files = 0, refused = 0, least = 0;
	double start = now();
	int fd, status;

	for (i = 0; i < nitems; i++) {
		fd = open(items[i].path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			err(1, "%s", items[i].path);
		if (!way->send(i, fd, items[i].size)) {
			files++;
			bytes += items[i].size;
			largest = largest < items[i].size ? items[i].size : largest;
		} else {
			least = refused++ && least < items[i].size ? least : items[i].size;
		}
		close(fd);
	}
	if (way->send(END, -1, 0) || waitpid(child, &status, 0) != child || status)
		errx(1, "%s: the receiver failed", way->name);
	printf("%s\t%zu\t%zu\t%zu\t%zu\t%zu\t%.2f\t%zu\n", way->name, files, bytes, largest,
	       refused, least, now() - start, way->copies * bytes);
}

int main(int argc, char **argv)
{
	FILE *out = NULL;
	int ready[2];
	pid_t child;
	size_t i;

	for (i = 0; argc == 4 && ways[i].name; i++)
		if (!strcmp(argv[1], ways[i].name))
			way = &ways[i];
	if (!way)
		errx(2, "usage: ship ipcx|mq|mq-root|seqpacket LIST OUT|none");
	read_list(argv[2]);
	if (strcmp(argv[3], "none")) {
		out = fopen(argv[3], "w");
		if (!out)
			err(1, "%s", argv[3]);
	}
	way->create(biggest);
	if (pipe(ready))
		err(1, "pipe");
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child)
		return receiver(out, (close(ready[0]), ready[1]));
	close(ready[1]);
	if (read(ready[0], &i, 1)) /* nothing but the end: the receiver is there, or dead */
		err(1, "pipe");
	sender(child);
	way->destroy();
	return 0;
}
