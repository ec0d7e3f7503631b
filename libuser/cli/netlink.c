// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking the module by netlink: requests, answers, errors. A dump during which objects came or
 * went is asked for again, a few times.
 */
#include "netlink.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

#define TRIES 5

/* One request on its way. */
struct asking {
	struct answer *a;
	size_t room;
	int err; /* errno of the module or of this program */
	char words[128]; /* why, if the module says so */
};

static int on_message(struct nl_msg *msg, void *arg)
{
	struct asking *asking = arg;
	struct answer *a = asking->a;

	if (a->n == asking->room) {
		size_t room = asking->room ? 2 * asking->room : 64;
		void *more = realloc(a->msg, room * sizeof(*a->msg));

		if (!more) {
			asking->err = ENOMEM;
			return NL_STOP;
		}
		a->msg = more;
		asking->room = room;
	}
	nlmsg_get(msg);
	a->msg[a->n++] = msg;
	return NL_OK;
}

/* The end of a dump may say that it failed. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct asking *asking = arg;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	int err = 0;

	if (nlmsg_datalen(nlh) >= (int)sizeof(err))
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
	if (err < 0)
		asking->err = -err;
	return NL_OK;
}

/* The module's own words come behind the head of the request. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *nlh = (void *)((char *)e - NLMSG_HDRLEN);
	struct asking *asking = arg;
	int skip = sizeof(*e);

	(void)from;
	asking->err = -e->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (skip < nlmsg_datalen(nlh)) {
		struct nlattr *words = nla_find((void *)((char *)e + skip),
						nlmsg_datalen(nlh) - skip, NLMSGERR_ATTR_MSG);

		if (words)
			nla_strlcpy(asking->words, words, sizeof(asking->words));
	}
	return NL_STOP;
}

static struct nl_sock *connect_family(int *family)
{
	struct nl_sock *sk = nl_socket_alloc();
	static const int one = 1;

	if (!sk)
		return NULL;
	*family = genl_connect(sk) ? -1 : genl_ctrl_resolve(sk, IPCX_GENL_NAME);
	if (*family >= 0) {
		setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
		return sk;
	}
	nl_socket_free(sk);
	return NULL;
}

static int send_request(struct nl_sock *sk, int family, int cmd, int flags,
			const struct nl_value *v, size_t n)
{
	struct nl_msg *msg = nlmsg_alloc();
	int r = -NLE_NOMEM;

	if (msg &&
	    genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, cmd, IPCX_GENL_VERSION)) {
		for (r = 0; !r && n; v++, n--)
			r = nla_put(msg, v->attr, v->len, v->value);
		if (!r)
			r = nl_send_auto(sk, msg);
	}
	nlmsg_free(msg);
	return r < 0 ? r : 0;
}

void answer_free(struct answer *a)
{
	while (a->n)
		nlmsg_free(a->msg[--a->n]);
	free(a->msg);
	a->msg = NULL;
}

int nl_request(int cmd, int flags, const struct nl_value *v, size_t n, struct answer *a, int *err)
{
	struct asking asking = { .a = a };
	int family, r = 0;
	struct nl_sock *sk = connect_family(&family);

	memset(a, 0, sizeof(*a));
	*err = ENODEV;
	if (!sk)
		return fail("the module does not answer; \"ipcx doctor\" says what to do");
	nl_socket_disable_auto_ack(sk);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_message, &asking);
	nl_socket_modify_cb(sk, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, &asking);
	nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &asking);
	for (int i = 0; i < TRIES; i++) {
		answer_free(a);
		asking.room = 0;
		r = send_request(sk, family, cmd, flags, v, n);
		if (!r)
			r = nl_recvmsgs_default(sk);
		if (r != -NLE_DUMP_INTR || asking.err)
			break;
	}
	nl_socket_free(sk);
	*err = asking.err;
	/* where so much changes, it is as good as it gets */
	if (!asking.err && (r >= 0 || r == -NLE_DUMP_INTR))
		return CLI_OK;
	answer_free(a);
	if (asking.err == ENOENT)
		return CLI_FAILED;
	if (asking.words[0])
		return fail("the module refuses: %s", asking.words);
	return fail("the module cannot be asked: %s",
		    asking.err ? strerror(asking.err) : nl_geterror(r));
}

int nl_ask(int cmd, bool dump, int attr, const void *value, size_t len, struct answer *a, int *err)
{
	struct nl_value v = { attr, value, len };

	return nl_request(cmd, dump ? NLM_F_DUMP : 0, &v, attr ? 1 : 0, a, err);
}

void answer_attrs(const struct answer *a, size_t i, struct nlattr *attrs[ATTRS])
{
	if (i >= a->n || genlmsg_parse(nlmsg_hdr(a->msg[i]), 0, attrs, ATTRS - 1, NULL) < 0)
		memset(attrs, 0, ATTRS * sizeof(*attrs));
}

bool attr_number(struct nlattr *const attrs[ATTRS], int attr, uint64_t *v)
{
	if (!attrs[attr])
		return false;
	*v = nla_len(attrs[attr]) >= 8 ? nla_get_u64(attrs[attr]) : nla_get_u32(attrs[attr]);
	return true;
}

uint64_t attr_or_0(struct nlattr *const attrs[ATTRS], int attr)
{
	uint64_t v = 0;

	attr_number(attrs, attr, &v);
	return v;
}
