//go:build ignore

/* Chooses the ring for a packet (PACKET_FANOUT_EBPF): a hash of the two
 * addresses of the innermost datagram, the same for both directions, for all
 * fragments and for tunnelled packets. It is packet.Key.Pair, and the kernel
 * takes it modulo the number of rings.
 *
 * An encapsulation that is not read here (L2TP, TZSP, CAPWAP, Teredo, 802.1ah,
 * VXLAN on odd ports) leaves the outer addresses: the tunnel stays together. The
 * fragments of a tunnel's outer datagram go by the outer addresses too, as only
 * the first shows more. Frames without addresses go to the first ring. */
#include "kernel.h"

enum {
	MAX_HEADERS = 16,
	TRANSPORT = 0x10000, /* walk.proto is an IP protocol with this added */
	ANY_IP = 0x20000,    /* IPv4 or IPv6, by the version */
	TEB = 0x6558,        /* transparent Ethernet bridging: a whole frame */
};

struct walk {
	__u32 at;    /* offset of the next header, from the network layer on */
	__u32 proto; /* what it is: an EtherType, TRANSPORT + IP protocol, ANY_IP; 0: nothing more */
	__u64 pair;
};

INLINE int load(struct __sk_buff *skb, __u32 at, void *to, __u32 size)
{
	return bpf_skb_load_bytes_relative(skb, at, to, size, BPF_HDR_START_NET);
}

INLINE __u32 be16(const __u8 *p) { return (__u32)p[0] << 8 | p[1]; }

/* packet.pair: symmetric, since both orders give the same sum and difference of
 * bits. */
INLINE __u64 pair(__u64 a, __u64 b)
{
	__u64 h = ((a + b) * 0x9e3779b97f4a7c15ULL) ^ ((a ^ b) * 0xc2b2ae3d27d4eb4fULL);
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return (h ^ h >> 32) >> 32;
}

INLINE __u64 fold(const __u64 *a) { return (ntohll(a[0]) * 0x9e3779b97f4a7c15ULL) ^ ntohll(a[1]); }

INLINE void ipv4(struct __sk_buff *skb, struct walk *w)
{
	struct ipv4 h;
	w->proto = 0;
	if (load(skb, w->at, &h, sizeof(h)) || h.version >> 4 != 4 || (h.version & 15) < 5)
		return;
	w->pair = pair(ntohl(h.src), ntohl(h.dst));
	if (h.fragment & HTONS(0x3fff))
		return;
	w->at += (h.version & 15) * 4;
	w->proto = TRANSPORT + h.proto;
}

INLINE void ipv6(struct __sk_buff *skb, struct walk *w)
{
	struct ipv6 h;
	w->proto = 0;
	if (load(skb, w->at, &h, sizeof(h)) || h.version >> 4 != 6)
		return;
	w->pair = pair(fold(h.src), fold(h.dst));
	w->at += 40;
	w->proto = TRANSPORT + h.next;
}

/* An IPv6 extension header; fragments end the walk. */
INLINE void extension(struct __sk_buff *skb, struct walk *w)
{
	__u8 h[4];
	__u32 fragment = w->proto == TRANSPORT + 44;
	w->proto = 0;
	if (load(skb, w->at, h, sizeof(h)) || (fragment && be16(h + 2) & 0xfff9))
		return;
	w->at += fragment ? 8 : 8 + h[1] * 8;
	w->proto = TRANSPORT + h[0];
}

/* RFC 2784, 2890 and 2637, and what ERSPAN puts into it. */
INLINE void gre(struct __sk_buff *skb, struct walk *w)
{
	__u8 h[4], last;
	w->proto = 0;
	if (load(skb, w->at, h, sizeof(h)) || (h[1] & 7) > 1)
		return;
	w->at += 4 + (h[0] & 0xc0 ? 4 : 0) + (h[0] & 0x20 ? 4 : 0) + (h[0] & 0x10 ? 4 : 0) + ((h[1] & 0x87) == 0x81 ? 4 : 0);
	w->proto = be16(h + 2);
	if (w->proto == 0x88be) { /* ERSPAN: type I has no sequence number and no header */
		w->at += h[0] & 0x10 ? 8 : 0;
		w->proto = TEB;
	} else if (w->proto == 0x22eb) { /* type III, perhaps with a platform's subheader */
		if (load(skb, w->at + 11, &last, 1))
			return;
		w->at += last & 1 ? 20 : 12;
		w->proto = TEB;
	}
}

/* The extension headers of GTP-U; next is the type of the first. */
INLINE void gtp_extensions(struct __sk_buff *skb, struct walk *w, __u8 next)
{
	__u8 size;
	for (int i = 0; i < 4 && next; i++) {
		if (load(skb, w->at, &size, 1) || !size || load(skb, w->at + size * 4 - 1, &next, 1)) {
			w->proto = 0;
			return;
		}
		w->at += size * 4;
	}
}

/* 3GPP TS 29.281 section 5; d is the start of its header. */
INLINE void gtp(struct __sk_buff *skb, struct walk *w, const __u8 *d)
{
	__u8 next;
	if (d[0] >> 5 != 1 || !(d[0] & 0x10) || d[1] != 0xff)
		return;
	w->proto = ANY_IP;
	w->at += 16;
	if (!(d[0] & 7))
		return;
	if (load(skb, w->at + 3, &next, 1)) {
		w->proto = 0;
		return;
	}
	w->at += 4;
	if (d[0] & 4)
		gtp_extensions(skb, w, next);
}

INLINE int either(const __u8 *h, __u32 port) { return be16(h) == port || be16(h + 2) == port; }

INLINE void udp(struct __sk_buff *skb, struct walk *w)
{
	__u8 h[16], *d = h + 8;
	w->proto = 0;
	if (load(skb, w->at, h, sizeof(h)))
		return;
	if (either(h, 4789) || either(h, 8472) || either(h, 4790)) { /* VXLAN */
		w->at += 16;
		if (d[0] & 8)
			w->proto = !either(h, 4790) || !(d[0] & 4) ? TEB : d[3] == 1 ? ETHER_IPV4 : d[3] == 2 ? ETHER_IPV6 : TEB;
	} else if (either(h, 6081)) { /* GENEVE */
		w->at += 16 + (d[0] & 63) * 4;
		w->proto = d[0] >> 6 ? 0 : be16(d + 2);
	} else if (either(h, 2152)) {
		gtp(skb, w, d);
	} else if (either(h, 4754)) { /* GRE in UDP */
		w->at += 8;
		w->proto = TRANSPORT + 47;
	} else if (either(h, 6635)) { /* MPLS in UDP */
		w->at += 8;
		w->proto = ETHER_MPLS;
	}
}

/* One label of a stack (RFC 3032). */
INLINE void mpls(struct __sk_buff *skb, struct walk *w)
{
	__u8 h[5];
	if (load(skb, w->at, h, sizeof(h))) {
		w->proto = 0;
		return;
	}
	w->at += 4;
	if (!(h[2] & 1))
		return; /* another label */
	__u32 first = h[4] >> 4;
	w->proto = first == 4 || first == 6 ? ANY_IP : TEB;
	if (!first) /* a control word before a frame (RFC 4385) */
		w->at += 4;
}

/* A two-octet EtherType within a link layer header. */
INLINE void ethertype(struct __sk_buff *skb, struct walk *w, __u32 offset)
{
	__u8 h[2];
	if (load(skb, w->at + offset, h, sizeof(h))) {
		w->proto = 0;
		return;
	}
	w->at += offset + 2;
	w->proto = be16(h);
}

/* PPP with its two-octet protocol, in PPPoE (at offset 6) or GRE (0). */
INLINE void ppp(struct __sk_buff *skb, struct walk *w, __u32 offset)
{
	__u8 h[4];
	w->proto = 0;
	if (load(skb, w->at + offset, h, sizeof(h)))
		return;
	__u32 skip = h[0] == 0xff && h[1] == 3 ? 2 : 0; /* address and control */
	__u32 proto = skip ? be16(h + 2) : be16(h);
	w->at += offset + skip + 2;
	w->proto = proto == 0x21 ? ETHER_IPV4 : proto == 0x57 ? ETHER_IPV6 : 0;
}

INLINE void any_ip(struct __sk_buff *skb, struct walk *w)
{
	__u8 version;
	if (load(skb, w->at, &version, 1))
		version = 0;
	w->proto = version >> 4 == 4 ? ETHER_IPV4 : version >> 4 == 6 ? ETHER_IPV6 : 0;
}

/* Reads one header. */
INLINE void step(struct __sk_buff *skb, struct walk *w)
{
	switch (w->proto) {
	case ETHER_IPV4:
	case TRANSPORT + 4:
		return ipv4(skb, w);
	case ETHER_IPV6:
	case TRANSPORT + 41:
		return ipv6(skb, w);
	case ANY_IP:
		return any_ip(skb, w);
	case TRANSPORT + 0:
	case TRANSPORT + 43:
	case TRANSPORT + 44:
	case TRANSPORT + 60:
		return extension(skb, w);
	case TRANSPORT + 17:
		return udp(skb, w);
	case TRANSPORT + 47:
		return gre(skb, w);
	case TRANSPORT + 97: /* EtherIP */
		return ethertype(skb, w, 14);
	case TEB:
		return ethertype(skb, w, 12);
	case ETHER_VLAN:
	case ETHER_QINQ:
	case ETHER_OLD_QINQ:
		return ethertype(skb, w, 2);
	case ETHER_MPLS:
	case ETHER_MPLS_MULTI:
	case TRANSPORT + 137:
		return mpls(skb, w);
	case ETHER_PPPOE:
		return ppp(skb, w, 6);
	case ETHER_PPP:
		return ppp(skb, w, 0);
	}
	w->proto = 0;
}

SEC("socket")
int fanout(struct __sk_buff *skb)
{
	struct walk w = {.proto = ntohs(skb->protocol)};
	for (int i = 0; i < MAX_HEADERS && w.proto; i++)
		step(skb, &w);
	return w.pair;
}

char __license[] SEC("license") = "Dual BSD/GPL";
