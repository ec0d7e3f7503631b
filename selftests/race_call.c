// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_call [ROUNDS [NAME]]: as race, for requests and what ends them. Each must be
 * answered once, by what one of the two did; each slot must be there in the end.
 */
#include "call_util.h"
#include "race.h"

#define NAME "race-call"
#define DEPTH 8
#define ANSWER "an answer"

static struct side caller, server;
static struct end keep; /* of another queue */
static struct ipcx_desc query, ask_b, got, got_b, answer, answer_b;
static int dev = -1;
static pid_t child;

/* without windows: all messages are inline */
static int side_at(struct side *s, unsigned int flags)
{
	s->e.o = (struct ipcx_queue_open){
		.size = sizeof(s->e.o),
		.flags = flags,
		.name = (uintptr_t)NAME,
		.name_len = strlen(NAME),
		.mode = 0600,
		.depth = DEPTH,
		.msg_max = 4096,
	};
	s->e.fd = xioctl(dev, IPCX_IOC_QUEUE_OPEN, &s->e.o);
	return s->e.fd < 0 ? s->e.fd : 0;
}

/* What a call that handles one slot says. Return: 0 or a negative errno. */
static int done(int ret)
{
	return ret == 1 ? 0 : ret ?: -EIO;
}

/* what stays from round to round */

/* What all endpoints need comes with the first queue and goes with the last, see race.c. */
static int open_mounted(void)
{
	dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	memset(&keep, 0, sizeof(keep));
	return dev < 0 ? -errno : end_open(&keep, NULL, CREATE | IPCX_OPEN_RECV);
}

static const char *close_mounted(void)
{
	end_close(&keep);
	close(dev);
	return NULL;
}

static int created(void)
{
	int err = side_at(&caller, CREATE | IPCX_OPEN_EPHEMERAL | IPCX_OPEN_SEND);

	return err ?: side_at(&server, IPCX_OPEN_RECV);
}

static int open_pair(void)
{
	return open_mounted() ?: created();
}

static const char *close_pair(void)
{
	close(caller.e.fd);
	close(server.e.fd);
	return close_mounted();
}

static const struct stage mounted = { open_mounted, close_mounted };
static const struct stage pair = { open_pair, close_pair };

/* what is needed before each round */

static int sent(void)
{
	return done(side_send_inline(&caller, &query, 8, 'q', IPCX_MSG_REQUEST));
}

/* The server holds a request. */
static int held(void)
{
	int err = sent() ?: done(side_take(&server, &got, 0, 0));

	ask_b = query;
	got_b = got;
	return err;
}

static int replied(void)
{
	return held() ?: side_reply(&server, &got, NULL, ANSWER, sizeof(ANSWER));
}

static int loaned(void)
{
	int err = done(side_loan(&caller, &query, 8, IPCX_LOAN_REQUEST | IPCX_LOAN_INLINE));

	query.flags = IPCX_MSG_INLINE;
	return err;
}

/* The server holds a request, and there is a slot for a message. */
static int held_and_loaned(void)
{
	int err = held();

	return err ?: done(side_loan(&caller, &ask_b, 8, IPCX_LOAN_INLINE));
}

static int new_held(void)
{
	return created() ?: held();
}

static int new_loaned(void)
{
	return created() ?: loaned();
}

static int sleep_in_call(void *unused)
{
	go_anywhere();
	side_call(&caller, &query, &answer, later, IPCX_CALL_WAIT);
	return 0;
}

/* A child alone has the caller's end and sleeps in its call, or is about to. */
static int sleeping_child(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	int err = new_held();

	child = clone(sleep_in_call, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	close(caller.e.fd);
	return err ?: child < 0 ? -errno : 0;
}

/* the calls; clang-format has no words for a table of functions */
/* clang-format off */
static int wait_for(int64_t t) { return side_call(&caller, &query, &answer, t, IPCX_CALL_WAIT); }
static int wait_long(void) { return wait_for(later); }
static int wait_short(void) { return wait_for(now_ns() + 30000); }
static int wait_not(void) { return side_call(&caller, &ask_b, &answer_b, 0, IPCX_CALL_WAIT); }
static int call_long(void) { return side_call(&caller, &query, &answer, later, 0); }
static int call_short(void) { return side_call(&caller, &query, &answer, now_ns() + 30000, 0); }
static int answer_long(void) { return side_answer(&caller, &answer, later); }
static int answer_now(void) { return side_answer(&caller, &answer, 0); }
static int take(void) { return side_take(&server, &got, 0, 0); }
static int reply(void) { return side_reply(&server, &got, NULL, ANSWER, sizeof(ANSWER)); }
static int reply_b(void) { return side_reply(&server, &got_b, NULL, ANSWER, sizeof(ANSWER)); }
static int release_b(void) { return done(raw_release(server.e.fd, &got_b)); }
static int commit(void) { return side_commit(&caller, &query, IPCX_MSG_INLINE | IPCX_MSG_REQUEST); }
static int commit_b(void) { return done(side_commit(&caller, &ask_b, IPCX_MSG_INLINE)); }
static int close_caller(void) { return close(caller.e.fd); }
static int close_server(void) { return close(server.e.fd); }
static int kill_child(void) { return kill(child, SIGKILL); }
static int remove_it(void) { return raw_unlink_flags(NAME, IPCX_UNLINK_NOW); }
/* clang-format on */

static int reply_and_take(void)
{
	struct ipcx_desc d = { .slot = IPCX_SLOT_NONE, .flags = IPCX_MSG_INLINE };
	struct ipcx_queue_reply r = {
		.size = sizeof(r),
		.flags = IPCX_REPLY_TAKE,
		.request = (uintptr_t)&got,
		.reply = (uintptr_t)&d,
		.desc_size = sizeof(d),
		.deadline = later,
		.len_max = UINT64_MAX,
		.inline_data = (uintptr_t)server.place,
		.reply_data = (uintptr_t)ANSWER,
	};

	d.len = sizeof(ANSWER);
	return xioctl(server.e.fd, IPCX_IOC_QUEUE_REPLY, &r);
}

/* what must come of them */

static const char *all_there(const struct side *s)
{
	return all_free(s) ? NULL : "a slot is lost, or a message";
}

/* @d: the answer to the request of this round. Return: NULL, or what is wrong. */
static const char *good_answer(const struct ipcx_desc *d)
{
	if (d->seq != query.seq || d->len != sizeof(ANSWER) ||
	    memcmp(caller.place[d->slot], ANSWER, sizeof(ANSWER)))
		return "a wrong answer";
	return raw_release(caller.e.fd, (struct ipcx_desc *)d) == 1 ? NULL : "not released";
}

static const char *no_answer(void)
{
	return answer_now() == -EAGAIN ? all_there(&caller) : "a second answer";
}

static const char *check_replied(void)
{
	int got_it = drill->a == answer_long ? 1 : 0;

	if (ret_b)
		return "not replied";
	if (ret_a == -ETIMEDOUT)
		return timed_out();
	return ret_a != got_it ? "no answer" : good_answer(&answer) ?: no_answer();
}

static const char *check_maybe_replied(void)
{
	if (ret_b || (ret_a && ret_a != -ETIMEDOUT))
		return "neither an answer nor a time-out";
	return (ret_a ? NULL : good_answer(&answer)) ?: no_answer();
}

/* Withdrawn, or taken and replied to in vain. */
static const char *check_maybe_taken(void)
{
	static uint64_t before;
	uint64_t withdrawn = stat_of(&caller).out_withdrawn;
	bool again = withdrawn > before, taken = ret_b == 1;

	before = withdrawn;
	if (ret_a != -ETIMEDOUT || (ret_b != 1 && ret_b != -EAGAIN))
		return "neither taken nor too late";
	if (again == taken)
		return "taken and withdrawn, or neither";
	if (taken && reply())
		return "no reply to one who has given up";
	return no_answer();
}

/* One of two ended it, by a reply or a release. */
static const char *check_one_end(void)
{
	if (!ret_a == !ret_b)
		return "ended twice, or never";
	if (answer_now() != 1)
		return "no answer";
	if (drill->b == release_b && !ret_b)
		return answer.flags & IPCX_MSG_CANCELED && raw_release(caller.e.fd, &answer) == 1 ?
			       no_answer() :
			       "not canceled";
	return good_answer(&answer) ?: no_answer();
}

static const char *check_one_taker(void)
{
	bool by_a = ret_a == 1, by_b = !ret_b;

	if (by_a == by_b)
		return "one answer, but not one taker";
	return good_answer(by_a ? &answer : &answer_b) ?: no_answer();
}

static const char *check_next(void)
{
	if (ret_b)
		return "not sent";
	if (ret_a == -ETIMEDOUT)
		return timed_out();
	if (ret_a || raw_release(server.e.fd, &got) != 1)
		return "the next message did not come";
	return answer_now() == 1 ? good_answer(&answer) ?: no_answer() : "no answer";
}

/* The caller is gone: nobody is told, and the slots come back. */
static const char *check_caller_gone(void)
{
	const char *wrong = ret_a ? "the server is told" : NULL;

	if (drill->b == kill_child)
		waitpid(child, NULL, 0);
	wrong = wrong ?: all_there(&server);
	close(server.e.fd);
	return wrong;
}

static const char *check_server_gone(void)
{
	const char *wrong = ret_a == -EOWNERDEAD ? no_answer() : "no end without a server";

	if (ret_a == -ETIMEDOUT)
		wrong = timed_out();
	close(caller.e.fd);
	return wrong;
}

/* Sent after that it waits, in vain: the last receiver ends only what is there then. */
static const char *check_server_maybe_gone(void)
{
	const char *wrong = ret_a == -EOWNERDEAD || ret_a == -ETIMEDOUT ? no_answer() : "no end";

	if (!wrong && stat_of(&caller).out_withdrawn != 1)
		wrong = "not given up once";
	close(caller.e.fd);
	return wrong;
}

/* Taken at once, or there afterwards. */
static const char *check_dead_answer(void)
{
	const char *wrong = NULL;

	if (ret_a == -EAGAIN)
		ret_a = answer_now();
	if (ret_a != 1 || !(answer.flags & IPCX_MSG_OWNERDEAD) || answer.seq != query.seq)
		wrong = "nobody says that the server is dead";
	if (!wrong && raw_release(caller.e.fd, &answer) != 1)
		wrong = "not released";
	wrong = wrong ?: no_answer();
	close(caller.e.fd);
	return wrong;
}

static const char *check_removed(void)
{
	const char *wrong = NULL;

	if (ret_b || (ret_a != -EIDRM && !(drill->a == commit && ret_a == 1)))
		wrong = ret_a == -ETIMEDOUT ? timed_out() : "neither sent nor removed";
	if (!wrong && (answer_now() != -EIDRM || (ret_a == 1 && wait_long() != -EIDRM)))
		wrong = "it goes on in a queue that was removed";
	close(caller.e.fd);
	close(server.e.fd);
	return wrong;
}

#define SLOW 20 /* of so many rounds one */

static const struct entry drills[] = {
	{ { "call asleep/reply", &pair, held, wait_long, reply, check_replied } },
	{ { "answer asleep/reply", &pair, held, answer_long, reply, check_replied } },
	{ { "call timing out/reply", &pair, held, wait_short, reply, check_maybe_replied } },
	{ { "call timing out/take", &pair, loaned, call_short, take, check_maybe_taken } },
	{ { "reply/reply", &pair, held, reply, reply_b, check_one_end } },
	{ { "reply/release", &pair, held, reply, release_b, check_one_end } },
	{ { "answer/call", &pair, replied, answer_now, wait_not, check_one_taker } },
	{ { "reply and take/send", &pair, held_and_loaned, reply_and_take, commit_b, check_next } },
	{ { "reply/close of the caller", &mounted, new_held, reply, close_caller,
	    check_caller_gone } },
	{ { "reply/kill of the caller", &mounted, sleeping_child, reply, kill_child,
	    check_caller_gone },
	  SLOW },
	{ { "call asleep/close of the server", &mounted, new_held, wait_long, close_server,
	    check_server_gone } },
	{ { "call/close of the server", &mounted, new_loaned, call_short, close_server,
	    check_server_maybe_gone } },
	{ { "answer/close of the server", &mounted, new_held, answer_now, close_server,
	    check_dead_answer } },
	{ { "request/remove", &mounted, new_loaned, commit, remove_it, check_removed } },
	{ { "call/remove", &mounted, new_loaned, call_long, remove_it, check_removed } },
};

int main(int argc, char **argv)
{
	race_main(drills, ARRAY_SIZE(drills), 1000, argc, argv);
}
