// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listening to what the module tells the groups of its netlink family.
 */
#include "netlink.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include "util.h"

/* Bytes of events that wait until they are read; beyond that they are lost */
#define BUFFER (4 << 20)

/* Number of the family, for as long as the module stays */
static int family;

/* Who gets the messages of one datagram */
struct listener {
	event_fn *each;
	void *arg;
};

static int on_message(struct nl_msg *msg, void *arg)
{
	const struct listener *l = arg;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct nlattr *attrs[ATTRS];

	if (nlh->nlmsg_type == family && genlmsg_parse(nlh, 0, attrs, ATTRS - 1, NULL) >= 0)
		l->each(genlmsg_hdr(nlh)->cmd, attrs, l->arg);
	return NL_OK;
}

static int join(struct nl_sock *sk, const char *group)
{
	int id = genl_connect(sk) ? -1 : genl_ctrl_resolve_grp(sk, IPCX_GENL_NAME, group), err;

	family = id < 0 ? -1 : genl_ctrl_resolve(sk, IPCX_GENL_NAME);
	if (family < 0)
		return fail("the module does not answer; \"ipcx doctor\" says what to do");
	err = nl_socket_add_membership(sk, id);
	if (err == -NLE_PERM)
		return fail("events are told to who has CAP_NET_ADMIN; "
			    "\"ipcx ls\" and \"ipcx show\" tell you what there is");
	return err < 0 ? fail("cannot listen: %s", nl_geterror(err)) : CLI_OK;
}

int nl_listen(const char *group, struct nl_sock **listening)
{
	struct nl_sock *sk = nl_socket_alloc();
	int r = sk ? join(sk, group) : fail("out of memory");

	if (r) {
		nl_socket_free(sk);
		return r;
	}
	/* root of a user namespace may join, but gets no more than anybody may have */
	setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUF, &(int){ BUFFER }, sizeof(int));
	setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUFFORCE, &(int){ BUFFER }, sizeof(int));
	nl_socket_disable_seq_check(sk);
	nl_socket_set_nonblocking(sk);
	*listening = sk;
	return CLI_OK;
}

void nl_stop(struct nl_sock *sk)
{
	nl_socket_free(sk);
}

int nl_fd(const struct nl_sock *sk)
{
	return nl_socket_get_fd(sk);
}

int nl_next(struct nl_sock *sk, event_fn *each, void *arg)
{
	struct listener l = { each, arg };
	int err;

	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_message, &l);
	errno = 0;
	err = nl_recvmsgs_default(sk);
	if (err >= 0)
		return 1;
	if (err == -NLE_AGAIN || err == -NLE_INTR)
		return 0;
	/* both have the same number of libnl */
	return err == -NLE_NOMEM ? (errno == ENOBUFS ? -ENOBUFS : -ENOMEM) : -EIO;
}
