// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_topic [ROUNDS [NAME]]: as race, for topics: sleepers and who wakes them by a
 * store and a look at attention, members that come and go, rings that are left and
 * whose place is taken, and windows that change meanwhile.
 */
#include "race_topics.h"

/* what must come of them */

/* Nothing of P is left, and both are closed. */
static const char *p_is_gone(const char *wrong)
{
	return wrong ?: ring_id(place) ? "a ring is left behind" : NULL;
}

static const char *close_both(const char *wrong)
{
	member_close(&p);
	member_close(&s);
	return p_is_gone(wrong);
}

static const char *woken(const char *otherwise)
{
	if (ret_b)
		return "B failed";
	return ret_a == -ETIMEDOUT ? timed_out() : ret_a ? otherwise : NULL;
}

static const char *check_taken(void)
{
	const char *wrong = woken("woken without a message");

	if (!wrong && !is_there(cursor()))
		wrong = "the message is not there";
	return wrong ?: release() ? "not released" : NULL;
}

static const char *check_room(void)
{
	return woken("woken without room");
}

static const char *check_dead(void)
{
	const char *wrong = woken("not told that a publisher is dead");

	if (!wrong && !(keeper.dir->ring[place].flags & IPCX_RING_DEAD))
		wrong = "the directory does not say that it is dead";
	if (!wrong && leave() != IPCX_LEFT_DEAD)
		wrong = "a dead ring cannot be left";
	member_close(&s);
	return p_is_gone(wrong);
}

static const char *check_no_reader(void)
{
	const char *wrong = woken("no room, though there is no reader");

	member_close(&p);
	return p_is_gone(wrong);
}

static const char *check_evicted(void)
{
	const char *wrong = woken("not told that it was evicted");

	if (!wrong && leave() != (IPCX_LEFT_EVICTED | IPCX_LEFT_PROTO))
		wrong = "not evicted";
	return close_both(wrong);
}

static const char *check_left(void)
{
	const char *wrong = ret_b || (ret_a && ret_a != IPCX_LEFT_DEAD) ? "not left" : NULL;

	wrong = p_is_gone(wrong);
	member_close(&s);
	return wrong;
}

static const char *check_joined(void)
{
	const char *wrong = ret_a || ret_b ? "not joined" : NULL;

	member_close(&s);
	return p_is_gone(wrong);
}

static const char *check_two_rings(void)
{
	const char *wrong = ret_a || ret_b ? "not joined" : NULL;

	if (!wrong &&
	    (p.o.out_ring == p2.o.out_ring || ring_id(p.o.out_ring) == ring_id(p2.o.out_ring)))
		wrong = "two publishers with one ring";
	place = p.o.out_ring;
	member_close(&p);
	member_close(&p2);
	return p_is_gone(wrong);
}

static const char *check_two_subs(void)
{
	const char *wrong = ret_a || ret_b ? "not joined" : NULL;
	uint32_t a = s.o.out_sub, b = s2.o.out_sub;

	if (!wrong && (a == b || !reads(0, a) || !reads(0, b)))
		wrong = "two subscriptions that are one, or read nothing";
	if (!wrong && (!bit_of(keeper.dir->reliable, a) || bit_of(keeper.dir->reliable, b)))
		wrong = "not what they asked for";
	member_close(&s);
	member_close(&s2);
	return wrong ?: reads(0, a) || reads(0, b) ? "a reader is left" : NULL;
}

static const char *check_attached(void)
{
	const char *wrong = ret_a || ret_b ? "not joined" : NULL;

	place = p.o.out_ring;
	if (!wrong && (!reads(place, s.o.out_sub) || !reads(0, s.o.out_sub)))
		wrong = "a publisher without its reader";
	return close_both(wrong);
}

static const char *check_one_topic(void)
{
	const char *wrong = ret_a || ret_b ? "not created" : NULL;

	if (!wrong && p.o.out_id != s.o.out_id)
		wrong = "two topics of one name";
	member_close(&p);
	member_close(&s);
	return wrong;
}

/* P2 is the new P, and its first message comes to S. */
static const char *reads_p2(const char *wrong)
{
	p = p2;
	if (!wrong && p.o.out_ring != place)
		wrong = "the place of a ring is not used again";
	if (!wrong && !reads(place, s.o.out_sub))
		wrong = "a new ring has no reader";
	id = ring_id(place);
	if (!wrong && (publish(&p, 'n') || !is_there(cursor())))
		wrong = "the first message does not come";
	return wrong;
}

static const char *close_p_and_leave(const char *wrong)
{
	member_close(&p);
	if (!wrong && leave() != IPCX_LEFT_DEAD)
		wrong = "a dead ring cannot be left";
	return p_is_gone(wrong);
}

/* Whoever was first. */
static const char *check_last_place(void)
{
	const char *wrong = NULL;

	if (ret_a || (ret_b != IPCX_LEFT_DEAD && ret_b != IPCX_LEFT_LOST))
		wrong = "neither left nor lost";
	return close_p_and_leave(reads_p2(wrong));
}

static const char *check_evicted_or_not(void)
{
	const char *wrong = ret_a && ret_a != -ENOENT ? "not evicted" : NULL;
	bool left = drill->b == leave;

	if (!wrong && ret_b != (left && !ret_a ? IPCX_LEFT_EVICTED | IPCX_LEFT_PROTO : 0))
		wrong = "evicted, and not told";
	if (!wrong && (reads(place, s.o.out_sub) || was_evicted(place, s.o.out_sub)))
		wrong = "a reader is left";
	if (left)
		member_close(&s);
	member_close(&p);
	return p_is_gone(wrong);
}

/* From the third before the head that the kernel saw, and not one that was not there. */
static const char *check_history(void)
{
	const char *wrong = ret_a || ret_b ? "not joined" : NULL;
	uint64_t pos = wrong ? 0 : cursor(), head = p.ring->head;

	if (!wrong && head - pos != 3 && head - pos != 4)
		wrong = "a wrong beginning";
	for (; !wrong && pos < head; pos++)
		if (!is_there(pos))
			wrong = "a message is not there";
	return close_both(wrong);
}

static const char *check_no_old_page(void)
{
	const char *wrong = reads_p2(ret_a || ret_b ? "not touched, or not joined" : NULL);
	const struct ipcx_cell *cell = (void *)(window + PAGE);

	if (!wrong && cell->tag != 'n')
		wrong = "a window shows a ring that is gone";
	unmap();
	return close_p_and_leave(wrong);
}

static const char *check_touched(void)
{
	if (ret_b || (ret_a && ret_a != SIGSEGV))
		return "neither read nor unmapped";
	window = map_range(s.fd, PROT_READ, ring_offset(&s, place), s.o.out_ring_window);
	return window ? NULL : "not mapped again";
}

static const char *check_payload(void)
{
	const char *wrong = ret_a || ret_b ? "not touched, or not populated" : NULL;
	char *own = map_range(p.fd, PROT_READ | PROT_WRITE, data_offset(&p, place), PAGE);

	if (!wrong && (!own || probe(own, true)))
		wrong = "what was populated cannot be written";
	if (!wrong && *window != *own)
		wrong = "a window shows another page";
	munmap(own, PAGE);
	munmap(window, PAGE);
	return close_p_and_leave(wrong);
}

/* One of them, or a child, has closed one; @ret_a fails if that was before it began. */
static const char *check_closed(void)
{
	const char *wrong = ret_b || (ret_a && ret_a != -EBADF) ? "failed" : NULL;

	member_close(drill->b == close_p ? &s : &p);
	if (drill->a == add_to_epoll)
		close(epfd);
	if (drill->b == kill_child)
		waitpid(child, NULL, 0);
	return p_is_gone(wrong);
}

static const char *check_other(void)
{
	const char *wrong = ret_a || (ret_b && ret_b != -ENOENT) ? "failed" : NULL;

	if (drill->a == unlink_other)
		member_close(&p);
	if (drill->b == join_other)
		member_close(&p2);
	return wrong;
}

/* of so many rounds one: members that come and go, and processes */
#define COSTLY 2
#define SLOW 20

static const struct entry drills[] = {
	{ { "wait asleep/publish", &pair, not_asked, wait_message, publish_p, check_taken } },
	{ { "poll asleep/publish", &pair, not_asked, poll_message, publish_p, check_taken } },
	{ { "epoll asleep/publish", &edge, not_asked, epoll_message, publish_p, check_taken } },
	{ { "room asleep/release", &pair, full, wait_for_room, release, check_room } },
	{ { "poll for room/release", &pair, full, poll_for_room, release, check_room } },
	{ { "wait asleep/close of the publisher", &kept, attached_no_windows, wait_awake, close_p,
	    check_dead },
	  COSTLY },
	{ { "room asleep/close of the reader", &kept, ahead_no_windows, wait_no_reader, close_s,
	    check_no_reader },
	  COSTLY },
	{ { "wait asleep/evict", &kept, attached_ahead, wait_awake, evict, check_evicted },
	  COSTLY },
	{ { "leave/close of the publisher", &kept, attached_no_windows, leave, close_p,
	    check_left },
	  COSTLY },
	{ { "join/close of a publisher", &kept, published_no_windows, join_s, close_p,
	    check_joined },
	  COSTLY },
	{ { "join/join of publishers", &kept, nothing, join_p, join_p2, check_two_rings }, COSTLY },
	{ { "join/join of readers", &kept, nothing, join_s, join_s2, check_two_subs }, COSTLY },
	{ { "join/join of a reader", &kept, nothing, join_p, join_s, check_attached }, COSTLY },
	{ { "join/leave of the last ring", &crowded, last_is_dead, join_p2, leave,
	    check_last_place },
	  COSTLY },
	{ { "join with history/publish", &kept, published, join_with_history, publish_p,
	    check_history },
	  COSTLY },
	{ { "evict/close of the reader", &kept, ahead_no_windows, evict, close_s,
	    check_evicted_or_not },
	  COSTLY },
	{ { "evict/leave", &kept, ahead_no_windows, evict, leave, check_evicted_or_not }, COSTLY },
	{ { "fault/close and join", &reader, seen_page, touch_window, close_and_join,
	    check_no_old_page },
	  COSTLY },
	{ { "fault/munmap", &windowed, nothing, touch_window, unmap, check_touched } },
	{ { "fault/populate", &reader, unpopulated, touch_payload, populate, check_payload },
	  COSTLY },
	{ { "populate/close", &kept, attached_no_windows, populate, close_p, check_closed },
	  COSTLY },
	{ { "kick/close of the reader", &kept, armed, kick, close_s, check_closed }, COSTLY },
	{ { "kick/kill of a sleeping reader", &kept, sleeping_child, kick, kill_child,
	    check_closed },
	  SLOW },
	{ { "epoll_ctl/close", &kept, with_epoll, add_to_epoll, close_s, check_closed }, COSTLY },
	{ { "create/create", &kept, nothing, create_p, create_s, check_one_topic }, COSTLY },
	{ { "unlink/join", &kept, other, unlink_other, join_other, check_other }, COSTLY },
	{ { "last close/join", &kept, other_ephemeral, close_p, join_other, check_other }, COSTLY },
	{ { "last close/listing", &kept, other_ephemeral, close_p, list, check_other }, COSTLY },
};

int main(int argc, char **argv)
{
	race_main(drills, ARRAY_SIZE(drills), 1000, argc, argv);
}
