package packet

import (
	"crypto/sha1"
	"encoding/base64"
)

// CommunityID is the flow's Community ID version 1 with seed 0
// (https://github.com/corelight/community-id-spec): "1:" and 27 base64 digits
// with one "=". src is the side whose packet names the flow; it matters only
// for ICMP messages that have no counterpart.
func (k *Key) CommunityID(src Side) string {
	var b [40]byte
	sa, da := k.Addr(src), k.Addr(src.Other())
	sp, dp := k.Port(src), k.Port(src.Other())
	oneWay := false
	if k.Proto == ProtoICMP || k.Proto == ProtoICMPv6 {
		_, counterpart := icmpCounterpart(k.Proto, uint8(sp))
		oneWay = !counterpart
	}
	if c := compare(&sa, &da); !oneWay && (c > 0 || c == 0 && sp > dp) {
		sa, da, sp, dp = da, sa, dp, sp
	}
	out := append(b[:0], 0, 0)
	if IsV4(&sa) && IsV4(&da) {
		out = append(append(out, sa[12:]...), da[12:]...)
	} else {
		out = append(append(out, sa[:]...), da[:]...)
	}
	out = append(out, k.Proto, 0)
	switch k.Proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP, ProtoICMP, ProtoICMPv6:
		out = be.AppendUint16(be.AppendUint16(out, sp), dp)
	}
	sum := sha1.Sum(out)
	var text [30]byte
	enc := append(text[:0], "1:"...)
	return string(base64.StdEncoding.AppendEncode(enc, sum[:]))
}
