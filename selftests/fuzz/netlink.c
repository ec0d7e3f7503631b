// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family: requests with valid and senseless attributes, spoilt as a whole,
 * and answers and events that are read some time, or never.
 */
#include <linux/genetlink.h>
#include <linux/ipcx_netlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define REQUEST_MAX 8192

struct request {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
};

static uint16_t family;
static uint32_t groups[2];
static uint64_t end_told; /* number of the last end that was told of */

/* What may be an attribute of its own, or lies in one that is nested. */
static uint32_t attr_put(char *at, uint64_t what, uint64_t value)
{
	struct nlattr *a = (void *)at;
	uint32_t len = what >> 16 & 0xfff, name = value % NAMES;

	a->nla_type = what;
	if (what & ATTR_TOLD)
		value = end_told - value % 4;
	if (what & ATTR_NAME) {
		len = name_length(name);
		memcpy(a + 1, names[name] ?: "", len);
	} else {
		memset(a + 1, 0xa5, NLA_ALIGN(len));
		memcpy(a + 1, &value, len < sizeof(value) ? len : sizeof(value));
	}
	a->nla_len = NLA_HDRLEN + len;
	return NLA_ALIGN(a->nla_len);
}

/* Return: how much of it is sent, whatever it says itself. */
static uint32_t spoil(struct request *r, uint64_t bad)
{
	uint32_t len = r->nlh.nlmsg_len, value = bad >> 8;

	switch (bad & 0xff) {
	case NLBAD_CUT: /* sent and said */
		r->nlh.nlmsg_len -= value % len;
		return r->nlh.nlmsg_len;
	case NLBAD_SHORT: /* sent only */
		return len - value % len;
	case NLBAD_LONG: /* said only */
		r->nlh.nlmsg_len += value;
		break;
	case NLBAD_VERSION:
		r->genl.version = value;
		break;
	case NLBAD_ATTR: /* the first says that it is so long */
		if (len >= sizeof(*r) + NLA_HDRLEN)
			((struct nlattr *)(r + 1))->nla_len = value;
		break;
	case NLBAD_TWICE: /* two requests in one datagram */
		memcpy((char *)r + len, r, len);
		return 2 * len;
	}
	return len;
}

static struct nlattr *attr_next(struct nlattr *a)
{
	return (void *)a + NLA_ALIGN(a->nla_len);
}

static bool attr_fits(const struct nlattr *a, const void *end)
{
	return (const void *)(a + 1) <= end && a->nla_len >= NLA_HDRLEN;
}

static void find_groups(struct nlattr *group, const void *end)
{
	struct nlattr *a;

	for (unsigned int i = 0; attr_fits(group, end) && i < 2; group = attr_next(group), i++)
		for (a = group + 1; attr_fits(a, attr_next(group)); a = attr_next(a))
			if (a->nla_type == CTRL_ATTR_MCAST_GRP_ID)
				memcpy(&groups[i], a + 1, sizeof(groups[i]));
}

/* The numbers of the family and its groups, given by the kernel when the module was loaded. */
static void find_family(int fd)
{
	struct request *r = (void *)buffer;
	struct nlattr *a = (void *)(r + 1);
	ssize_t n;

	memset(r, 0, sizeof(*r) + NLA_HDRLEN + NLA_ALIGN(sizeof(IPCX_GENL_NAME)));
	r->nlh.nlmsg_type = GENL_ID_CTRL;
	r->nlh.nlmsg_flags = NLM_F_REQUEST;
	r->genl.cmd = CTRL_CMD_GETFAMILY;
	a->nla_len = NLA_HDRLEN + sizeof(IPCX_GENL_NAME);
	a->nla_type = CTRL_ATTR_FAMILY_NAME;
	memcpy(a + 1, IPCX_GENL_NAME, sizeof(IPCX_GENL_NAME));
	r->nlh.nlmsg_len = sizeof(*r) + NLA_ALIGN(a->nla_len);
	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return;
	n = recv(fd, buffer, BUFFER, MSG_DONTWAIT);
	if (n < (ssize_t)sizeof(*r) || r->nlh.nlmsg_type != GENL_ID_CTRL)
		return;
	for (; attr_fits(a, buffer + n); a = attr_next(a)) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&family, a + 1, sizeof(family));
		if (a->nla_type == CTRL_ATTR_MCAST_GROUPS)
			find_groups(a + 1, attr_next(a));
	}
}

/*
 * A socket belongs to whoever opens it, and to the network namespace of that moment. Who may
 * listens to all events.
 */
static int socket_of(struct state *s, bool another)
{
	static const int one = 1;
	bool fresh;

	if (another && s->netlink > 0) {
		close(s->netlink);
		s->netlink = 0;
	}
	fresh = s->netlink <= 0;
	if (fresh) {
		s->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
		setsockopt(s->netlink, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	}
	if (s->netlink > 0 && !family)
		find_family(s->netlink);
	for (int i = 0; fresh && i < 2; i++)
		setsockopt(s->netlink, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			   sizeof(groups[i]));
	return s->netlink;
}

/**
 * call_ask() - send a request
 * @s: of the process
 * @c: cmd, flags, two attributes with their values, what is spoilt, whether by a new socket
 */
void call_ask(struct state *s, const struct call *c)
{
	int fd = socket_of(s, c->arg[7]);
	struct request *r = (void *)buffer;
	uint32_t i, len = sizeof(*r);

	if (fd < 0)
		return;
	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_type = family;
	r->nlh.nlmsg_flags = NLM_F_REQUEST | c->arg[1];
	r->nlh.nlmsg_seq = c->arg[0];
	r->genl.cmd = c->arg[0];
	r->genl.version = IPCX_GENL_VERSION;
	for (i = 0; i < 2; i++) {
		uint64_t what = c->arg[2 + 2 * i];

		if (what && len < REQUEST_MAX)
			len += attr_put(buffer + len, what, c->arg[3 + 2 * i]);
	}
	r->nlh.nlmsg_len = len;
	len = spoil(r, c->arg[6]);
	send(fd, buffer, len, MSG_DONTWAIT);
}

/* A message that is about an end begins with its number. */
static void heed_end(const struct nlmsghdr *nlh)
{
	const struct request *r = (const void *)nlh;
	const struct nlattr *a = (const void *)(r + 1);

	if (nlh->nlmsg_type == family && nlh->nlmsg_len >= sizeof(*r) + NLA_HDRLEN + 8 &&
	    r->genl.cmd == IPCX_CMD_END_GET && a->nla_type == IPCX_A_END_ID)
		memcpy(&end_told, a + 1, 8);
}

/* An answer is a row of messages, each as long as it says and within what came. */
static bool is_whole(const char *at, uint32_t n)
{
	while (n >= NLMSG_HDRLEN) {
		const struct nlmsghdr *nlh = (const void *)at;
		uint32_t step = NLMSG_ALIGN(nlh->nlmsg_len);

		if (nlh->nlmsg_len < NLMSG_HDRLEN || nlh->nlmsg_len > n)
			return false;
		heed_end(nlh);
		at += step;
		n -= step < n ? step : n;
	}
	return !n;
}

/**
 * call_heed() - read answers
 * @s: of the process
 * @c: how many datagrams, and how long the buffer is
 */
void call_heed(struct state *s, const struct call *c)
{
	uint32_t size = c->arg[1] % BUFFER, left = c->arg[0] % 65;

	while (s->netlink > 0 && left--) {
		ssize_t n = recv(s->netlink, buffer, size, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0)
			break;
		if (n <= size && !is_whole(buffer, n))
			__atomic_store_n(&shared->broken, "what netlink says is torn",
					 __ATOMIC_RELAXED);
	}
}
