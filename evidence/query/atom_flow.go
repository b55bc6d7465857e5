package query

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"kagami/packet"
)

// flow is a Community ID, version 1 and seed 0
// (https://github.com/corelight/community-id-spec).
type flow struct {
	id  string
	sum [sha1.Size]byte
}

func (e *flow) match(f *Flow) bool {
	switch {
	case f.NoIP || f.ARP:
		return false
	case f.Key.Proto != packet.ProtoICMP && f.Key.Proto != packet.ProtoICMPv6:
		return communitySum(&f.Key) == e.sum
	case f.ClientKnown:
		return f.Key.CommunityID(f.Client) == e.id
	}
	// An ICMP message without a counterpart has an id by its sender.
	return f.Key.CommunityID(packet.FromA) == e.id || f.Key.CommunityID(packet.FromB) == e.id
}

// communitySum is the digest inside Key.CommunityID, without its text. It is for
// all protocols but ICMP: the order of a key's endpoints is that of the
// specification.
func communitySum(k *packet.Key) [sha1.Size]byte {
	var room [40]byte
	b := room[:2] // the seed
	if packet.IsV4(&k.A) && packet.IsV4(&k.B) {
		b = append(append(b, k.A[12:]...), k.B[12:]...)
	} else {
		b = append(append(b, k.A[:]...), k.B[:]...)
	}
	b = append(b, k.Proto, 0)
	switch k.Proto {
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
		b = binary.BigEndian.AppendUint16(b, k.APort)
		b = binary.BigEndian.AppendUint16(b, k.BPort)
	}
	return sha1.Sum(b)
}

func (e *flow) append(b []byte) []byte { return append(append(b, "flow "...), e.id...) }

func (e *flow) explain() string { return "its Community ID is " + e.id }

// flow parses what follows flow.
func (p *parser) flow(token) (expr, error) {
	t := p.take()
	digits, ok := strings.CutPrefix(t.text, "1:")
	if len(digits) == 27 { // the "=" gets lost when it is copied
		digits += "="
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(digits)
	if t.kind == tokOp || !ok || err != nil || len(sum) != sha1.Size {
		hint := ""
		if len(t.text) == 16 && strings.Trim(t.word(), "0123456789abcdef") == "" {
			hint = "; a record's flow id cannot be looked up, its network.community_id can"
		}
		return nil, p.fail(t, "flow wants a Community ID such as 1:wCb3OG7yAFWelaUydu0D+125CLM=, found %s%s", t, hint)
	}
	return &flow{id: "1:" + digits, sum: [sha1.Size]byte(sum)}, nil
}

// bound is an alert or a case: whatever was bound to it.
type bound struct{ set *set }

func (e *bound) match(f *Flow) bool { return e.set.match(f) }

func (e *bound) append(b []byte) []byte {
	b = append(append(b, e.set.kind...), ' ')
	return appendName(b, e.set.name)
}

func (e *bound) explain() string {
	return "it belongs to " + string(e.set.kind) + " " + quoted(e.set.name) + e.set.found()
}

// bound parses what follows alert or case. Ids of alerts are in lower case;
// names of cases are taken as they stand.
func (p *parser) bound(keyword token, k Kind) (expr, error) {
	t := p.take()
	text := t.text
	if k == Alert {
		text = strings.ToLower(text)
	}
	switch {
	case t.kind == tokEnd || t.kind == tokOp || isKeyword(t.word()) || text == "":
		return nil, p.fail(t, "%s wants %s, found %s", keyword.word(), map[Kind]string{Alert: "the id of an alert", Case: "the name of a case"}[k], t)
	case len(text) > maxName:
		return nil, p.fail(t, "%s is longer than %d octets", t, maxName)
	}
	return &bound{p.set(k, text)}, nil
}
