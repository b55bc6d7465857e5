package objects

import (
	"math"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// Row is one transfer of an object.
type Row struct {
	URL         string  `json:"url"`
	Kind        string  `json:"kind"` // response, request, or joined: of ranges
	Client      string  `json:"client"`
	Server      string  `json:"server"`
	Time        string  `json:"time"` // of the first octet
	Frame       int     `json:"frame"`
	LastFrame   int     `json:"last_frame"`
	Transaction int     `json:"transaction"`
	Method      string  `json:"method"`
	Status      int     `json:"status"` // 0 = there was no response
	Declared    string  `json:"declared_type"`
	Magic       string  `json:"magic_type"`
	Mismatch    bool    `json:"mismatch"`
	Entropy     float64 `json:"entropy"` // bits per octet
	MD5         string  `json:"md5"`
	SHA1        string  `json:"sha1"`
	SHA256      string  `json:"sha256"`
	Size        int     `json:"size"` // octets that are here
	Complete    bool    `json:"complete"`
	Why         string  `json:"why,omitempty"` // what is missing

	data []byte
	at   int64
}

// found are all bodies in order of their transfers, then what was joined.
func found(r *replay.Reading) []Row {
	var all []Row
	c := counted{}
	for _, t := range r.Transactions {
		uri, _ := plain.URI(t)
		if t.Request.Method != "" {
			all = append(all, c.body(t, &t.Request.Message, "request", uri)...)
		}
		if t.Response != nil {
			all = append(all, c.body(t, &t.Response.Message, "response", uri)...)
		}
	}
	for _, o := range r.Objects {
		if len(o.Data) > 0 && o.SHA256 != "" && len(o.Pieces) > 0 {
			all = append(all, c.joined(o))
		}
	}
	return all
}

// body is the row of a body, if there is one.
func (c counted) body(t *replay.Transaction, m *replay.Message, kind, uri string) []Row {
	b := &m.Body
	if len(b.Data) == 0 || b.SHA256 == "" {
		return nil
	}
	x := Row{URL: uri, Kind: kind, Frame: m.Frame, LastFrame: m.Till, at: m.Time, data: b.Data,
		Declared: plain.Text(b.Declares), Magic: b.Magic, MD5: b.MD5, SHA1: b.SHA1, SHA256: b.SHA256, Complete: b.Complete, Why: plain.Text(b.Why)}
	x.of(t)
	c.fill(&x)
	return []Row{x}
}

func (c counted) joined(o *replay.Object) Row {
	t := o.Pieces[0].Transaction
	x := Row{Kind: "joined", data: o.Data, Declared: plain.Text(o.Declares), Magic: o.Magic, MD5: o.MD5, SHA1: o.SHA1, SHA256: o.SHA256, Complete: o.Complete}
	if o.URL != nil {
		x.URL = plain.URL(o.URL)
	}
	if r := t.Response; r != nil {
		x.Frame, x.at = r.Frame, r.Time
	}
	for _, p := range o.Pieces {
		if r := p.Transaction.Response; r != nil {
			x.LastFrame = max(x.LastFrame, r.Till)
		}
	}
	if !o.Complete {
		x.Why = "not all ranges were transferred or captured"
	}
	x.of(t)
	c.fill(&x)
	return x
}

// of takes what a transaction says.
func (x *Row) of(t *replay.Transaction) {
	x.Transaction, x.Method = t.Number, plain.Text(t.Request.Method)
	x.Client, x.Server = t.Flow.Client.String(), t.Flow.Server.String()
	if t.Response != nil {
		x.Status = t.Response.Status
	}
}

// counted are entropies by hash: the same object is transferred often.
type counted map[string]float64

// fill takes what the octets say.
func (c counted) fill(x *Row) {
	x.Time, x.Size = plain.Date(x.at), len(x.data)
	x.Mismatch = mismatch(x.Declared, x.Magic)
	e, ok := c[x.SHA256]
	if !ok {
		e = entropy(x.data)
		c[x.SHA256] = e
	}
	x.Entropy = e
}

// entropy is Shannon's, in bits per octet: near 8 is compressed or encrypted.
func entropy(b []byte) float64 {
	var n [4][256]int // four, so that a run of one octet does not wait for itself
	i := 0
	for ; i+4 <= len(b); i += 4 {
		n[0][b[i]]++
		n[1][b[i+1]]++
		n[2][b[i+2]]++
		n[3][b[i+3]]++
	}
	for ; i < len(b); i++ {
		n[0][b[i]]++
	}
	h := 0.0
	for v := range 256 {
		if k := n[0][v] + n[1][v] + n[2][v] + n[3][v]; k > 0 {
			p := float64(k) / float64(len(b))
			h -= p * math.Log2(p)
		}
	}
	return math.Round(max(h, 0)*1000) / 1000
}
