//go:build ignore

/* A socket filter for the rings: it counts the packets of flows that user space
 * wants no more of and drops them before they are copied; of others it may keep
 * only the headers.
 *
 * Before it run the few instructions that Attach puts in front: the capture
 * filter, whose verdict (how many octets to keep) comes in cb[0], and the kind
 * of link in cb[1]. Whatever cannot be read here for certain passes, and user
 * space counts it: tunnels, fragments, IPv6 extension headers, LLC, oddities.
 * What is counted must be what packet.Parse would have said; a test compares. */
#include "kernel.h"

/* packet.Key: a <= b by address, then port; IPv4 mapped; ports in host order. */
struct key {
	__u64 a[2], b[2];
	__u16 a_port, b_port;
	__u8 proto;
	__u8 zero[3];
};

struct flow {
	__u32 slot; /* half an index into counters */
	__u32 keep; /* 0: count and drop; else octets to keep of each packet */
};

/* 64 bits each, so there is no padding on any machine. */
struct direction {
	__u64 packets;
	__u64 bytes;
	__u64 ip_bytes;
	__u64 payload;
	__u64 last; /* CLOCK_MONOTONIC, nanoseconds; of what passed, too */
};

/* The sizes are set when the maps are made. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct key);
	__type(value, struct flow);
	__uint(max_entries, 1);
} flows SEC(".maps");

/* Apart from flows, so that counts outlive an eviction: user space owns the
 * slots, of one entry for each direction. (An array of two in one entry would
 * need pointer arithmetic, which the verifier takes from CAP_PERFMON only.) */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct direction);
	__uint(max_entries, 1);
} counters SEC(".maps");

/* All that was ever counted and dropped, by CPU. */
struct totals {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct totals);
	__uint(max_entries, 1);
} totals SEC(".maps");

/* An address as one number; IPv4 mapped. */
struct address {
	__u64 high, low;
};

struct packet {
	struct address src, dst;
	__u32 sport, dport;
	__u32 proto;
	__u32 l4;  /* offset of the layer-4 header */
	__u32 end; /* of the datagram within the frame */
	__u32 ip_bytes;
	__u32 payload;
};

/* TCP, or UDP with the start of its payload. */
struct layer4 {
	__u16 sport, dport;
	union {
		struct {
			__u32 seq, ack;
			__u8 offset;
			__u8 flags;
			__u16 window;
			__u32 sum;
		} tcp;
		struct {
			__u16 length;
			__u16 sum;
			__u8 payload[12];
		} udp;
	};
};

/* An EtherType and the headers that follow it, so placed that numbers are
 * aligned. Each load of packet octets costs about as much as all the rest of the
 * parsing, so one is to do for IPv4. */
struct headers {
	__u16 unused[3];
	__u16 proto;
	union {
		struct {
			struct ipv4 ip;
			struct layer4 l4;
		} v4;
		struct {
			struct ipv6 ip;
			struct layer4 l4;
		} v6;
	};
};

INLINE int is_vlan(__u16 proto)
{
	return proto == HTONS(ETHER_VLAN) || proto == HTONS(ETHER_QINQ) || proto == HTONS(ETHER_OLD_QINQ);
}

/* A sender's payload after so long a silence passes: it may be the beat of a
 * program that calls home, for which user space looks (records.PulsePause). */
#define PAUSE 2000000000ULL

enum { MAX_TAGS = 2, TAG_LEN = 4, TCP = 6, UDP = 17, FIN = 1, SYN = 2, RST = 4 };

/* Loads the EtherType, IPv4 and layer 4, and tells where the network layer is.
 * Frames without that many octets are no TCP, and too short to be worth it. */
INLINE int link_layer(struct __sk_buff *skb, struct headers *h, __u32 *l3)
{
	const __u32 size = sizeof(h->proto) + sizeof(h->v4);

	if (!skb->cb[1]) { /* raw IP */
		*l3 = 0;
		if (bpf_skb_load_bytes(skb, 0, &h->v4, sizeof(h->v4)))
			return 0;
		h->proto = h->v4.ip.version >> 4 == 4 ? HTONS(ETHER_IPV4) : HTONS(ETHER_IPV6);
		return 1;
	}
	if (bpf_skb_load_bytes(skb, 12, &h->proto, size))
		return 0;
	__u32 at = 14;
#pragma unroll
	for (int i = 0; i < MAX_TAGS; i++) {
		if (!is_vlan(h->proto))
			break;
		if (bpf_skb_load_bytes(skb, at + 2, &h->proto, size))
			return 0;
		at += 4;
	}
	*l3 = at;
	return 1;
}

/* Whether it is an IPv4 datagram without fragments. */
INLINE int ipv4(struct __sk_buff *skb, struct packet *p, struct headers *h, __u32 l3)
{
	const struct ipv4 *ip = &h->v4.ip;
	__u32 header = (ip->version & 15) * 4, total = ntohs(ip->total);
	if (!total) /* offload: the frame says */
		total = skb->len - l3;
	if (ip->version >> 4 != 4 || header < 20 || total < header || ip->fragment & HTONS(0x3fff))
		return 0;
	const __u64 prefix = 0xffffULL << 32;
	p->proto = ip->proto;
	p->src.high = p->dst.high = 0;
	p->src.low = prefix | ntohl(ip->src);
	p->dst.low = prefix | ntohl(ip->dst);
	p->ip_bytes = total;
	p->l4 = l3 + header;
	return header == 20 || !bpf_skb_load_bytes(skb, p->l4, &h->v4.l4, sizeof(h->v4.l4));
}

INLINE int ipv6(struct __sk_buff *skb, struct packet *p, struct headers *h, __u32 l3)
{
	const struct ipv6 *ip = &h->v6.ip;
	if (ip->version >> 4 != 6 || bpf_skb_load_bytes(skb, l3, &h->v6, sizeof(h->v6)))
		return 0;
	p->proto = ip->next;
	p->src.high = ntohll(ip->src[0]);
	p->src.low = ntohll(ip->src[1]);
	p->dst.high = ntohll(ip->dst[0]);
	p->dst.low = ntohll(ip->dst[1]);
	p->ip_bytes = ip->payload ? 40 + ntohs(ip->payload) : skb->len - l3; /* jumbogram or offload */
	p->l4 = l3 + 40;
	return 1;
}

INLINE int tunnel_port(__u32 port)
{
	switch (port) { /* packet/tunnel_udp.go */
	case 1701:
	case 2152:
	case 3544:
	case 4754:
	case 4789:
	case 4790:
	case 5247:
	case 6081:
	case 6635:
	case 8472:
	case 37008:
		return 1;
	}
	return 0;
}

/* Whether user space might find another packet inside: what packet/tunnel_udp.go
 * recognises on any port, less strictly. */
INLINE int perhaps_tunnel(const __u8 *d, __u32 len)
{
	if (len < 8)
		return 0;
	return (d[0] == 8 && !(d[1] | d[2] | d[3] | d[7])) ||                     /* VXLAN */
	       ((d[0] & 0xf8) == 0x30 && d[1] == 0xff) ||                         /* GTP-U */
	       (d[0] >> 6 == 0 && d[2] == 0x65 && d[3] == 0x58 && d[7] == 0) ||   /* GENEVE */
	       (d[0] >> 4 == 6 && 40 + ((__u32)d[4] << 8 | d[5]) == len) ||       /* Teredo */
	       (d[0] == 0 && d[1] <= 1);                                          /* Teredo with headers of its own */
}

/* Whether the layer-4 header is whole and the packet is one that can be kept
 * back; sets ports and payload. */
INLINE int layer4(struct packet *p, const struct layer4 *h)
{
	__u32 header = 8;
	p->sport = ntohs(h->sport);
	p->dport = ntohs(h->dport);
	if (p->proto == TCP) {
		header = (h->tcp.offset >> 4) * 4;
		if (header < 20 || p->l4 + header > p->end || h->tcp.flags & (FIN | SYN | RST))
			return 0;
		p->payload = p->end - (p->l4 + header);
		return 1;
	}
	if (p->proto != UDP || p->l4 + header > p->end)
		return 0;
	__u32 n = ntohs(h->udp.length);
	if (n >= 8 && p->l4 + n < p->end)
		p->end = p->l4 + n;
	p->payload = p->end - (p->l4 + header);
	return !tunnel_port(p->sport) && !tunnel_port(p->dport) && !perhaps_tunnel(h->udp.payload, p->payload);
}

INLINE int parse(struct __sk_buff *skb, struct packet *p)
{
	struct headers h;
	__u32 l3 = 0;
	const struct layer4 *l4 = &h.v4.l4;
	if (!link_layer(skb, &h, &l3))
		return 0;
	if (h.proto == HTONS(ETHER_IPV4)) {
		if (!ipv4(skb, p, &h, l3))
			return 0;
	} else {
		if (h.proto != HTONS(ETHER_IPV6) || !ipv6(skb, p, &h, l3))
			return 0;
		l4 = &h.v6.l4;
	}
	p->end = smaller(l3 + p->ip_bytes, skb->len);
	return layer4(p, l4);
}

/* from_b tells that the sender is the key's b. */
INLINE int from_b(const struct packet *p)
{
	if (p->src.high != p->dst.high)
		return p->src.high > p->dst.high;
	if (p->src.low != p->dst.low)
		return p->src.low > p->dst.low;
	return p->sport > p->dport;
}

INLINE void set_key(struct key *k, const struct packet *p, int reverse)
{
	k->a[0] = ntohll(reverse ? p->dst.high : p->src.high);
	k->a[1] = ntohll(reverse ? p->dst.low : p->src.low);
	k->b[0] = ntohll(reverse ? p->src.high : p->dst.high);
	k->b[1] = ntohll(reverse ? p->src.low : p->dst.low);
	k->a_port = reverse ? p->dport : p->sport;
	k->b_port = reverse ? p->sport : p->dport;
	k->proto = p->proto;
}

SEC("socket")
int shunt(struct __sk_buff *skb)
{
	__u32 accepted = skb->cb[0];
	struct packet p;
	if (!parse(skb, &p))
		return accepted;
	struct key key = {};
	__u32 side = from_b(&p);
	set_key(&key, &p, side);
	struct flow *f = bpf_map_lookup_elem(&flows, &key);
	if (!f)
		return accepted;
	if (f->keep)
		return smaller(accepted, f->keep);
	__u32 index = f->slot * 2 + side, all = 0;
	struct direction *d = bpf_map_lookup_elem(&counters, &index);
	struct totals *sum = bpf_map_lookup_elem(&totals, &all);
	if (!d || !sum)
		return accepted;
	__u64 now = bpf_ktime_get_ns(), last = d->last;
	d->last = now;
	if (p.payload && now - last >= PAUSE)
		return accepted;
	__u32 wire = skb->len + (skb->vlan_present ? TAG_LEN : 0); /* the tag was taken off */
	sum->packets++;
	sum->bytes += wire;
	__sync_fetch_and_add(&d->packets, 1);
	__sync_fetch_and_add(&d->bytes, wire);
	__sync_fetch_and_add(&d->ip_bytes, p.ip_bytes);
	__sync_fetch_and_add(&d->payload, p.payload);
	return 0;
}

char __license[] SEC("license") = "Dual BSD/GPL";
