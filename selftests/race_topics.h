/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What races in race_topic: the members, what is needed before each round, and each
 * call with all its arguments bound.
 *
 * A keeper publishes on ring 0, so that the topic and its directory stay.
 */
#ifndef RACE_TOPICS_H
#define RACE_TOPICS_H

#include <sys/epoll.h>

#include "topic_util.h"

#include "race.h"

#define NAME "race-topic"
#define OTHER "race-other"
#define DEPTH IPCX_TOPIC_DEPTH_MIN

static struct member keeper, p, p2, s, s2;
static struct member crowd[IPCX_TOPIC_RINGS - 2];
static char *window; /* of P's ring, or of the payload of its first message, as S has it */
static struct ipcx_info before;
static uint32_t place; /* number of P's ring */
static uint64_t id; /* and what it is called, where P may be gone */
static int dev = -1, epfd = -1;
static pid_t child;

static int join(struct member *m, const char *name, unsigned int flags)
{
	*m = (struct member){ .o.depth = DEPTH, .o.msg_max = PAGE };
	return member_open(m, name, flags);
}

/* Without windows the last copy of its descriptor is all that keeps a member. */
static void no_windows(struct member *m)
{
	struct member bare = { .fd = m->fd, .o = m->o };

	m->fd = -1;
	member_close(m);
	*m = bare;
}

static uint64_t ring_id(uint32_t ring)
{
	return __atomic_load_n(&keeper.dir->ring[ring].id, __ATOMIC_ACQUIRE);
}

static bool bit_of(const __u64 *mask, uint32_t sub)
{
	return __atomic_load_n(&mask[sub / 64], __ATOMIC_ACQUIRE) >> sub % 64 & 1;
}

static bool reads(uint32_t ring, uint32_t sub)
{
	return bit_of(keeper.dir->ring[ring].subs, sub);
}

static bool was_evicted(uint32_t ring, uint32_t sub)
{
	return bit_of(keeper.dir->ring[ring].evicted, sub);
}

static uint64_t cursor(void)
{
	return s.control->cursor[place];
}

/* Has P's message of that position come to S? */
static bool is_there(uint64_t pos)
{
	return __atomic_load_n(&cell_at(ring_of(&s, place), &s, pos)->word, __ATOMIC_ACQUIRE) ==
	       (pos << 2 | IPCX_CELL_PUBLISHED);
}

/* what stays from round to round */

static int account(struct ipcx_info *info)
{
	*info = (struct ipcx_info){ .size = sizeof(*info) };
	return xioctl(dev, IPCX_IOC_INFO, info);
}

static int open_kept(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	if (dev < 0 || account(&before))
		return -errno;
	return join(&keeper, NAME, CREATE | PUBLISH | IPCX_OPEN_EPHEMERAL);
}

static const char *close_kept(void)
{
	struct ipcx_info after;
	const char *wrong = NULL;

	member_close(&keeper);
	if (account(&after) || after.out_user_bytes != before.out_user_bytes ||
	    after.out_user_queues != before.out_user_queues)
		wrong = "an account is not what it was";
	close(dev);
	return wrong;
}

static int open_reader(void)
{
	return open_kept() ?: join(&s, NAME, SUBSCRIBE);
}

static const char *close_reader(void)
{
	member_close(&s);
	return close_kept();
}

static int join_as_p(void)
{
	int err = join(&p, NAME, PUBLISH);

	place = p.o.out_ring;
	id = err ? 0 : ring_id(place);
	return err;
}

static int open_pair(void)
{
	return open_reader() ?: join_as_p();
}

static const char *close_pair(void)
{
	member_close(&p);
	return close_reader();
}

static int open_window(void)
{
	int err = open_pair();

	window = map_range(s.fd, PROT_READ, ring_offset(&s, place), s.o.out_ring_window);
	return err ?: window ? 0 : -errno;
}

static const char *close_window(void)
{
	munmap(window, s.o.out_ring_window);
	return close_pair();
}

static int open_edge(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int err = open_pair();

	epfd = epoll_create1(EPOLL_CLOEXEC);
	return err ?: epoll_ctl(epfd, EPOLL_CTL_ADD, s.fd, &ev) ? -errno : 0;
}

static const char *close_edge(void)
{
	close(epfd);
	return close_pair();
}

/* All rings but one. */
static int open_crowded(void)
{
	int err = open_reader();

	for (int i = 0; !err && i < ARRAY_SIZE(crowd); i++)
		err = join(&crowd[i], NAME, PUBLISH);
	return err;
}

static const char *close_crowded(void)
{
	for (int i = 0; i < ARRAY_SIZE(crowd); i++)
		member_close(&crowd[i]);
	return close_reader();
}

static const struct stage kept = { open_kept, close_kept };
static const struct stage reader = { open_reader, close_reader };
static const struct stage pair = { open_pair, close_pair };
static const struct stage windowed = { open_window, close_window };
static const struct stage edge = { open_edge, close_edge };
static const struct stage crowded = { open_crowded, close_crowded };

/* what is needed before each round; in those of "kept" S is new, too */

static int nothing(void)
{
	return 0;
}

/* Who was woken has asked for a kick once more: it comes here, so that A has to ask anew. */
static int not_asked(void)
{
	return publish(&p, 'm') ?: cursor_set(&s, place, p.ring->head);
}

static int full(void)
{
	int err = cursor_set(&s, place, cursor()); /* likewise */

	while (!err && p.ring->head - cursor() < DEPTH)
		err = publish(&p, 'm');
	return err;
}

static int attached(void)
{
	return join(&s, NAME, SUBSCRIBE) ?: join_as_p();
}

/* S is nowhere in P's ring: nothing is there for it, and it may be evicted. */
static int attached_ahead(void)
{
	return attached() ?: cursor_set(&s, place, 1000);
}

/* P, or S, is closed as soon as its file is: no window keeps it. */
static int attached_no_windows(void)
{
	int err = attached();

	no_windows(&p);
	no_windows(&s);
	return err;
}

static int ahead_no_windows(void)
{
	int err = attached_ahead();

	no_windows(&s);
	return err;
}

/* Somebody sleeps, as far as P knows. */
static int armed(void)
{
	struct pollfd f = { .events = POLLIN };
	int err = attached_no_windows();

	f.fd = s.fd;
	return err ?: poll(&f, 1, 0) ? -EBADMSG : 0;
}

static int with_epoll(void)
{
	epfd = epoll_create1(EPOLL_CLOEXEC);
	return epfd < 0 ? -errno : attached_no_windows();
}

static int published(void)
{
	int err = join_as_p();

	for (int i = 0; !err && i < 5; i++)
		err = publish(&p, 'm');
	return err;
}

static int published_no_windows(void)
{
	int err = published();

	no_windows(&p);
	return err;
}

/* P is dead at the last place there is, and S has not left it. */
static int last_is_dead(void)
{
	int err = published();

	member_close(&p);
	return err;
}

/* S has the place of P's ring mapped, and does not read it. */
static int seen_page(void)
{
	int err = published();

	if (!err && raw_leave(s.fd, place, id))
		err = -EBADMSG;
	window = map_range(s.fd, PROT_READ, ring_offset(&s, place), s.o.out_ring_window);
	no_windows(&p);
	return err ?: window ? 0 : -errno;
}

static int unpopulated(void)
{
	int err = join_as_p();

	window = map_range(s.fd, PROT_READ, data_offset(&s, place), PAGE);
	return err ?: window ? 0 : -errno;
}

static int sleep_in_wait(void *unused)
{
	go_anywhere();
	raw_wait(s.fd, IPCX_WAIT_MESSAGE, later);
	return 0;
}

/* A child alone has S and sleeps, or is about to. */
static int sleeping_child(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	int err = attached_no_windows();

	child = clone(sleep_in_wait, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	close(s.fd);
	return err ?: child < 0 ? -errno : 0;
}

static int other(void)
{
	return join(&p, OTHER, CREATE | PUBLISH | SUBSCRIBE);
}

static int other_ephemeral(void)
{
	int err = join(&p, OTHER, CREATE | PUBLISH | SUBSCRIBE | IPCX_OPEN_EPHEMERAL);

	no_windows(&p);
	return err;
}

/* the calls; clang-format has no words for a table of functions */
/* clang-format off */
static int close_p(void) { return close(p.fd); }
static int close_s(void) { return close(s.fd); }
static int join_p(void) { return join(&p, NAME, PUBLISH); }
static int join_p2(void) { return join(&p2, NAME, PUBLISH); }
static int join_s(void) { return join(&s, NAME, SUBSCRIBE); }
static int join_s2(void) { return join(&s2, NAME, SUBSCRIBE | IPCX_TOPIC_LOSSY); }
static int create_p(void) { return join(&p, OTHER, CREATE | PUBLISH | IPCX_OPEN_EPHEMERAL); }
static int create_s(void) { return join(&s, OTHER, CREATE | SUBSCRIBE | IPCX_OPEN_EPHEMERAL); }
static int join_other(void) { return join(&p2, OTHER, PUBLISH); }
static int evict(void) { return raw_evict(p.fd, s.o.out_sub, 0); }
static int leave(void) { return raw_leave(s.fd, place, id); }
static int kick(void) { return raw_kick(p.fd, IPCX_KICK_SUBSCRIBERS); }
static int populate(void) { return raw_populate(p.fd, 0, PAGE) == PAGE ? 0 : -errno; }
static int unmap(void) { return munmap(window, s.o.out_ring_window); }
static int publish_p(void) { return publish(&p, 0); }
static int release(void) { return cursor_set(&s, place, cursor() + 1); }
static int touch_window(void) { return probe(window + PAGE, false); }
static int touch_payload(void) { return probe(window, false); }
static int kill_child(void) { return kill(child, SIGKILL); }
/* clang-format on */

static int wait_awake(void)
{
	return in_time(raw_wait(s.fd, IPCX_WAIT_MESSAGE, later));
}

/* Return: -EBADMSG if it was said that there is a message, and there is none. */
static int there(int ret)
{
	return ret || is_there(cursor()) ? ret : -EBADMSG;
}

static int wait_message(void)
{
	return there(wait_awake());
}

static int poll_for(int fd, short events)
{
	struct pollfd f = { .fd = fd, .events = events };
	int ret = poll(&f, 1, LATER_MS);

	return in_time(ret == 1 ? 0 : ret ? -errno : -ETIMEDOUT);
}

static int poll_message(void)
{
	return there(poll_for(s.fd, POLLIN));
}

static int epoll_message(void)
{
	struct epoll_event ev;
	int ret = epoll_wait(epfd, &ev, 1, LATER_MS);

	return there(in_time(ret == 1 ? 0 : ret ? -errno : -ETIMEDOUT));
}

static int room(int ret)
{
	return ret || p.ring->head - cursor() < DEPTH ? ret : -EBADMSG;
}

static int wait_for_room(void)
{
	return room(in_time(raw_wait(p.fd, IPCX_WAIT_ROOM, later)));
}

static int poll_for_room(void)
{
	return room(poll_for(p.fd, POLLOUT));
}

static int wait_no_reader(void)
{
	return in_time(raw_wait(p.fd, IPCX_WAIT_ROOM, later));
}

static int unlink_other(void)
{
	struct ipcx_unlink u = {
		.size = sizeof(u),
		.name = (uintptr_t)OTHER,
		.name_len = strlen(OTHER),
		.kind = IPCX_KIND_TOPIC,
	};

	return xioctl(dev, IPCX_IOC_UNLINK, &u);
}

static int join_with_history(void)
{
	s = (struct member){ .o.history = 3 };
	return member_open(&s, NAME, SUBSCRIBE);
}

static int close_and_join(void)
{
	return close(p.fd) ?: join(&p2, NAME, PUBLISH);
}

static int add_to_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, s.fd, &ev) ? -errno : 0;
}

static int list(void)
{
	static char buf[4096];

	return !get_file("/proc/net/ipcx", buf, sizeof(buf));
}

#endif /* RACE_TOPICS_H */
