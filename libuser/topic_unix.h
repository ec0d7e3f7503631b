/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Topics over UNIX sockets. Nobody stands between members, and no thread or daemon is there.
 *
 * Each subscriber listens at a socket of its own, and each publisher connects to all of them: what
 * is sent lies in the buffers of the kernel until it is taken, though the subscriber has not come
 * to accept the connection yet, and though the publisher is gone. The subscribers are in a table
 * in the file of the topic's place, which says beside its attributes (topic_attrs.h): the number
 * and kind of each, and a generation that each who comes counts up when it listens. A publisher
 * reads the generation before it loans: one that was open then is not missed.
 *
 * Any member may be killed at any moment. Who is in the table has a lock on a byte of the file,
 * which goes with its process; its number is in the table before there is a socket of that number,
 * so that whoever comes or goes next finds what a dead one left and takes it away. Numbers are
 * random, so nobody takes the socket of another one for it, or its name before. Who changes the
 * table has a lock on the byte MUTEX; a death there leaves at worst a number without a socket, or
 * with one that is not counted: nobody was told that this subscriber is open.
 *
 * A message is one packet: the head of a frame and the payload, or where that is longer than a
 * share of the buffer for each of depth messages, the head and a memfd that is sealed against any
 * change. So it goes whole or not at all, nothing is put together, and whoever receives needs
 * memory for one message at a time, of at most msg_max bytes, for which he has asked by a take.
 * The memory of a memfd is mapped only after its seals and size were looked at.
 *
 * Publishers wait for a subscriber that is not lossy: it says over the connection up to where it
 * has released, and they send no more than depth messages beyond; the buffers hold those, so that
 * a commit never waits. At lag_max it is cut off, which is told behind what it has. What does not
 * fit into the buffer of a lossy one is not sent, and it sees by the numbers of messages how many
 * it missed; it only says how many long ones it has taken, of which few may be on their way.
 * That a peer is dead is told by the end of its socket, which wakes whoever waits for it. Whoever
 * sends what is no frame loses his connection, and nobody else does.
 *
 * LOCKS: the handle's, for all; MUTEX is inside of it, and taken only to open and to close.
 */
#ifndef IPCX_TOPIC_UNIX_H
#define IPCX_TOPIC_UNIX_H

#include "frame.h"
#include "place.h"
#include "topic.h"

#define IPCX_UNIX_DEPTH_MAX 256 /* so many short messages fit into the buffer of a socket */
#define IPCX_UNIX_INLINE_MAX (32u << 10)
#define IPCX_UNIX_HANDED_MAX 8 /* long ones on their way to who is lossy, and may have stopped */
#define IPCX_UNIX_HURRY_NS 10000000 /* after that what nobody tells of is tried again */
#define IPCX_UNIX_STUCK_NS (10 * IPCX_UNIX_HURRY_NS) /* and then given up, if there is a lag_max */

/**
 * struct ipcx_piece - a message that a handle has
 * @next: of those that are taken
 * @number: of the loan; of one taken, its place among those that were taken
 * @peer: of one taken: the connection that it came over
 * @state: of a loan
 * @b: its head and, if it is short, its payload; b->fd is of a long one that was committed
 * @map: of a long one, or NULL
 * @map_len: bytes of it
 */
struct ipcx_piece {
	struct ipcx_piece *next;
	uint64_t number, peer;
	enum { IPCX_PIECE_LOANED, IPCX_PIECE_READY, IPCX_PIECE_SKIPPED } state;
	struct ipcx_buffer *b;
	void *map;
	size_t map_len;
};

/**
 * struct ipcx_unix_sub - a subscriber, as its publisher sees it
 * @id: its number; 0: none at this place of the table
 * @fd: the connection, -1 if it is cut off or gone
 * @lossy: it is
 * @pos: position of the next that it gets
 * @sent: it was sent those below; a lossy one so many long ones
 * @acked: it has released those below; a lossy one has taken so many long ones
 * @stuck: since then the next of a reliable one could not be sent, or 0
 */
struct ipcx_unix_sub {
	uint64_t id;
	int fd;
	bool lossy;
	uint64_t pos, sent, acked;
	int64_t stuck;
};

/**
 * struct ipcx_unix_pub - a publisher, as its subscriber sees it
 * @next: in a list
 * @number: never used again by its handle
 * @fd: the connection
 * @from: who it is
 * @begun: a message came
 * @nr: of the next message, if @begun
 * @released: up to where messages are released, or by who is lossy how many long ones were taken
 * @told: what it was told of that
 */
struct ipcx_unix_pub {
	struct ipcx_unix_pub *next;
	uint64_t number;
	int fd;
	struct ipcx_topic_from from;
	bool begun;
	uint64_t nr, released, told;
};

/**
 * struct ipcx_topic_unix - of a handle
 * @place: the file, and where sockets are
 * @joined: it is a member, or about to be
 * @undo: it did not become one, and has made the file
 * @slot: the own one in the table, or -1
 * @id: the own number, 0 for none
 * @polled: the application polls
 * @generation: of the table, up to which @sub is known
 * @subs: epoll of the connections to subscribers, or -1
 * @starved: @subs is in what the application polls, because a loan failed
 * @hurry: something is to be sent again when nobody tells of it
 * @timer: in what the application polls, or -1
 * @soon: @timer is set, while @starved and @hurry or @unmet
 * @unmet: somebody could not be connected to, which is tried again, too
 * @leads: a thread waits for room that subscribers tell of in @subs, or another thread in @again
 * @followers: threads that wait until the handle's @wakes changes
 * @again: eventfd
 * @inline_max: longest message without a memfd
 * @nr: of the next message
 * @tail: positions below are done with, those below @flush are sent as far as there is room,
 *	those from @head on are not used yet
 * @flush: see there
 * @head: likewise
 * @bytes: of payload on loan, and in messages from @counted on
 * @counted: number of the first message that somebody has not released
 * @numbers: the last of a loan, a connection, or a message taken
 * @ring: messages by position
 * @len: bytes of messages by number
 * @sub: subscribers by place in the table
 * @listener: or -1
 * @pubs: epoll of @listener and the connections of publishers, or -1
 * @poke: eventfd in @pubs, for who polls edge-triggered
 * @deaf: there was no descriptor for one more, so @listener is not in @pubs
 * @untold: a publisher could not be told what is released
 * @pub: publishers
 * @taken: messages
 * @ntaken: their number
 * @cut: publishers that cut this one off, not told yet
 * @broken: that sent nonsense, not told yet
 * @missed: messages that did not come
 */
struct ipcx_topic_unix {
	struct ipcx_place place;
	bool joined, undo;
	int slot;
	uint64_t id;
	bool polled;
	uint64_t generation;
	int subs;
	bool starved, hurry;
	int timer;
	bool soon, unmet, leads;
	unsigned int followers;
	int again;
	size_t inline_max;
	uint64_t nr, tail, flush, head, bytes, counted, numbers;
	struct ipcx_piece **ring;
	size_t *len;
	struct ipcx_unix_sub *sub;
	int listener, pubs, poke;
	bool deaf, untold;
	struct ipcx_unix_pub *pub;
	struct ipcx_piece *taken;
	unsigned int ntaken, cut, broken;
	uint64_t missed;
};

/* What HOLDER is of a message taken and of a loan */
#define IPCX_UNIX_TAKEN 2
#define IPCX_UNIX_LOANED 3

/* topic_unix.c: can this be the name of one? Explains. */
int ipcx_unix_topic_check(const char *name);
/* There may be room: all threads that have looked before this, or look now, look again. */
void ipcx_unix_wake(struct ipcx_topic *t);

/* topic_unix_place.c; all but the last two explain their failures */
int ipcx_unix_find(struct ipcx_topic *t); /* 0: with MUTEX locked; or negative as @open */
int ipcx_unix_join(struct ipcx_topic *t); /* with it, as all but the last one */
void ipcx_unix_leave(struct ipcx_topic *t);
bool ipcx_unix_alone(const struct ipcx_topic_unix *u);
int ipcx_unix_remove(const char *name);
/* Connects to those who came, and forgets who is gone. A bare negative errno. */
int ipcx_unix_meet(struct ipcx_topic *t);

/* topic_unix_piece.c; a bare negative errno */
struct ipcx_piece *ipcx_piece_new(size_t len, bool is_long);
int ipcx_piece_seal(struct ipcx_piece *p, size_t len);
int ipcx_piece_map(struct ipcx_piece *p, int fd);
void *ipcx_piece_data(const struct ipcx_piece *p);
void ipcx_piece_free(struct ipcx_piece *p);
/* One packet. Return: 0, -EAGAIN if there is no room, or -EPIPE. */
int ipcx_unix_send(int fd, char wire[IPCX_FRAME_SIZE], size_t len, int handed);
void ipcx_unix_tell(char wire[IPCX_FRAME_SIZE], enum ipcx_frame_kind kind, uint64_t id);

/* topic_unix_pub.c; for struct ipcx_topic_transport */
int ipcx_unix_pub_start(struct ipcx_topic *t);
int ipcx_unix_loan(struct ipcx_topic *t, size_t len, struct ipcx_msg *m);
int ipcx_unix_commit(struct ipcx_topic *t, const struct ipcx_msg *m);
int ipcx_unix_cancel(struct ipcx_topic *t, const struct ipcx_msg *m);
void ipcx_unix_starve(struct ipcx_topic *t, bool on);
void ipcx_unix_hear(struct ipcx_topic *t);
void ipcx_unix_pub_end(struct ipcx_topic *t);
void ipcx_unix_drop_sub(struct ipcx_topic *t, struct ipcx_unix_sub *s);

/* topic_unix_sub.c; likewise */
int ipcx_unix_sub_start(struct ipcx_topic *t);
int ipcx_unix_take(struct ipcx_topic *t, size_t cap, struct ipcx_msg *m);
int ipcx_unix_release(struct ipcx_topic *t, const struct ipcx_msg *m);

#endif /* IPCX_TOPIC_UNIX_H */
