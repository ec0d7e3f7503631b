/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Connections: what transports over sockets have in common. One end listens and receives from
 * all who connect; requests and answers go over one connection.
 */
#ifndef IPCX_STREAM_H
#define IPCX_STREAM_H

#include "copied.h"

#define IPCX_CHUNK (64u << 10) /* of payload in a frame: fits into the smallest buffer twice */

/**
 * struct ipcx_conn - one end of a connection, and what is on its way in
 * @next: in a list
 * @number: never used again by its handle
 * @fd: the socket
 * @users: while it is connected one, and one for each reply that is sent over it; under receiving
 * @replying: held while a reply is sent over it
 * @paused: there is no room for what it sends, or none to poll it: it is not in the set; under
 *	receiving, but that of @out of a stream under answering
 * @pid: of its other end, -1 if not verified
 * @uid: likewise
 * @gid: likewise
 * @in: the message that is on its way
 * @head: of the frame that is on its way
 * @wire: the same as it came
 * @have: bytes of the frame, its head included
 * @to: where its payload goes
 * @marked: bytes of a long message that were here when it began, or last went on by a chunk
 * @idle: since then, turns of the timer at which there was nothing to read
 */
struct ipcx_conn {
	struct ipcx_conn *next;
	uint64_t number;
	int fd;
	unsigned int users;
	struct ipcx_lock replying;
	bool paused;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	struct ipcx_assembly in;
	struct ipcx_head head;
	char wire[IPCX_FRAME_SIZE];
	size_t have;
	char *to;
	uint64_t marked;
	unsigned int idle;
};

/**
 * struct ipcx_stream - a handle whose messages go over connections
 * @c: what all that copy have
 * @family: of its sockets
 * @packets: SOCK_SEQPACKET, which keeps each frame whole
 * @sum: payload has a checksum
 * @listener: or -1
 * @timer: in the set, for who must look again without being woken; or -1
 * @turn: where to begin to look for messages
 * @last: of @peers, the one whose short message came last, and who may have more; or NULL
 * @lone: of @peers, the only one, as long as nobody polls: it is not in the set; or NULL
 * @looked: when others were looked for last, in ticks
 * @spare: with @packets, room for one frame of a peer, under receiving
 * @out: to who receives; its fd is -1 while there is none. Changed under sending and answering
 * @deaf: there was no descriptor for one more peer, or no room to poll: the listener is not in
 *	the set
 * @ticking: @timer runs
 * @waiting: there are peers that are paused until there is room for what they send
 * @lost: @out is of no use any more
 * @peers: from who sends; under receiving
 * @over: of them, the one with whom there is too much of messages that are not whole; it alone
 *	goes on, so there is never more than one message too much
 * @arrived: bytes of long messages of @peers that are not whole
 * @numbers: the last of a connection
 * @connect: a non-blocking socket to who receives, -EAGAIN if nobody does, or an errno
 * @connected: check a connection and fill in whose it is, if that is known. False: drop it
 */
struct ipcx_stream {
	struct ipcx_copied c;
	int family;
	bool packets, sum, deaf, ticking, waiting, lost;
	int listener, timer;
	unsigned int turn;
	uint64_t looked;
	char *spare;
	struct ipcx_conn out, *peers, *over, *last, *lone;
	uint64_t arrived, numbers;
	int (*connect)(struct ipcx_stream *s);
	bool (*connected)(struct ipcx_stream *s, struct ipcx_conn *conn);
};

/* Polls the listener @s->listener if there is one, else connects if somebody is there. */
int ipcx_stream_start(struct ipcx_stream *s, unsigned int flags);

/* For struct ipcx_mech */
void ipcx_stream_close(struct ipcx_copied *c, bool forked);
int ipcx_stream_room(struct ipcx_copied *c, int64_t deadline);
int ipcx_stream_send(struct ipcx_copied *c, struct ipcx_buffer *b);
bool ipcx_stream_polled(struct ipcx_copied *c);
int ipcx_stream_receive(struct ipcx_copied *c, struct ipcx_buffer **b);
int ipcx_stream_reply(struct ipcx_copied *c, struct ipcx_buffer *request, struct ipcx_buffer *b);
int ipcx_stream_expect(struct ipcx_copied *c, struct ipcx_buffer *b);
int ipcx_stream_answer(struct ipcx_copied *c, struct ipcx_buffer **b);
int ipcx_stream_fd(struct ipcx_copied *c, enum ipcx_way way, short *events);
uint64_t ipcx_stream_queued(struct ipcx_copied *c);

/* stream.c, for stream_peers.c: a connection, and one message over it */
bool ipcx_stream_connected(struct ipcx_stream *s, struct ipcx_conn *conn);
int ipcx_stream_write(const struct ipcx_stream *s, int fd, struct ipcx_buffer *b);
bool ipcx_stream_poll_out(struct ipcx_stream *s);
int ipcx_stream_wait_to_go_on(int fd, int64_t deadline);
int ipcx_stream_read(struct ipcx_stream *s, struct ipcx_conn *conn, struct ipcx_buffer **b);

/* stream_peers.c, for stream.c */
int ipcx_stream_listen(struct ipcx_stream *s);
void ipcx_stream_drop_peers(struct ipcx_stream *s, bool forked);
bool ipcx_stream_no_room(struct ipcx_stream *s, struct ipcx_conn *conn);

#endif /* IPCX_STREAM_H */
