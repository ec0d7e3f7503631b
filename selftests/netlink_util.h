/* SPDX-License-Identifier: GPL-2.0-only */
/* The netlink family without a library: requests as bytes, answers taken apart. */
#ifndef IPCX_NETLINK_UTIL_H
#define IPCX_NETLINK_UTIL_H

#include <linux/genetlink.h>
#include <linux/ipcx_netlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipcx_util.h"

#define ATTRS_MAX	64	/* numbers of attributes are below */

/* A request that grows; what is put last may be damaged before it is sent. */
struct request {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[2048];
};

/* A message taken apart: the attribute of a number, or NULL. */
struct message {
	const struct nlattr *attr[ATTRS_MAX];
	unsigned int flags;	/* NLM_F_* */
};

static inline int nl_open(void)
{
	static const int one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return fd;
}

static inline void nl_put(struct request *r, int type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)r + NLMSG_ALIGN(r->nlh.nlmsg_len);

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memset(attr + 1, 0, NLA_ALIGN(len));
	memcpy(attr + 1, data, len);
	r->nlh.nlmsg_len = NLMSG_ALIGN(r->nlh.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

static inline void nl_put_u32(struct request *r, int type, uint32_t v)
{
	nl_put(r, type, &v, sizeof(v));
}

static inline void nl_put_u64(struct request *r, int type, uint64_t v)
{
	nl_put(r, type, &v, sizeof(v));
}

static inline void nl_init(struct request *r, int family, int cmd, int flags)
{
	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	r->nlh.nlmsg_type = family;
	r->nlh.nlmsg_flags = NLM_F_REQUEST | flags;
	r->genl.cmd = cmd;
	r->genl.version = IPCX_GENL_VERSION;
}

static inline int nl_send(int fd, const struct request *r)
{
	return send(fd, r, r->nlh.nlmsg_len, 0) < 0 ? -errno : 0;
}

static inline void attrs_parse(const void *from, int len, struct message *m)
{
	const struct nlattr *a = from;

	while (len >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= len) {
		if ((a->nla_type & NLA_TYPE_MASK) < ATTRS_MAX)
			m->attr[a->nla_type & NLA_TYPE_MASK] = a;
		len -= NLA_ALIGN(a->nla_len);
		a = (const void *)a + NLA_ALIGN(a->nla_len);
	}
}

static inline uint64_t nl_u64(const struct message *m, int type)
{
	uint64_t v = 0;
	const struct nlattr *a = m->attr[type];

	if (a)
		memcpy(&v, a + 1, a->nla_len - NLA_HDRLEN < 8 ? a->nla_len - NLA_HDRLEN : 8);
	return v;
}

static inline bool nl_is(const struct message *m, int type, const char *text)
{
	const struct nlattr *a = m->attr[type];

	return a && a->nla_len - NLA_HDRLEN == strlen(text) && !memcmp(a + 1, text, strlen(text));
}

/* What the last answer said in words, and whether a message had NLM_F_DUMP_INTR. */
static char nl_words[256];
static bool nl_interrupted;

/* Of NLMSG_ERROR or NLMSG_DONE. */
static inline int error_of(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nlh);
	struct message m = {};
	int skip = NLMSG_HDRLEN + sizeof(e->error);

	nl_words[0] = 0;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		if (nlh->nlmsg_type == NLMSG_ERROR)
			skip += nlh->nlmsg_flags & NLM_F_CAPPED ? sizeof(e->msg) :
								  NLMSG_ALIGN(e->msg.nlmsg_len);
		attrs_parse((void *)nlh + skip, nlh->nlmsg_len - skip, &m);
		if (m.attr[NLMSGERR_ATTR_MSG])
			snprintf(nl_words, sizeof(nl_words), "%s",
				 (char *)(m.attr[NLMSGERR_ATTR_MSG] + 1));
	}
	return e->error;
}

/*
 * Reads the next datagram and hands each message in it to @each. Return: 1 if more is to come,
 * 0 at the end, or a negative errno.
 */
static inline int nl_read(int fd, char *buf, size_t size,
			  void (*each)(const struct message *m, void *arg), void *arg)
{
	ssize_t n = recv(fd, buf, size, 0);
	struct nlmsghdr *nlh = (void *)buf;

	if (n < 0)
		return -errno;
	for (; NLMSG_OK(nlh, n); nlh = NLMSG_NEXT(nlh, n)) {
		struct message m = { .flags = nlh->nlmsg_flags };

		nl_interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
			return error_of(nlh);
		attrs_parse(NLMSG_DATA(nlh) + GENL_HDRLEN, NLMSG_PAYLOAD(nlh, GENL_HDRLEN), &m);
		if (each)
			each(&m, arg);
		if (!(nlh->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

/* Asks and reads all that comes back. Return: 0 or a negative errno, nl_words set. */
static inline int nl_ask(int fd, const struct request *r,
			 void (*each)(const struct message *m, void *arg), void *arg)
{
	static char buf[65536];
	int ret = nl_send(fd, r);

	nl_interrupted = false;
	nl_words[0] = 0;
	while (!ret) {
		ret = nl_read(fd, buf, sizeof(buf), each, arg);
		if (ret <= 0)
			return ret;
		ret = 0;
	}
	return ret;
}

static inline void family_each(const struct message *m, void *arg)
{
	*(int *)arg = nl_u64(m, CTRL_ATTR_FAMILY_ID);
}

/* The number of the family, or a negative errno. */
static inline int nl_family(int fd)
{
	struct request r;
	int family = -ENOENT, err;

	nl_init(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	nl_put(&r, CTRL_ATTR_FAMILY_NAME, IPCX_GENL_NAME, sizeof(IPCX_GENL_NAME));
	err = nl_ask(fd, &r, family_each, &family);
	return err ? err : family;
}

#define SEEN_MAX	1024

/* The messages of one answer, as numbers. */
struct seen {
	int n;
	uint64_t v[SEEN_MAX][ATTRS_MAX];
	bool has[SEEN_MAX][ATTRS_MAX];
	char name[SEEN_MAX][IPCX_NAME_MAX + 1];
};

static struct seen seen;
static int name_attr;

static inline void see(const struct message *m, void *arg)
{
	struct seen *s = arg;

	if (s->n == SEEN_MAX)
		return;
	for (int i = 0; i < ATTRS_MAX; i++) {
		s->has[s->n][i] = m->attr[i];
		s->v[s->n][i] = nl_u64(m, i);
	}
	s->name[s->n][0] = 0;
	if (m->attr[name_attr])
		memcpy(s->name[s->n], m->attr[name_attr] + 1,
		       m->attr[name_attr]->nla_len - NLA_HDRLEN);
	s->n++;
}

static const int name_attrs[] = {
	[IPCX_CMD_OBJECT_GET] = IPCX_A_OBJECT_NAME,
	[IPCX_CMD_END_GET] = IPCX_A_END_NAME,
	[IPCX_CMD_HOLDER_GET] = IPCX_A_HOLDER_NAME,
	[IPCX_CMD_LIMIT_GET] = 0,
	[IPCX_CMD_LIMIT_SET] = 0,
	[IPCX_CMD_END_REVOKE] = 0,
};

/* Fills @seen; @attr 0 for no attribute, else a number of @len bytes. */
static inline int ask(int fd, int family, int cmd, int flags, int attr, size_t len, uint64_t v)
{
	struct request r;

	nl_init(&r, family, cmd, flags);
	if (attr)
		nl_put(&r, attr, &v, len);
	seen.n = 0;
	name_attr = name_attrs[cmd];
	return nl_ask(fd, &r, see, &seen);
}

static inline int get_object(int fd, int family, const char *name)
{
	struct request r;

	nl_init(&r, family, IPCX_CMD_OBJECT_GET, 0);
	nl_put(&r, IPCX_A_OBJECT_NAME, name, strlen(name));
	seen.n = 0;
	name_attr = IPCX_A_OBJECT_NAME;
	return nl_ask(fd, &r, see, &seen);
}

static inline int dump(int fd, int family, int cmd)
{
	return ask(fd, family, cmd, NLM_F_DUMP, 0, 0, 0);
}

static inline int as_user(int uid)
{
	return setgid(uid) || setuid(uid) ? -errno : 0;
}

/* Keeps no capability but those. */
static inline bool drop_to(uint64_t caps)
{
	struct { /* of capset() */
		uint32_t version;
		int pid;
	} head = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2] = { { caps, caps, 0 }, { caps >> 32, caps >> 32, 0 } };

	return !syscall(SYS_capset, &head, data);
}

#endif /* IPCX_NETLINK_UTIL_H */
