// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A flow is a pair of addresses and ports on one tap, with one half per
 * direction. A half remembers the highest sequence number seen, the last
 * acknowledgement and window it sent, and how often it repeated that. Each
 * segment is judged against the two halves and then folded into its own. The
 * questions are asked in a fixed order because an answer rules out others: a
 * keep-alive is no retransmission, a probe of a closed window advances nothing.
 *
 * Sequence numbers wrap: they are compared by the sign of their difference.
 *
 * Memory is an array of flows made once; a hash table and an LRU list run
 * through it by index. Payload is kept only for a message that continues in
 * the next segment, within one budget for all flows.
 */
#include "track/tcp.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define NONE	       UINT32_MAX
#define FAST_WINDOW_NS 20000000 /* a fast retransmission follows its duplicate ACK within 20 ms */
#define REORDER_NS     3000000	/* out of order, if the round-trip time is not known */
#define SCALE_UNKNOWN  (-1)
#define SCALE_UNUSED   (-2)
#define MAX_STREAM     (4u << 16) /* a message of 64 KiB, and segments behind it */

struct half {
	bool has_base;
	bool first_ack_due; /* a SYN was sent, no ACK yet: its window is not scaled */
	uint32_t base;
	uint32_t next_seq; /* highest seen; 0 is none */
	uint32_t ackable;  /* end of what was seen without a gap; 0 is none */
	uint32_t last_ack;
	uint32_t window;     /* as in the header */
	int32_t dup_acks;    /* -1: an ACK of unseen data was reported */
	uint64_t ack_packet; /* the first one with last_ack */
	int64_t next_time, ack_time;
	uint32_t last_marks;
	int8_t scale;
	bool scps;	       /* the sender is able to it */
	uint8_t multipath_ops; /* known when the last segment was sent */
	struct tcp_stream stream;
};

struct flow_key {
	struct ipaddr addr[2];
	uint16_t port[2];
	uint32_t tap;
};

struct tcp_flow {
	struct flow_key key;
	uint32_t hash_next, newer, older;
	struct half half[2];
	int64_t syn_time, rtt; /* 0 unknown */
	bool has_syn_time;
	bool ecn_syn, ecn_synack; /* accurate ECN offered, accepted */
	bool ecn_option;	  /* or in use, as an option says */
	bool multipath;
	uint8_t multipath_ops; /* kinds of options seen */
};

struct tcp_track {
	struct tcp_flow *flows;
	uint32_t *heads;
	uint32_t nr_flows, max_flows, nr_heads;
	uint32_t newest, oldest;
	uint32_t bytes, max_bytes;
};

/* One segment and its surroundings, for the length of one call. */
struct segment {
	struct tcp_flow *flow;
	struct half *fwd, *rev;
	uint64_t number;
	int64_t time;
	uint32_t seq, ack, len, window;
	uint16_t flags;
	struct tcp_verdict *v;
};

static bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* Half way round, each of two numbers is before and after the other. */
static bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(b - a) < 0;
}

static bool seq_up_to(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

/* --- the table of flows --------------------------------------------------- */

static uint32_t hash_key(const struct flow_key *k)
{
	const uint8_t *a = k->addr[0].bytes, *b = k->addr[1].bytes;
	uint64_t w[4], h = k->tap;
	size_t i;

	memcpy(w, a, 16);
	memcpy(w + 2, b, 16);
	for (i = 0; i < ARRAY_SIZE(w); i++)
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15u;
	h = (h ^ ((uint32_t)k->port[0] << 16 | k->port[1])) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

static bool same_key(const struct flow_key *a, const struct flow_key *b)
{
	return a->tap == b->tap && a->port[0] == b->port[0] && a->port[1] == b->port[1] &&
	       ipaddr_equal(&a->addr[0], &b->addr[0]) && ipaddr_equal(&a->addr[1], &b->addr[1]);
}

/* The same key for both directions; returns the index of the sender's half. */
static unsigned int make_key(struct flow_key *k, const struct packet *p, const struct flow *flow)
{
	int order = memcmp(&flow->src, &flow->dst, sizeof(flow->src));
	unsigned int sender;

	if (order == 0)
		order = flow->sport > flow->dport ? 1 : -1;
	sender = order > 0 ? 1 : 0;
	k->addr[sender] = flow->src;
	k->addr[!sender] = flow->dst;
	k->port[sender] = flow->sport;
	k->port[!sender] = flow->dport;
	k->tap = p->tap ? p->tap->id : 0;
	return sender;
}

static void lru_remove(struct tcp_track *t, uint32_t i)
{
	struct tcp_flow *f = &t->flows[i];

	if (f->newer == NONE)
		t->newest = f->older;
	else
		t->flows[f->newer].older = f->older;
	if (f->older == NONE)
		t->oldest = f->newer;
	else
		t->flows[f->older].newer = f->newer;
}

static void lru_push(struct tcp_track *t, uint32_t i)
{
	struct tcp_flow *f = &t->flows[i];

	f->newer = NONE;
	f->older = t->newest;
	if (t->newest == NONE)
		t->oldest = i;
	else
		t->flows[t->newest].newer = i;
	t->newest = i;
}

static void hash_remove(struct tcp_track *t, uint32_t i)
{
	uint32_t *at = &t->heads[hash_key(&t->flows[i].key) & (t->nr_heads - 1)];

	while (*at != i)
		at = &t->flows[*at].hash_next;
	*at = t->flows[i].hash_next;
}

static void stream_drop(struct tcp_track *t, struct tcp_stream *s)
{
	t->bytes -= s->room;
	free(s->buf);
	*s = (struct tcp_stream){ 0 };
}

static void reset_flow(struct tcp_track *t, struct tcp_flow *f)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		stream_drop(t, &f->half[i].stream);
		f->half[i] = (struct half){ .window = UINT32_MAX, .scale = SCALE_UNKNOWN };
	}
	f->syn_time = f->rtt = 0;
	f->has_syn_time = false;
	f->ecn_syn = f->ecn_synack = f->ecn_option = false;
	f->multipath = false;
	f->multipath_ops = 0;
}

static uint32_t take_slot(struct tcp_track *t)
{
	uint32_t i;

	if (t->nr_flows < t->max_flows)
		return t->nr_flows++;
	i = t->oldest;
	lru_remove(t, i);
	hash_remove(t, i);
	return i;
}

static struct tcp_flow *find_flow(struct tcp_track *t, const struct flow_key *k)
{
	uint32_t *head = &t->heads[hash_key(k) & (t->nr_heads - 1)];
	uint32_t i;

	for (i = *head; i != NONE; i = t->flows[i].hash_next) {
		if (!same_key(&t->flows[i].key, k))
			continue;
		if (i != t->newest) {
			lru_remove(t, i);
			lru_push(t, i);
		}
		return &t->flows[i];
	}
	i = take_slot(t);
	t->flows[i].key = *k;
	reset_flow(t, &t->flows[i]);
	t->flows[i].hash_next = *head;
	*head = i;
	lru_push(t, i);
	return &t->flows[i];
}

struct tcp_track *tcp_track_new(unsigned int max_flows, uint32_t max_bytes)
{
	struct tcp_track *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max_flows = max_flows ? max_flows : 1;
	t->max_bytes = max_bytes;
	t->newest = t->oldest = NONE;
	for (t->nr_heads = 1; t->nr_heads < t->max_flows; t->nr_heads <<= 1)
		;
	t->flows = calloc(t->max_flows, sizeof(*t->flows));
	t->heads = malloc(t->nr_heads * sizeof(*t->heads));
	if (!t->flows || !t->heads) {
		tcp_track_free(t);
		return NULL;
	}
	memset(t->heads, 0xff, t->nr_heads * sizeof(*t->heads));
	return t;
}

void tcp_track_free(struct tcp_track *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = 0; i < t->nr_flows; i++)
		reset_flow(t, &t->flows[i]);
	free(t->flows);
	free(t->heads);
	free(t);
}

/* --- judging a segment ---------------------------------------------------- */

static bool is_plain(const struct segment *s)
{
	return !(s->flags & (TH_SYN | TH_FIN | TH_RST));
}

/* No data, and number and acknowledgement are those expected from this side. */
static bool repeats_position(const struct segment *s)
{
	return s->len == 0 && s->seq == s->fwd->next_seq && s->ack == s->fwd->last_ack &&
	       is_plain(s);
}

static void set_bases(struct segment *s)
{
	if (!s->fwd->has_base) {
		s->fwd->base = s->flags & TH_SYN ? s->seq : s->seq - 1;
		s->fwd->has_base = true;
	}
	if (!s->rev->has_base && s->flags & TH_ACK) {
		s->rev->base = s->ack - 1;
		s->rev->has_base = true;
	}
}

static void judge_position(struct segment *s)
{
	struct half *fwd = s->fwd;

	if (s->window == 0 && is_plain(s))
		s->v->marks |= TCP_MARK_ZERO_WINDOW;
	if (fwd->next_seq && seq_after(s->seq, fwd->next_seq) && !(s->flags & TH_RST))
		s->v->marks |= TCP_MARK_GAP;
	if (s->len <= 1 && s->seq == fwd->next_seq - 1 && is_plain(s))
		s->v->marks |= TCP_MARK_KEEP_ALIVE;
	if (s->window && s->window != fwd->window && repeats_position(s))
		s->v->marks |= TCP_MARK_WINDOW_UPDATE;
}

static void judge_window_full(struct segment *s)
{
	const struct half *rev = s->rev;
	uint32_t edge = rev->window;

	if (!s->len || rev->scale == SCALE_UNKNOWN || !is_plain(s))
		return;
	if (!rev->first_ack_due && rev->scale > 0)
		edge <<= rev->scale;
	if (s->seq + s->len == rev->last_ack + edge)
		s->v->marks |= TCP_MARK_WINDOW_FULL;
}

/* RFC 8684 3.3.1: a repeated ACK may carry an option for the whole connection. */
static bool is_new_to_multipath(const struct segment *s)
{
	return s->flow->multipath && s->flow->multipath_ops != s->fwd->multipath_ops;
}

static void judge_repeated_ack(struct segment *s)
{
	struct half *fwd = s->fwd;

	if (s->window != fwd->window || !repeats_position(s))
		return;
	if (s->window && s->rev->last_marks & TCP_MARK_KEEP_ALIVE) {
		s->v->marks |= TCP_MARK_KEEP_ALIVE_ACK;
	} else if (!s->window && s->rev->last_marks & TCP_MARK_ZERO_PROBE) {
		s->v->marks |= TCP_MARK_ZERO_PROBE_ACK;
	} else if (s->window && !is_new_to_multipath(s)) {
		fwd->dup_acks = fwd->dup_acks < 0 ? 1 : fwd->dup_acks + 1;
		s->v->marks |= TCP_MARK_DUP_ACK;
		s->v->dup_ack_nr = (uint32_t)fwd->dup_acks;
		s->v->dup_ack_of = fwd->ack_packet;
	}
}

static int32_t exchange(int32_t *value, int32_t with)
{
	int32_t old = *value;

	*value = with;
	return old;
}

static void judge_ack(struct segment *s)
{
	struct half *fwd = s->fwd, *rev = s->rev;
	bool reported = false;

	if (s->ack != fwd->last_ack) {
		fwd->ack_packet = s->number;
		fwd->dup_acks = 0;
	}
	if (!rev->ackable || !seq_after(s->ack, rev->ackable) || !(s->flags & TH_ACK))
		return;
	/*
	 * Each missing stretch is reported once: ackable moves over it. If there
	 * is nothing to move to, the silent side's count of repeated ACKs says
	 * that it was reported, until that side speaks again.
	 */
	if (rev->ackable != rev->next_seq)
		rev->ackable = rev->next_seq;
	else
		reported = exchange(&rev->dup_acks, -1) != 0;
	if (!reported)
		s->v->marks |= TCP_MARK_ACK_UNSEEN;
}

static bool is_fast_retransmission(const struct segment *s)
{
	return (s->rev->dup_acks >= 2 || s->rev->dup_acks < 0) && s->rev->last_ack == s->seq &&
	       (uint64_t)(s->time - s->rev->ack_time) < FAST_WINDOW_NS;
}

static bool is_out_of_order(const struct segment *s)
{
	int64_t threshold = s->flow->rtt ? s->flow->rtt : REORDER_NS;
	uint32_t end = s->seq + s->len + (s->flags & (TH_SYN | TH_FIN) ? 1 : 0);

	return (uint64_t)(s->time - s->fwd->next_time) < (uint64_t)threshold &&
	       s->fwd->next_seq != end;
}

static void judge_old_data(struct segment *s)
{
	bool old = s->fwd->next_seq && seq_before(s->seq, s->fwd->next_seq);

	if (!s->len && !(s->flags & (TH_SYN | TH_FIN)))
		return;
	if (s->v->marks & TCP_MARK_KEEP_ALIVE)
		return;
	/* One old byte and new data behind it: the byte was a probe. */
	if (s->len > 1 && s->fwd->next_seq - 1 == s->seq)
		old = false;
	if (s->len && s->rev->last_ack && seq_up_to(s->seq + s->len, s->rev->last_ack))
		s->v->marks |= TCP_MARK_SPURIOUS;
	else if (old && is_fast_retransmission(s))
		s->v->marks |= TCP_MARK_FAST_RETRANSMISSION;
	else if (old && is_out_of_order(s))
		s->v->marks |= TCP_MARK_OUT_OF_ORDER;
	else if (old)
		s->v->marks |= TCP_MARK_RETRANSMISSION;
}

/* What this segment changes in the half that sent it. */
static void remember(struct segment *s)
{
	struct half *fwd = s->fwd;
	uint32_t next = s->seq + s->len + (s->flags & (TH_SYN | TH_FIN) ? 1 : 0);
	bool probe = s->v->marks & TCP_MARK_ZERO_PROBE;

	if ((seq_after(next, fwd->next_seq) || !fwd->next_seq) && !probe) {
		fwd->next_seq = next;
		fwd->next_time = s->time;
	}
	if ((s->seq == fwd->ackable || !fwd->ackable) && !probe)
		fwd->ackable = fwd->next_seq;
	fwd->window = s->window;
	fwd->last_ack = s->ack;
	fwd->ack_time = s->time;
	fwd->last_marks = s->v->marks;
	fwd->multipath_ops = s->flow->multipath_ops;
}

static void judge(struct segment *s)
{
	set_bases(s);
	if (s->len == 1 && s->seq == s->fwd->next_seq && s->rev->window == 0) {
		s->v->marks |= TCP_MARK_ZERO_PROBE;
	} else {
		judge_position(s);
		judge_window_full(s);
		judge_repeated_ack(s);
	}
	judge_ack(s);
	judge_old_data(s);
	remember(s);
}

/* A SYN on a known pair of ports: a new connection, or the same SYN again. */
static void note_syn(struct tcp_track *t, struct segment *s)
{
	bool known = s->fwd->has_base;

	if (!(s->flags & TH_SYN) || !known)
		return;
	if (s->flags & TH_ACK) {
		if (s->seq == s->fwd->base)
			return;
		s->fwd->base = s->seq;
	} else if (s->seq != s->fwd->base) {
		reset_flow(t, s->flow);
	} else {
		s->fwd->next_seq = s->fwd->ackable;
		return;
	}
	s->v->marks |= TCP_MARK_REUSED;
}

static void note_handshake(struct segment *s)
{
	struct tcp_flow *f = s->flow;

	if (s->flags & TH_SYN) {
		s->fwd->first_ack_due = true;
		if (!(s->flags & TH_ACK)) {
			f->syn_time = s->time;
			f->has_syn_time = true;
		}
	} else if (s->flags & TH_ACK) {
		s->fwd->first_ack_due = false;
		if (f->has_syn_time && !f->rtt)
			f->rtt = s->time - f->syn_time;
	}
}

/* The handshake of accurate ECN: the three bits become a counter behind it. */
static void note_ecn(struct segment *s)
{
	uint16_t bits = s->flags & (TH_AE | TH_CWR | TH_ECE);
	struct tcp_flow *f = s->flow;

	if (!(s->flags & TH_SYN))
		s->v->has_ace = (f->ecn_syn && f->ecn_synack) || f->ecn_option;
	else if (!(s->flags & TH_ACK))
		f->ecn_syn = bits == (TH_AE | TH_CWR | TH_ECE);
	else
		f->ecn_synack =
			(bits & (TH_AE | TH_CWR)) == TH_CWR || (bits & (TH_AE | TH_ECE)) == TH_AE;
}

static void make_relative(struct segment *s)
{
	struct tcp_verdict *v = s->v;

	v->seq -= s->fwd->base;
	if (s->flags & TH_ACK)
		v->ack -= s->rev->base;
	if (!(s->flags & TH_SYN) && s->fwd->scale > 0)
		v->window <<= s->fwd->scale;
}

void tcp_track_segment(struct tcp_track *t, const struct packet *p, const struct frame *f,
		       struct tcp_verdict *v, struct tcpopt_facts *facts)
{
	struct flow_key key = { 0 };
	unsigned int sender = make_key(&key, p, &f->flow);
	struct tcp_flow *flow = find_flow(t, &key);
	struct segment s = {
		.flow = flow,
		.fwd = &flow->half[sender],
		.rev = &flow->half[!sender],
		.number = p->number,
		.time = p->time,
		.seq = f->tcp_seq,
		.ack = f->tcp_ack,
		.window = f->tcp_window,
		.flags = f->tcp_flags,
		.v = v,
	};

	*v = (struct tcp_verdict){ .seq = s.seq, .ack = s.ack, .window = s.window };
	v->flow = flow;
	v->sender = sender;
	note_syn(t, &s);
	v->has_len = !f->is_fragment && f->l4_len >= f->tcp_hlen;
	if (v->has_len) {
		v->len = s.len = f->l4_len - f->tcp_hlen;
		v->dir = &s.fwd->stream;
		judge(&s);
		make_relative(&s);
	}
	v->base_ack = s.rev->base;
	note_ecn(&s);
	*facts = (struct tcpopt_facts){ .wscale = -1, .scps = s.fwd->scps };
	if (f->fault != FAULT_TCP_HEADER_LEN)
		note_handshake(&s);
	v->syn = s.flags & (TH_SYN | TH_ACK);
}

/*
 * RFC 7323 2.2: the scale holds only if both SYNs carry the option. A SYN
 * without it agrees to none.
 */
static void note_no_scale(struct half *fwd, struct half *rev, bool is_answer)
{
	if (fwd->scale == SCALE_UNKNOWN)
		fwd->scale = rev->scale = SCALE_UNUSED;
	else if (is_answer && rev->scale == SCALE_UNUSED)
		fwd->scale = SCALE_UNUSED;
}

/* Offered by one side alone, it is not agreed upon. */
static void note_scps(struct half *fwd, struct half *rev)
{
	if (!fwd->scps || !rev->scps)
		fwd->scps = rev->scps = false;
}

void tcp_track_options(const struct tcp_verdict *v, const struct tcpopt_facts *facts, bool whole)
{
	struct tcp_flow *flow = v->flow;
	struct half *fwd = &flow->half[v->sender], *rev = &flow->half[!v->sender];

	flow->ecn_option |= facts->has_accecn;
	flow->multipath |= facts->multipath;
	fwd->scps = facts->scps;
	if (facts->wscale >= 0)
		fwd->scale = (int8_t)facts->wscale;
	if (!whole)
		return;
	if (flow->multipath)
		flow->multipath_ops |= facts->multipath_ops;
	if (v->syn & TH_SYN)
		note_no_scale(fwd, rev, v->syn & TH_ACK);
	if (v->syn == (TH_SYN | TH_ACK))
		note_scps(fwd, rev);
}

/* --- messages ------------------------------------------------------------- */

static bool stream_room(struct tcp_track *t, struct tcp_stream *s, uint32_t need)
{
	uint8_t *buf;

	if (need <= s->room)
		return true;
	if (need > MAX_STREAM || t->bytes - s->room + need > t->max_bytes)
		return false;
	buf = realloc(s->buf, need);
	if (!buf)
		return false;
	t->bytes += need - s->room;
	s->buf = buf;
	s->room = need;
	return true;
}

/* Length of the whole messages at the start of data. */
static uint32_t whole_messages(const uint8_t *data, uint32_t len)
{
	uint32_t off = 0;

	while (len - off >= 2) {
		uint32_t size = 2u + ((uint32_t)data[off] << 8 | data[off + 1]);

		if (size > len - off)
			break;
		off += size;
	}
	return off;
}

/* Forgets the bytes that the last call gave out. */
static void stream_advance(struct tcp_stream *s)
{
	if (!s->given)
		return;
	s->have -= s->given;
	memmove(s->buf, s->buf + s->given, s->have);
	s->seq += s->given;
	s->given = 0;
	s->waiting = s->have > 0;
}

static bool stream_append(struct tcp_track *t, struct tcp_stream *s, const uint8_t *data,
			  uint32_t len)
{
	if (!stream_room(t, s, s->have + len))
		return false;
	memcpy(s->buf + s->have, data, len);
	s->have += len;
	return true;
}

static enum tcp_messages stream_start(struct tcp_track *t, struct tcp_stream *s, uint32_t seq,
				      const uint8_t *data, uint32_t *len)
{
	uint32_t whole = whole_messages(data, *len);

	s->have = 0;
	s->seq = seq + whole;
	s->waiting = whole < *len && stream_append(t, s, data + whole, *len - whole);
	*len = whole;
	return whole ? TCP_MSG_WHOLE : TCP_MSG_PART;
}

/* The message that was waited for, alone; all there are if not even its length was known. */
static enum tcp_messages stream_continue(struct tcp_track *t, struct tcp_stream *s,
					 const uint8_t **data, uint32_t *len)
{
	uint32_t size = s->have < 2 ? 0 : 2u + ((uint32_t)s->buf[0] << 8 | s->buf[1]);

	if (!stream_append(t, s, *data, *len)) {
		s->waiting = false;
		return TCP_MSG_NONE;
	}
	s->given = whole_messages(s->buf, s->have);
	if (size && s->given > size)
		s->given = size;
	*data = s->buf;
	*len = s->given;
	return s->given ? TCP_MSG_WHOLE : TCP_MSG_PART;
}

enum tcp_messages tcp_track_messages(struct tcp_track *t, const struct tcp_verdict *v,
				     const struct frame *f, const uint8_t **data, uint32_t *len)
{
	uint32_t seq = f->tcp_seq + (f->tcp_flags & TH_SYN ? 1 : 0);
	struct tcp_stream *s = v->dir;

	if (!s || !f->payload_caplen || v->marks & (TCP_MARK_SPURIOUS | TCP_MARK_RETRANSMISSION))
		return TCP_MSG_NONE;
	*data = f->data + f->payload_off;
	*len = f->payload_caplen;
	if (f->payload_caplen < f->payload_len)
		return TCP_MSG_CUT;
	stream_advance(s);
	if (s->waiting && seq == s->seq + s->have)
		return stream_continue(t, s, data, len);
	return stream_start(t, s, seq, *data, len);
}

bool tcp_track_more(const struct tcp_verdict *v, const uint8_t **data, uint32_t *len)
{
	struct tcp_stream *s = v->dir;

	if (!s->given)
		return false;
	stream_advance(s);
	s->given = whole_messages(s->buf, s->have);
	*data = s->buf;
	*len = s->given;
	return s->given > 0;
}
