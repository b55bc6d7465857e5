package index

import (
	"encoding/binary"
	"net/netip"

	"kagami/evidence/segment"
	"kagami/packet"
)

// note is a segment.Note in the making. Its octets stand in notes.text: the key if
// there is no row, From and To of an alert, name, text, addresses of 16 octets.
type note struct {
	at     int64
	row    int32 // -1: none, the key stands in text
	off    uint32
	text   uint16
	name   uint8
	addrs  uint8
	kind   segment.NoteKind
	client packet.Side
	window bool
}

type notes struct {
	all  []note
	text []byte
	lost uint64
}

func (t *notes) reset() { t.all, t.text, t.lost = t.all[:0], t.text[:0], 0 }

// Note adds a note. Its flow's packets came before it.
func (b *Builder) Note(n *segment.Note) {
	row := -1
	if n.Kind != segment.Alert {
		row = b.flows.find(&n.Key, n.Key.Hash())
	}
	if row >= 0 {
		f := &b.flows.all[row]
		f.state |= noted
		if n.Kind == segment.Hole {
			f.flags |= Hole
		}
		if f.state&clientKnown == 0 {
			f.client = n.Client
			f.state |= clientKnown
		}
	}
	t := &b.notes
	if len(t.all) >= b.limits.notes+b.limits.notes/slack || len(t.text) >= b.limits.text+b.limits.text/slack {
		t.lost++
		return
	}
	t.add(n, row)
}

func (t *notes) add(n *segment.Note, row int) {
	name := n.Name[:min(len(n.Name), segment.MaxNoteName)]
	text := n.Text[:min(len(n.Text), segment.MaxNoteText)]
	addrs := n.Addrs[:min(len(n.Addrs), segment.MaxNoteAddrs)]
	e := note{at: n.At, row: int32(row), off: uint32(len(t.text)), kind: n.Kind, client: n.Client,
		name: uint8(len(name)), text: uint16(len(text)), addrs: uint8(len(addrs)), window: n.From != 0 || n.To != 0}
	if row < 0 {
		t.text = appendKey(t.text, &n.Key)
	}
	if e.window {
		t.text = binary.LittleEndian.AppendUint64(t.text, uint64(n.From))
		t.text = binary.LittleEndian.AppendUint64(t.text, uint64(n.To))
	}
	t.text = append(append(t.text, name...), text...)
	for _, a := range addrs {
		v := a.As16()
		t.text = append(t.text, v[:]...)
	}
	t.all = append(t.all, e)
}

// note is number n as it was given.
func (t *notes) note(n int, rows []flow) segment.Note {
	e := &t.all[n]
	b := t.text[e.off:]
	out := segment.Note{Kind: e.kind, At: e.at, Client: e.client}
	if e.row >= 0 {
		out.Key = rows[e.row].key
	} else {
		out.Key = readKey(b)
		b = b[keyLen:]
	}
	if e.window {
		out.From, out.To = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		b = b[16:]
	}
	out.Name, out.Text = string(b[:e.name]), string(b[e.name:int(e.name)+int(e.text)])
	b = b[int(e.name)+int(e.text):]
	for range e.addrs {
		out.Addrs = append(out.Addrs, netip.AddrFrom16([16]byte(b)).Unmap())
		b = b[16:]
	}
	return out
}

// name is the name of note n.
func (t *notes) name(n int) string {
	e := &t.all[n]
	at := int(e.off)
	if e.row < 0 {
		at += keyLen
	}
	if e.window {
		at += windowLen
	}
	return string(t.text[at : at+int(e.name)])
}

const windowLen = 16

const keyLen = 16 + 16 + 2 + 2 + 1

func appendKey(b []byte, k *packet.Key) []byte {
	b = append(append(b, k.A[:]...), k.B[:]...)
	b = binary.LittleEndian.AppendUint16(b, k.APort)
	b = binary.LittleEndian.AppendUint16(b, k.BPort)
	return append(b, k.Proto)
}

func readKey(b []byte) packet.Key {
	return packet.Key{A: [16]byte(b), B: [16]byte(b[16:]), APort: binary.LittleEndian.Uint16(b[32:]),
		BPort: binary.LittleEndian.Uint16(b[34:]), Proto: b[36]}
}
