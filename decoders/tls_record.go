package decoders

import "encoding/binary"

// Content types of records (RFC 8446 section 5.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23
	recordHeartbeat        = 24
)

// Handshake message types (RFC 5246 section 7.4) that are looked into.
const (
	helloClient        = 1
	helloServer        = 2
	helloVerify        = 3 // DTLS (RFC 6347 section 4.3.2)
	sessionTicket      = 4
	helloRetryOld      = 6 // HelloRetryRequest of early TLS 1.3 drafts
	certificateMessage = 11
	serverKeyExchange  = 12
	serverHelloDone    = 14
)

// tlsSide is one direction: records are read octet by octet without being
// gathered, handshake messages are gathered over records only if they are
// wanted and do not lie whole in one segment.
//
//	record:  type(1) version(2) length(2) | body
//	message: type(1) length(3)            | body
type tlsSide struct {
	head  [5]byte // record header
	nhead int
	left  int // octets of the record's body to come

	mhead [4]byte // message header
	mhad  int
	mleft int    // octets of the message's body to come
	body  []byte // what is gathered of them, if wanted

	alert     [2]byte
	nalert    int
	octets    int
	sslv2     bool // an SSL 2.0 record is being gathered
	encrypted bool
	lost      bool // octets are missing where they cannot be
}

// opaque tells whether the record at hand bears nothing that is read.
func (s *tlsSide) opaque() bool {
	return s.nhead == len(s.head) && (s.encrypted || s.head[0] == recordApplicationData || s.head[0] == recordHeartbeat)
}

// skip passes over n octets of the record's body.
func (s *tlsSide) skip(n int) {
	if s.left -= n; s.left == 0 {
		s.nhead, s.nalert = 0, 0
	}
}

// feed reads what one side sent next. Every decision is taken at an octet, so
// it makes no difference how the stream is cut into segments.
func (d *tlsDecoder) feed(who int, data []byte, now int64) {
	s := &d.sides[who]
	if s.octets == 0 && len(data) > 0 && data[0]&0x80 != 0 {
		s.sslv2 = true
	}
	rest := tlsPatience - s.octets
	tooLong := len(data) > rest
	if tooLong {
		data = data[:rest]
	}
	for len(data) > 0 && !d.over && !s.lost {
		n := 0
		switch {
		case s.sslv2:
			n = d.sslv2(who, data, now)
		case s.nhead < len(s.head):
			n = copy(s.head[s.nhead:], data)
			if s.nhead += n; s.nhead == len(s.head) {
				d.record(who)
			}
		default:
			n = min(s.left, len(data))
			d.content(who, data[:n], now)
			s.skip(n)
		}
		s.octets += n
		data = data[n:]
	}
	if tooLong && !d.over && !s.encrypted && s.head[0] != recordApplicationData {
		d.limit("handshake too long")
	}
	d.over = d.over || tooLong
}

// record begins a record, its header being complete.
func (d *tlsDecoder) record(who int) {
	s := &d.sides[who]
	s.left = int(binary.BigEndian.Uint16(s.head[3:]))
	typ := s.head[0]
	if typ < recordChangeCipherSpec || typ > recordHeartbeat || s.head[1] != 3 || s.left > tlsMaxRecord {
		odd(d.r, "not a TLS record")
		s.lost, d.over = true, true
		return
	}
	switch typ {
	case recordChangeCipherSpec:
		d.changeCipher(who)
	case recordApplicationData:
		d.application(who, s.left)
	case recordHeartbeat:
		d.note(who, 'b')
	}
	s.skip(0)
}

// content reads octets of the record at hand.
func (d *tlsDecoder) content(who int, b []byte, now int64) {
	s := &d.sides[who]
	if s.encrypted {
		return
	}
	switch s.head[0] {
	case recordHandshake:
		d.handshake(who, b, now)
	case recordAlert: // an alert of another length is encrypted
		if binary.BigEndian.Uint16(s.head[3:]) == 2 {
			if s.nalert += copy(s.alert[s.nalert:], b); s.nalert == 2 {
				d.alert(who, s.alert[0], s.alert[1])
			}
		}
	}
}

// handshake reads octets of the handshake's message stream.
func (d *tlsDecoder) handshake(who int, b []byte, now int64) {
	s := &d.sides[who]
	for len(b) > 0 && !d.over {
		if s.mhad < len(s.mhead) {
			n := copy(s.mhead[s.mhad:], b)
			b = b[n:]
			if s.mhad += n; s.mhad == len(s.mhead) {
				d.begin(who, now)
			}
			continue
		}
		n := min(s.mleft, len(b))
		switch {
		case !wanted(s.mhead[0]):
		case s.body == nil && n == s.mleft: // whole in this segment: no copy
			d.said(who, s.mhead[0], b[:n], now)
		default:
			s.body = append(s.body, b[:n]...)
			if n == s.mleft {
				d.said(who, s.mhead[0], s.body, now)
				s.body = nil
			}
		}
		b = b[n:]
		if s.mleft -= n; s.mleft == 0 {
			s.mhad = 0
		}
	}
}

// said takes a whole message. A client's ChangeCipherSpec before early data
// meant nothing, as the ServerHello shows.
func (d *tlsDecoder) said(who int, typ byte, body []byte, now int64) {
	d.message(who, typ, body, now)
	if typ == helloServer && isTLS13(d.version) {
		d.sides[client].encrypted = false
	}
}

// begin starts a message, its header being complete.
func (d *tlsDecoder) begin(who int, now int64) {
	s := &d.sides[who]
	s.mleft = uint24(s.mhead[1:])
	switch {
	case !wanted(s.mhead[0]):
		d.said(who, s.mhead[0], nil, now)
	case s.mleft > tlsMaxMessage:
		d.limit("handshake message too long")
		d.over = true
	case s.mleft == 0:
		d.said(who, s.mhead[0], nil, now)
	}
	if s.mleft == 0 {
		s.mhad = 0
	}
}
