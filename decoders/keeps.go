package decoders

import "kagami/sensor"

// What decoders keep of a connection while it lasts, for the limit that all of them
// share (sensor.Keeper, sensor.max_kept): the memory of their state, in octets,
// rounded up. Files have a limit of their own (FilesConfig.MaxMemory). TestKeeps
// holds the figures against what is really allocated.
const (
	httpCost      = 1 << 10
	http2Cost     = 3 << 10
	exchangeCost  = 2 << 10 // a transaction of HTTP
	hpackCost     = 2 << 10 // of a direction, besides its table
	socketCost    = 2 << 10 // WebSocket
	mailCost      = 2 << 10 // a mail connection, or a transaction on it
	mimeCost      = 4 << 10
	partCost      = 512 // of a message or form
	recipientCost = 48
	pendingCost   = 128 // a command without an answer
	ftpCost       = 1 << 10
	ftpPending    = 1 << 10
	tlsCost       = 2 << 10
	quicCost      = 4 << 10 // keys included
	socksCost     = 1 << 10
	dnsCost       = 256
)

// Keeps implements sensor.Keeper.
func (h *httpDecoder) Keeps() int {
	n := httpCost + cap(h.up.held) + cap(h.down.held) + h.kept + sensor.Keeps(h.inner)
	if h.tunnel != nil && len(h.queue) == 0 {
		n += exchangeCost
	}
	for _, x := range h.queue {
		n += exchangeCost + x.sent.form.keeps()
	}
	return n
}

// Keeps implements sensor.Keeper.
func (d *http2Decoder) Keeps() int {
	n := http2Cost + d.kept + cap(d.list.text)
	for _, s := range [...]*http2Side{&d.up, &d.down} {
		n += cap(s.block.octets)
		if s.hpack != nil {
			n += hpackCost + s.table
		}
	}
	for _, st := range d.streams {
		n += exchangeCost + st.sent.form.keeps() + sensor.Keeps(st.inner)
	}
	return n
}

// Keeps implements sensor.Keeper.
func (*webSocketDecoder) Keeps() int { return socketCost }

// keeps is what a message or form under way takes, 0 for nil.
func (m *mimeReader) keeps() int {
	if m == nil {
		return 0
	}
	return mimeCost + m.told + cap(m.line) + cap(m.head.field) + cap(m.fields.octets) + cap(m.leaf.text.line)
}

// weight is what a part takes in a record.
func (m *mimeReader) weight() int {
	p := &m.leaf.part
	return partCost + len(p.Name) + len(p.Field) + len(p.ContentID) + len(p.Type)
}

func (l *mailLines) keeps() int { return cap(l.held) }

// Keeps implements sensor.Keeper.
func (d *smtpDecoder) Keeps() int {
	n := mailCost + d.up.keeps() + d.down.keeps() + len(d.pending)*pendingCost + sensor.Keeps(d.inner)
	for _, x := range d.open {
		n += mailCost + x.kept + x.mime.keeps()
	}
	return n
}

// Keeps implements sensor.Keeper.
func (d *pop3Decoder) Keeps() int {
	n := mailCost + d.up.keeps() + d.down.keeps() + len(d.pending)*pendingCost + sensor.Keeps(d.inner)
	if d.x != nil {
		n += mailCost + d.x.mime.keeps()
	}
	return n
}

// Keeps implements sensor.Keeper.
func (d *imapDecoder) Keeps() int {
	n := mailCost + len(d.pending)*pendingCost + sensor.Keeps(d.inner)
	for _, s := range [...]*imapStream{&d.up, &d.down} {
		n += s.lines.keeps() + cap(s.kept)
		if s.x != nil {
			n += mailCost + s.x.mime.keeps()
		}
	}
	for i := range d.pending {
		if x := d.pending[i].x; x != nil {
			n += mailCost + x.mime.keeps()
		}
	}
	return n
}

// Keeps implements sensor.Keeper.
func (d *ftpDecoder) Keeps() int {
	return ftpCost + d.up.keeps() + d.down.keeps() + len(d.pending)*ftpPending + sensor.Keeps(d.tls.inner)
}

// Keeps implements sensor.Keeper.
func (d *tlsDecoder) Keeps() int {
	return tlsCost + cap(d.sides[client].body) + cap(d.sides[server].body)
}

// Keeps implements sensor.Keeper.
func (d *dtlsDecoder) Keeps() int { return 2*tlsCost + d.held }

// Keeps implements sensor.Keeper.
func (d *quicDecoder) Keeps() int {
	return quicCost + cap(d.buf) + cap(d.crypto[client].b) + cap(d.crypto[server].b)
}

// Keeps implements sensor.Keeper.
func (d *socksDecoder) Keeps() int { return socksCost + sensor.Keeps(d.inner) }

// Keeps implements sensor.Keeper.
func (d *dnsDecoder) Keeps() int {
	const query = 32 // one without an answer
	return dnsCost + query*cap(d.pending)
}

// Keeps implements sensor.Keeper.
func (d *dnsStream) Keeps() int {
	return d.dnsDecoder.Keeps() + cap(d.sides[0].buf) + cap(d.sides[1].buf)
}
