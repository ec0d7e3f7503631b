// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue watched by io_uring: one request, IORING_OP_POLL_ADD with IORING_POLL_ADD_MULTI, that
 * completes each time something comes. By raw system calls; programs have liburing for that.
 *
 *   cc uring.c -o uring $(pkg-config --cflags --libs libipcx) && ./uring
 */
#include <errno.h>
#include <ipcx.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct uring {
	int fd;
	struct io_uring_params p;
	char *rings;
	struct io_uring_sqe *sqes;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "uring: %s: %s\n", what, why);
	return 1;
}

static int uring_open(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = syscall(__NR_io_uring_setup, 4, &u->p);
	if (u->fd < 0)
		return -1;
	/* both rings are in one mapping since Linux 5.4; with 4 entries, in one page */
	u->rings = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	u->sqes = mmap(NULL, 4 * sizeof(*u->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		       IORING_OFF_SQES);
	return u->rings == MAP_FAILED || u->sqes == MAP_FAILED ? -1 : 0;
}

static unsigned int *word(const struct uring *u, unsigned int offset)
{
	return (unsigned int *)(u->rings + offset);
}

/* Asks to be told each time @fd becomes readable. */
static int uring_watch(struct uring *u, int fd)
{
	unsigned int *tail = word(u, u->p.sq_off.tail), i = *tail & (u->p.sq_entries - 1);

	u->sqes[i] = (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD,
		.fd = fd,
		.len = IORING_POLL_ADD_MULTI,
		.poll32_events = POLLIN,
	};
	word(u, u->p.sq_off.array)[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	return syscall(__NR_io_uring_enter, u->fd, 1, 0, 0, NULL, 0) == 1 ? 0 : -1;
}

/* Sleeps until there is a completion. Return: whether the request goes on, or -1. */
static int uring_wait(struct uring *u)
{
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(u->rings + u->p.cq_off.cqes), *cqe;
	unsigned int *head = word(u, u->p.cq_off.head), *tail = word(u, u->p.cq_off.tail);
	int goes_on;

	while (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE))
		if (syscall(__NR_io_uring_enter, u->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) <
			    0 &&
		    errno != EINTR)
			return -1;
	cqe = &cqes[*head & (u->p.cq_entries - 1)];
	goes_on = cqe->res < 0 ? -1 : !!(cqe->flags & IORING_CQE_F_MORE);
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return goes_on;
}

/* It is told that something came, not how much: takes until there is nothing. */
static int read_queue(struct ipcx_queue *q, int *end)
{
	struct ipcx_msg m;
	int r;

	while (!(r = ipcx_queue_take(q, &m, IPCX_NOWAIT))) {
		printf("%.*s\n", (int)m.len, (char *)m.data);
		*end |= m.len == 3 && !memcmp(m.data, "end", 3);
		ipcx_queue_release(q, &m);
	}
	return r == -EAGAIN ? 0 : fail("take", ipcx_error());
}

static int loop(struct ipcx_queue *q)
{
	int end = 0, goes_on = 0;
	struct uring u;

	if (uring_open(&u))
		return fail("io_uring_setup", strerror(errno));
	for (;;) {
		/* watched first and read then, or what comes in between would be missed */
		if (!goes_on && uring_watch(&u, ipcx_queue_fd(q)))
			return fail("POLL_ADD", strerror(errno));
		if (read_queue(q, &end) || end)
			break;
		goes_on = uring_wait(&u);
		if (goes_on < 0)
			return fail("wait", "the request failed");
	}
	close(u.fd);
	return !end;
}

static int sender(const char *uri)
{
	struct ipcx_queue *q;

	if (ipcx_queue_open(&q, uri, IPCX_SEND, NULL))
		return fail("open", ipcx_error());
	for (int i = 0; i < 3; i++) {
		if (ipcx_queue_send(q, "one", 3, IPCX_FOREVER) ||
		    ipcx_queue_send(q, "two", 3, IPCX_FOREVER))
			return fail("send", ipcx_error());
		usleep(50000);
	}
	return ipcx_queue_send(q, "end", 3, IPCX_FOREVER) ? fail("send", ipcx_error()) : 0;
}

int main(int argc, char **argv)
{
	const char *uri = argc > 1 ? argv[1] : "uring-jobs";
	const unsigned int new = IPCX_CREATE | IPCX_EXCL | IPCX_EPHEMERAL;
	struct ipcx_queue *q;
	int r, status = 1;
	pid_t pid;

	if (ipcx_queue_open(&q, uri, new | IPCX_RECV, NULL))
		return fail("open", ipcx_error());
	pid = fork();
	if (!pid)
		_exit(sender(uri));
	r = pid < 0 ? fail("fork", strerror(errno)) : loop(q);
	wait(&status);
	ipcx_queue_close(q);
	return r || status;
}
