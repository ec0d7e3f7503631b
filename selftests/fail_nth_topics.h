/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Topics for fail_nth. The structs are longer than the kernel knows: these it copies
 * by functions that can be made to fail.
 */
#ifndef FAIL_NTH_TOPICS_H
#define FAIL_NTH_TOPICS_H

#include "topic_util.h"

#define TOPIC	"fail-nth-topic"
#define PAYLOAD	(20 * PAGE)

static struct {
	struct member p, s; /* a publisher and a subscriber */
	char *map;
	size_t len; /* of that */
	int dev;
} t;

/* each with one more word than the kernel knows */
struct long_topic_open {
	struct ipcx_topic_open a;
	uint64_t none;
};

struct long_topic_wait {
	struct ipcx_topic_wait a;
	uint64_t none;
};

struct long_topic_kick {
	struct ipcx_topic_kick a;
	uint64_t none;
};

struct long_topic_populate {
	struct ipcx_topic_populate a;
	uint64_t none;
};

struct long_topic_evict {
	struct ipcx_topic_evict a;
	uint64_t none;
};

struct long_topic_leave {
	struct ipcx_topic_leave a;
	uint64_t none;
};

struct long_topic_ring {
	struct ipcx_topic_ring a;
	uint64_t none;
};

static int with_topic_device(void)
{
	memset(&t, 0, sizeof(t));
	t.dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	return t.dev < 0 ? -errno : 0;
}

static int topic_join(struct member *m, unsigned int flags)
{
	m->o = (struct ipcx_topic_open){
		.depth = IPCX_TOPIC_DEPTH_MIN,
		.lag_max = IPCX_TOPIC_DEPTH_MIN,
		.msg_max = PAYLOAD,
	};
	return member_open(m, TOPIC, flags);
}

static int with_publisher(void)
{
	return with_topic_device() ?: topic_join(&t.p, CREATE | PUBLISH | IPCX_OPEN_EPHEMERAL);
}

static int with_reader(void)
{
	return with_topic_device() ?: topic_join(&t.s, CREATE | SUBSCRIBE | IPCX_OPEN_EPHEMERAL);
}

static int with_members(void)
{
	return with_publisher() ?: topic_join(&t.s, SUBSCRIBE);
}

static int with_sent(void)
{
	return with_members() ?: publish(&t.p, 'm');
}

/* The reader may be evicted. */
static int with_lag(void)
{
	int err = with_members();

	for (int i = 0; !err && i < IPCX_TOPIC_DEPTH_MIN; i++)
		err = publish(&t.p, 'm');
	return err;
}

static int with_dead_ring(void)
{
	int err = with_sent();

	member_close(&t.p);
	return err;
}

/* @m: whose window is under test */
static int with_payload(const struct member *m, int prot)
{
	char *own;

	if (with_members() || raw_populate(t.p.fd, 0, PAYLOAD) != PAYLOAD)
		return -EBADMSG;
	own = map_range(t.p.fd, PROT_READ | PROT_WRITE, data_offset(&t.p, 0), PAYLOAD);
	if (!own)
		return -errno;
	memset(own, 'm', PAYLOAD);
	munmap(own, PAYLOAD);
	t.map = map_range(m->fd, prot, data_offset(m, 0), PAYLOAD);
	t.len = PAYLOAD;
	return t.map ? 0 : -errno;
}

static int with_own_payload(void)
{
	return with_payload(&t.p, PROT_READ | PROT_WRITE);
}

static int with_seen_payload(void)
{
	return with_payload(&t.s, PROT_READ);
}

static void no_topic(void)
{
	if (t.p.fd > 0)
		member_close(&t.p);
	if (t.s.fd > 0)
		member_close(&t.s);
	close(t.dev);
}

static void no_window(void)
{
	munmap(t.map, t.len);
	no_topic();
}

/* A reply that could not be written must not leave a member behind: run() counts them. */
static int run_join(unsigned int flags)
{
	struct long_topic_open o = { {
		.size = sizeof(o),
		.flags = flags,
		.name = (uintptr_t)TOPIC,
		.name_len = sizeof(TOPIC) - 1,
		.mode = 0600,
		.depth = IPCX_TOPIC_DEPTH_MIN,
	} };
	int fd = xioctl(t.dev, IPCX_IOC_TOPIC_OPEN, &o);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int run_topic_create(void)
{
	return run_join(CREATE | PUBLISH | SUBSCRIBE | IPCX_OPEN_EPHEMERAL);
}

static int run_topic_anonymous(void)
{
	struct long_topic_open o = { { .size = sizeof(o), .flags = CREATE | PUBLISH | SUBSCRIBE } };
	int fd = xioctl(t.dev, IPCX_IOC_TOPIC_OPEN, &o);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int run_join_publish(void)
{
	return run_join(PUBLISH);
}

static int run_join_subscribe(void)
{
	return run_join(SUBSCRIBE);
}

static int run_join_lossy(void)
{
	return run_join(SUBSCRIBE | IPCX_TOPIC_LOSSY);
}

static int run_join_both(void)
{
	return run_join(PUBLISH | SUBSCRIBE);
}

static int topic_wait_long(int fd, unsigned int flags)
{
	struct long_topic_wait w = { { .size = sizeof(w), .flags = flags } };
	int ret = xioctl(fd, IPCX_IOC_TOPIC_WAIT, &w);

	return ret == -EAGAIN ? 0 : ret;
}

static int run_wait_message(void)
{
	return topic_wait_long(t.s.fd, IPCX_WAIT_MESSAGE);
}

static int run_wait_room(void)
{
	return topic_wait_long(t.p.fd, IPCX_WAIT_ROOM);
}

static int topic_kick_long(int fd, unsigned int flags)
{
	struct long_topic_kick k = { { .size = sizeof(k), .flags = flags } };

	return xioctl(fd, IPCX_IOC_TOPIC_KICK, &k);
}

static int run_kick_subscribers(void)
{
	return topic_kick_long(t.p.fd, IPCX_KICK_SUBSCRIBERS);
}

static int run_kick_publishers(void)
{
	return topic_kick_long(t.s.fd, IPCX_KICK_PUBLISHERS);
}

static int run_populate(void)
{
	struct long_topic_populate p = { { .size = sizeof(p), .slot = 1, .len = PAYLOAD } };
	int ret = xioctl(t.p.fd, IPCX_IOC_TOPIC_POPULATE, &p);

	return ret || p.a.out_len >= PAYLOAD ? ret : -EBADMSG;
}

static int run_evict(void)
{
	struct long_topic_evict v = { { .size = sizeof(v), .sub = t.s.o.out_sub } };
	int ret = xioctl(t.p.fd, IPCX_IOC_TOPIC_EVICT, &v);

	if (ret)
		return ret;
	return t.p.dir->ring[0].evicted[0] == 1 ? 0 : -EBADMSG;
}

static int run_leave(void)
{
	const struct ipcx_dir_ring *d = &t.s.dir->ring[0];
	struct long_topic_leave l = { { .size = sizeof(l), .id = d->id } };
	int ret = xioctl(t.s.fd, IPCX_IOC_TOPIC_LEAVE, &l);

	if (ret == -ENOENT && !d->subs[0])
		return 0; /* the first time the answer was lost */
	return ret || !d->subs[0] ? ret : -EBADMSG;
}

static int run_ring(void)
{
	struct long_topic_ring r = { { .size = sizeof(r), .id = t.s.dir->ring[0].id } };
	int ret = xioctl(t.s.fd, IPCX_IOC_TOPIC_RING, &r);

	return ret || r.a.out_pid == getpid() ? ret : -EBADMSG;
}

static int run_topic_unlink(void)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.name = (uintptr_t)TOPIC,
		.name_len = sizeof(TOPIC) - 1,
		.kind = IPCX_KIND_TOPIC,
	};

	return xioctl(t.dev, IPCX_IOC_UNLINK, &u);
}

static int run_poll_message(void)
{
	struct pollfd f = { .fd = t.s.fd, .events = POLLIN };

	return poll(&f, 1, 0) < 0 ? -errno : 0;
}

/* The faults come to pass all the same: the kernel repeats one that finds no memory. */
static int map_and_read(const struct member *m, uint64_t offset, uint64_t len)
{
	t.map = map_range(m->fd, PROT_READ, offset, len);
	t.len = len;
	for (uint64_t i = 0; t.map && i < len; i += PAGE)
		(void)*(volatile char *)(t.map + i);
	return t.map ? 0 : -errno;
}

static int run_map_directory(void)
{
	return map_and_read(&t.s, 0, PAGE);
}

static int run_map_control(void)
{
	return map_and_read(&t.p, t.p.o.out_control_offset, PAGE);
}

static int run_map_own_control(void)
{
	return map_and_read(&t.s, t.s.o.out_control_offset, PAGE);
}

static int run_map_ring(void)
{
	return map_and_read(&t.s, t.s.o.out_ring_offset, t.s.o.out_ring_window);
}

static int run_map_own_ring(void)
{
	return map_and_read(&t.p, t.p.o.out_ring_offset, t.p.o.out_ring_window);
}

/* Nobody is there. */
static int run_map_dead_page(void)
{
	return map_and_read(&t.s, t.s.o.out_ring_offset + t.s.o.out_ring_window, PAGE);
}

static int run_write_payload(void)
{
	memset(t.map, 'w', PAYLOAD);
	return 0;
}

static int run_read_payload(void)
{
	for (size_t i = 0; i < PAYLOAD; i += PAGE)
		if (t.map[i] != 'm')
			return -EBADMSG;
	return 0;
}

#endif /* FAIL_NTH_TOPICS_H */
