/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: numbers of objects, messages, processes, users; nothing of payloads or names, no
 * addresses. Processes and users are told as the initial namespaces know them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipcx

#if !defined(IPCX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IPCX_TRACE_H

#include <linux/pid.h>
#include <linux/tracepoint.h>
#include <linux/user_namespace.h>

#include "topic.h"
#include "trace_why.h"

/* clang-format off */

TRACE_DEFINE_ENUM(IPCX_KIND_QUEUE);
TRACE_DEFINE_ENUM(IPCX_KIND_TOPIC);
TRACE_DEFINE_ENUM(IPCX_KIND_REGION);
TRACE_DEFINE_ENUM(IPCX_REQUEUE_NACK);
TRACE_DEFINE_ENUM(IPCX_REQUEUE_LEASE);
TRACE_DEFINE_ENUM(IPCX_REQUEUE_CLOSE);
TRACE_DEFINE_ENUM(IPCX_REQUEUE_UNTAKEN);
TRACE_DEFINE_ENUM(IPCX_DROP_OLDEST);
TRACE_DEFINE_ENUM(IPCX_DROP_NEWEST);
TRACE_DEFINE_ENUM(IPCX_DROP_EXPIRED);
TRACE_DEFINE_ENUM(IPCX_DROP_POISON);
TRACE_DEFINE_ENUM(IPCX_DROP_ORPHAN);
TRACE_DEFINE_ENUM(IPCX_DROP_WITHDRAWN);
TRACE_DEFINE_ENUM(IPCX_WAKE_RECEIVER);
TRACE_DEFINE_ENUM(IPCX_WAKE_SENDER);
TRACE_DEFINE_ENUM(IPCX_WAKE_CALLER);
TRACE_DEFINE_ENUM(IPCX_WAKE_POLLERS);
TRACE_DEFINE_ENUM(IPCX_EVICTED_LAG);
TRACE_DEFINE_ENUM(IPCX_EVICTED_SKIPS);
TRACE_DEFINE_ENUM(IPCX_EVICTED_CONTRADICTION);

DECLARE_EVENT_CLASS(ipcx_message,
		    TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s),
		    TP_ARGS(q, s),
		    TP_STRUCT__entry(__field(u64, queue)
				     __field(u64, seq)
				     __field(u64, len)
				     __field(u32, slot)
				     __field(u32, prio)
				     __field(u32, deliveries)
				     __field(s32, sender)
				     __field(u32, uid)),
		    TP_fast_assign(__entry->queue = q->obj.id;
				   __entry->seq = s->seq;
				   __entry->len = s->len;
				   __entry->slot = ipcx_slot_index(&q->slots, s);
				   __entry->prio = s->prio;
				   __entry->deliveries = s->deliveries;
				   __entry->sender = pid_nr(s->pid);
				   __entry->uid = from_kuid(&init_user_ns, s->uid);),
		    TP_printk("queue=%llu seq=%llu len=%llu slot=%u prio=%u deliveries=%u sender=%d uid=%u",
			      __entry->queue, __entry->seq, __entry->len, __entry->slot,
			      __entry->prio, __entry->deliveries, __entry->sender, __entry->uid)
);

/* A message is in its queue. */
DEFINE_EVENT(ipcx_message, ipcx_queue_send,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s), TP_ARGS(q, s));

/* Whoever is current has it. */
DEFINE_EVENT(ipcx_message, ipcx_queue_take,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s), TP_ARGS(q, s));

/* It is done. */
DEFINE_EVENT(ipcx_message, ipcx_queue_release,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s), TP_ARGS(q, s));

/* One that was sent is to be answered. */
DEFINE_EVENT(ipcx_message, ipcx_queue_call,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s), TP_ARGS(q, s));

/* The dead-letter queue has a copy of one that is dropped next. */
DEFINE_EVENT(ipcx_message, ipcx_queue_dead_letter,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s), TP_ARGS(q, s));

DECLARE_EVENT_CLASS(ipcx_message_why,
		    TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s, u32 why),
		    TP_ARGS(q, s, why),
		    TP_STRUCT__entry(__field(u64, queue)
				     __field(u64, seq)
				     __field(u64, len)
				     __field(u32, slot)
				     __field(u32, prio)
				     __field(u32, deliveries)
				     __field(s32, sender)
				     __field(u32, uid)
				     __field(u32, why)),
		    TP_fast_assign(__entry->queue = q->obj.id;
				   __entry->seq = s->seq;
				   __entry->len = s->len;
				   __entry->slot = ipcx_slot_index(&q->slots, s);
				   __entry->prio = s->prio;
				   __entry->deliveries = s->deliveries;
				   __entry->sender = pid_nr(s->pid);
				   __entry->uid = from_kuid(&init_user_ns, s->uid);
				   __entry->why = why;),
		    TP_printk("queue=%llu seq=%llu len=%llu slot=%u prio=%u deliveries=%u sender=%d uid=%u why=%s",
			      __entry->queue, __entry->seq, __entry->len, __entry->slot,
			      __entry->prio, __entry->deliveries, __entry->sender, __entry->uid,
			      __print_symbolic(__entry->why,
					       { IPCX_DROP_OLDEST, "oldest" },
					       { IPCX_DROP_NEWEST, "newest" },
					       { IPCX_DROP_EXPIRED, "expired" },
					       { IPCX_DROP_POISON, "poison" },
					       { IPCX_DROP_ORPHAN, "orphan" },
					       { IPCX_DROP_WITHDRAWN, "withdrawn" },
					       { IPCX_REQUEUE_NACK, "nack" },
					       { IPCX_REQUEUE_LEASE, "lease" },
					       { IPCX_REQUEUE_CLOSE, "close" },
					       { IPCX_REQUEUE_UNTAKEN, "untaken" }))
);

/* A message is not delivered any more. */
DEFINE_EVENT(ipcx_message_why, ipcx_queue_drop,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s, u32 why),
	     TP_ARGS(q, s, why));

/* One that was taken is in its queue again. */
DEFINE_EVENT(ipcx_message_why, ipcx_queue_requeue,
	     TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *s, u32 why),
	     TP_ARGS(q, s, why));

/* A slot is on loan; pid and uid are of who opened the end. */
TRACE_EVENT(ipcx_queue_loan,
	    TP_PROTO(const struct ipcx_endpoint *ep, const struct ipcx_slot *s, u32 kind),
	    TP_ARGS(ep, s, kind),
	    TP_STRUCT__entry(__field(u64, queue)
			     __field(u64, end)
			     __field(u64, len)
			     __field(u32, slot)
			     __field(u32, kind)
			     __field(s32, pid)
			     __field(u32, uid)),
	    TP_fast_assign(__entry->queue = ep->q->obj.id;
			   __entry->end = ep->end.id;
			   __entry->len = s->len;
			   __entry->slot = ipcx_slot_index(&ep->q->slots, s);
			   __entry->kind = kind;
			   __entry->pid = pid_nr(ep->end.pid);
			   __entry->uid = from_kuid(&init_user_ns, ep->uid);),
	    TP_printk("queue=%llu end=%llu len=%llu slot=%u kind=%s pid=%d uid=%u",
		      __entry->queue, __entry->end, __entry->len, __entry->slot,
		      __print_flags(__entry->kind, "|",
				    { IPCX_LOAN_INLINE, "inline" },
				    { IPCX_LOAN_REQUEST, "request" },
				    { IPCX_LOAN_REPLY, "reply" }),
		      __entry->pid, __entry->uid)
);

/* A request has its answer: @len bytes of a reply, or @why, IPCX_MSG_*, there is none. */
TRACE_EVENT(ipcx_queue_answer,
	    TP_PROTO(const struct ipcx_queue *q, const struct ipcx_slot *request, u64 len, u32 why),
	    TP_ARGS(q, request, len, why),
	    TP_STRUCT__entry(__field(u64, queue)
			     __field(u64, seq)
			     __field(u64, len)
			     __field(u32, why)),
	    TP_fast_assign(__entry->queue = q->obj.id;
			   __entry->seq = request->seq;
			   __entry->len = len;
			   __entry->why = why;),
	    TP_printk("queue=%llu seq=%llu len=%llu why=%s",
		      __entry->queue, __entry->seq, __entry->len,
		      __print_symbolic(__entry->why,
				       { 0, "reply" },
				       { IPCX_MSG_CANCELED, "canceled" },
				       { IPCX_MSG_EXPIRED, "expired" },
				       { IPCX_MSG_OWNERDEAD, "ownerdead" },
				       { IPCX_MSG_POISON, "poison" }))
);

/* Thread @to is woken, by message @seq if it gets that; 0 where it is not known. */
TRACE_EVENT(ipcx_queue_wake,
	    TP_PROTO(const struct ipcx_queue *q, u32 who, pid_t to, u64 seq),
	    TP_ARGS(q, who, to, seq),
	    TP_STRUCT__entry(__field(u64, queue)
			     __field(u64, seq)
			     __field(u32, who)
			     __field(s32, to)),
	    TP_fast_assign(__entry->queue = q->obj.id;
			   __entry->seq = seq;
			   __entry->who = who;
			   __entry->to = to;),
	    TP_printk("queue=%llu seq=%llu who=%s to=%d",
		      __entry->queue, __entry->seq,
		      __print_symbolic(__entry->who,
				       { IPCX_WAKE_RECEIVER, "receiver" },
				       { IPCX_WAKE_SENDER, "sender" },
				       { IPCX_WAKE_CALLER, "caller" },
				       { IPCX_WAKE_POLLERS, "pollers" }),
		      __entry->to)
);

DECLARE_EVENT_CLASS(ipcx_object,
		    TP_PROTO(const struct ipcx_object *obj),
		    TP_ARGS(obj),
		    TP_STRUCT__entry(__field(u64, object)
				     __field(u32, kind)
				     __field(u32, mode)
				     __field(u32, uid)),
		    TP_fast_assign(__entry->object = obj->id;
				   __entry->kind = obj->ops->kind;
				   __entry->mode = obj->mode;
				   __entry->uid = from_kuid(&init_user_ns, obj->uid);),
		    TP_printk("object=%llu kind=%s mode=%04o uid=%u", __entry->object,
			      __print_symbolic(__entry->kind,
					       { IPCX_KIND_QUEUE, "queue" },
					       { IPCX_KIND_TOPIC, "topic" },
					       { IPCX_KIND_REGION, "region" }),
			      __entry->mode, __entry->uid)
);

/* A queue, topic or region is made. */
DEFINE_EVENT(ipcx_object, ipcx_object_new,
	     TP_PROTO(const struct ipcx_object *obj), TP_ARGS(obj));

/* Its last reference is gone. */
DEFINE_EVENT(ipcx_object, ipcx_object_gone,
	     TP_PROTO(const struct ipcx_object *obj), TP_ARGS(obj));

DECLARE_EVENT_CLASS(ipcx_end,
		    TP_PROTO(const struct ipcx_end *end),
		    TP_ARGS(end),
		    TP_STRUCT__entry(__field(u64, object)
				     __field(u64, end)
				     __field(u32, kind)
				     __field(u32, rights)
				     __field(s32, pid)
				     __field(u32, uid)),
		    TP_fast_assign(__entry->object = end->obj->id;
				   __entry->end = end->id;
				   __entry->kind = end->obj->ops->kind;
				   __entry->rights = end->rights;
				   __entry->pid = pid_nr(end->pid);
				   __entry->uid = from_kuid(&init_user_ns, end->uid);),
		    TP_printk("object=%llu end=%llu kind=%s rights=%u pid=%d uid=%u",
			      __entry->object, __entry->end,
			      __print_symbolic(__entry->kind,
					       { IPCX_KIND_QUEUE, "queue" },
					       { IPCX_KIND_TOPIC, "topic" },
					       { IPCX_KIND_REGION, "region" }),
			      __entry->rights, __entry->pid, __entry->uid)
);

/* An end of a queue or topic is open. */
DEFINE_EVENT(ipcx_end, ipcx_end_open, TP_PROTO(const struct ipcx_end *end), TP_ARGS(end));

/* Its last copy is closed. */
DEFINE_EVENT(ipcx_end, ipcx_end_close, TP_PROTO(const struct ipcx_end *end), TP_ARGS(end));

DECLARE_EVENT_CLASS(ipcx_member,
		    TP_PROTO(const struct ipcx_member *m),
		    TP_ARGS(m),
		    TP_STRUCT__entry(__field(u64, topic)
				     __field(u64, end)
				     __field(s32, ring)
				     __field(s32, sub)
				     __field(u32, lossy)),
		    TP_fast_assign(__entry->topic = m->topic->obj.id;
				   __entry->end = m->end.id;
				   __entry->ring = m->pub ? m->pub->index : -1;
				   __entry->sub = m->sub ? m->sub->index : -1;
				   __entry->lossy = m->sub && m->sub->lossy;),
		    TP_printk("topic=%llu end=%llu ring=%d sub=%d lossy=%u", __entry->topic,
			      __entry->end, __entry->ring, __entry->sub, __entry->lossy)
);

/* A topic has a member more, which has ring @ring and subscription @sub; -1 is none. */
DEFINE_EVENT(ipcx_member, ipcx_topic_join, TP_PROTO(const struct ipcx_member *m), TP_ARGS(m));

/* It goes. */
DEFINE_EVENT(ipcx_member, ipcx_topic_leave, TP_PROTO(const struct ipcx_member *m), TP_ARGS(m));

/* A publisher goes on without a subscription. */
TRACE_EVENT(ipcx_topic_evict,
	    TP_PROTO(const struct ipcx_pub *pub, const struct ipcx_sub *sub, u32 why),
	    TP_ARGS(pub, sub, why),
	    TP_STRUCT__entry(__field(u64, topic)
			     __field(u32, ring)
			     __field(u32, sub)
			     __field(u32, why)),
	    TP_fast_assign(__entry->topic = pub->topic->obj.id;
			   __entry->ring = pub->index;
			   __entry->sub = sub->index;
			   __entry->why = why;),
	    TP_printk("topic=%llu ring=%u sub=%u why=%s", __entry->topic, __entry->ring,
		      __entry->sub,
		      __print_symbolic(__entry->why,
				       { IPCX_EVICTED_LAG, "lag" },
				       { IPCX_EVICTED_SKIPS, "skips" },
				       { IPCX_EVICTED_CONTRADICTION, "contradiction" }))
);

/* Who sleeps or polls in subscription @sub is woken, or (-1) publishers that wait for room. */
TRACE_EVENT(ipcx_topic_wake,
	    TP_PROTO(const struct ipcx_topic *t, s32 sub),
	    TP_ARGS(t, sub),
	    TP_STRUCT__entry(__field(u64, topic)
			     __field(s32, sub)),
	    TP_fast_assign(__entry->topic = t->obj.id;
			   __entry->sub = sub;),
	    TP_printk("topic=%llu sub=%d", __entry->topic, __entry->sub)
);

#endif /* IPCX_TRACE_H */

/* this part is outside of the guard */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kmod
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
