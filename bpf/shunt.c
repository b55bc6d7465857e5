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
	__u8 a[16], b[16];
	__u16 a_port, b_port;
	__u8 proto;
	__u8 zero[3];
};

struct flow {
	__u32 slot; /* index into counters */
	__u32 keep; /* 0: count and drop; else octets to keep of each packet */
};

/* 64 bits each, so there is no padding on any machine. */
struct direction {
	__u64 packets;
	__u64 bytes;
	__u64 ip_bytes;
	__u64 payload;
	__u64 last; /* CLOCK_MONOTONIC, nanoseconds */
};

struct counts {
	struct direction from[2];
};

/* The sizes are set when the maps are made. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct key);
	__type(value, struct flow);
	__uint(max_entries, 1);
} flows SEC(".maps");

/* Apart from flows, so that counts outlive an eviction: user space owns the
 * slots. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct counts);
	__uint(max_entries, 1);
} counters SEC(".maps");

struct packet {
	struct key key;
	__u32 side;     /* 0: a sent it */
	__u32 l4;       /* offset of the layer-4 header */
	__u32 end;      /* of the datagram within the frame */
	__u32 ip_bytes;
	__u32 payload;
};

enum { MAX_TAGS = 2, TCP = 6, UDP = 17, FIN = 1, SYN = 2, RST = 4 };

/* The network layer's offset and EtherType, 0 when there is none to read. */
INLINE __u32 link_layer(struct __sk_buff *skb, __u32 *l3)
{
	__u8 h[4];

	if (!skb->cb[1]) { /* raw IP */
		*l3 = 0;
		if (bpf_skb_load_bytes(skb, 0, h, 1))
			return 0;
		return h[0] >> 4 == 4 ? ETHER_IPV4 : h[0] >> 4 == 6 ? ETHER_IPV6 : 0;
	}
	if (bpf_skb_load_bytes(skb, 12, h, 2))
		return 0;
	__u32 proto = be16(h), at = 14;
#pragma unroll
	for (int i = 0; i < MAX_TAGS; i++) {
		if (!is_vlan(proto))
			break;
		if (bpf_skb_load_bytes(skb, at, h, 4))
			return 0;
		proto = be16(h + 2);
		at += 4;
	}
	*l3 = at;
	return proto;
}

/* arrange puts the endpoints in canonical order. */
INLINE void arrange(struct packet *p, const __u8 *src, const __u8 *dst, int order, __u32 sport, __u32 dport)
{
	struct key *k = &p->key;
	if (order < 0 || (order == 0 && sport <= dport)) {
		__builtin_memcpy(k->a, src, 16);
		__builtin_memcpy(k->b, dst, 16);
		k->a_port = sport;
		k->b_port = dport;
		p->side = 0;
		return;
	}
	__builtin_memcpy(k->a, dst, 16);
	__builtin_memcpy(k->b, src, 16);
	k->a_port = dport;
	k->b_port = sport;
	p->side = 1;
}

INLINE __u64 be64(const __u8 *p) { return (__u64)be32(p) << 32 | be32(p + 4); }

INLINE int compare(const __u8 *a, const __u8 *b)
{
	__u64 x = be64(a), y = be64(b);
	if (x == y) {
		x = be64(a + 8);
		y = be64(b + 8);
	}
	return x < y ? -1 : x > y;
}

/* The addresses of an IPv4 datagram without fragments; its protocol or 0. */
INLINE __u32 ipv4(struct __sk_buff *skb, struct packet *p, __u32 l3, __u8 *src, __u8 *dst)
{
	__u8 h[20];
	if (bpf_skb_load_bytes(skb, l3, h, sizeof(h)))
		return 0;
	__u32 header = (h[0] & 15) * 4, total = be16(h + 2);
	if (!total) /* offload: the frame says */
		total = skb->len - l3;
	if (h[0] >> 4 != 4 || header < 20 || total < header || be16(h + 6) & 0x3fff)
		return 0;
	src[10] = src[11] = dst[10] = dst[11] = 0xff;
	__builtin_memcpy(src + 12, h + 12, 4);
	__builtin_memcpy(dst + 12, h + 16, 4);
	p->ip_bytes = total;
	p->l4 = l3 + header;
	return h[9];
}

INLINE __u32 ipv6(struct __sk_buff *skb, struct packet *p, __u32 l3, __u8 *src, __u8 *dst)
{
	__u8 h[40];
	if (bpf_skb_load_bytes(skb, l3, h, sizeof(h)) || h[0] >> 4 != 6)
		return 0;
	p->ip_bytes = be16(h + 4) ? 40 + be16(h + 4) : skb->len - l3; /* jumbogram or offload */
	__builtin_memcpy(src, h + 8, 16);
	__builtin_memcpy(dst, h + 24, 16);
	p->l4 = l3 + 40;
	return h[6];
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
INLINE int perhaps_tunnel(struct __sk_buff *skb, __u32 at, __u32 len)
{
	__u8 d[8];
	if (len < 8 || bpf_skb_load_bytes(skb, at, d, sizeof(d)))
		return 0;
	return (d[0] == 8 && !(d[1] | d[2] | d[3] | d[7])) ||            /* VXLAN */
	       ((d[0] & 0xf8) == 0x30 && d[1] == 0xff) ||                /* GTP-U */
	       (d[0] >> 6 == 0 && be16(d + 2) == 0x6558 && d[7] == 0) || /* GENEVE */
	       (d[0] >> 4 == 6 && 40 + be16(d + 4) == len) ||            /* Teredo */
	       (d[0] == 0 && d[1] <= 1);                                 /* Teredo with headers of its own */
}

/* Whether the layer-4 header is whole and the packet is one that can be kept
 * back; sets payload. */
INLINE int layer4(struct __sk_buff *skb, struct packet *p, __u32 *sport, __u32 *dport)
{
	__u8 h[20];
	__u32 header = 8;
	if (p->key.proto == TCP) {
		if (p->l4 + 20 > p->end || bpf_skb_load_bytes(skb, p->l4, h, 20))
			return 0;
		header = (h[12] >> 4) * 4;
		if (header < 20 || p->l4 + header > p->end || h[13] & (FIN | SYN | RST))
			return 0;
	} else {
		if (p->l4 + 8 > p->end || bpf_skb_load_bytes(skb, p->l4, h, 8))
			return 0;
		__u32 n = be16(h + 4);
		if (n >= 8 && p->l4 + n < p->end)
			p->end = p->l4 + n;
	}
	*sport = be16(h);
	*dport = be16(h + 2);
	p->payload = p->end - (p->l4 + header);
	if (p->key.proto == TCP)
		return 1;
	return !tunnel_port(*sport) && !tunnel_port(*dport) && !perhaps_tunnel(skb, p->l4 + 8, p->payload);
}

INLINE int parse(struct __sk_buff *skb, struct packet *p)
{
	__u8 src[16] = {}, dst[16] = {};
	__u32 l3 = 0, sport, dport, proto;
	switch (link_layer(skb, &l3)) {
	case ETHER_IPV4:
		proto = ipv4(skb, p, l3, src, dst);
		break;
	case ETHER_IPV6:
		proto = ipv6(skb, p, l3, src, dst);
		break;
	default:
		return 0;
	}
	if (proto != TCP && proto != UDP)
		return 0;
	p->key.proto = proto;
	p->end = smaller(l3 + p->ip_bytes, skb->len);
	if (!layer4(skb, p, &sport, &dport))
		return 0;
	arrange(p, src, dst, compare(src, dst), sport, dport);
	return 1;
}

SEC("socket")
int shunt(struct __sk_buff *skb)
{
	__u32 accepted = skb->cb[0];
	struct packet p = {};
	if (!parse(skb, &p))
		return accepted;
	struct flow *f = bpf_map_lookup_elem(&flows, &p.key);
	if (!f)
		return accepted;
	if (f->keep)
		return smaller(accepted, f->keep);
	__u32 slot = f->slot;
	struct counts *c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return accepted;
	struct direction *d = &c->from[p.side & 1];
	__sync_fetch_and_add(&d->packets, 1);
	__sync_fetch_and_add(&d->bytes, skb->len);
	__sync_fetch_and_add(&d->ip_bytes, p.ip_bytes);
	__sync_fetch_and_add(&d->payload, p.payload);
	d->last = bpf_ktime_get_ns();
	return 0;
}

char __license[] SEC("license") = "Dual BSD/GPL";
