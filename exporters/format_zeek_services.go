package exporters

import (
	"strconv"

	"kagami/records"
)

func writeNTP(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.NTP)
	z.id(r.Meta(), r.Time)
	z.count(uint64(r.Version))
	z.count(uint64(r.Mode))
	if r.Control() { // Zeek has no columns for what such messages say
		z.unset(10)
	} else {
		z.count(uint64(r.Stratum))
		z.power(r.Poll)
		z.power(r.Precision)
		z.interval(max(0, r.RootDelay))
		z.interval(max(0, r.RootDispersion))
		z.reference(r)
		z.time(r.RefTime)
		z.time(r.OrgTime)
		z.time(r.RecTime)
		z.time(r.XmtTime)
	}
	z.count(uint64(r.Extensions))
}

// power writes 2^v seconds.
func (z *zeekRow) power(v int8) {
	switch ns := int64(1e9); {
	case v >= 33: // beyond what a duration holds
		z.unset(1)
	case v >= 0:
		z.interval(ns << v)
	case v > -31:
		z.interval(ns >> -v)
	default:
		z.interval(0)
	}
}

// reference writes the reference id: a word, or an address from stratum 2 on.
func (z *zeekRow) reference(r *records.NTP) {
	if r.Stratum <= 1 {
		z.str(r.Reference())
		return
	}
	if z.next(r.RefID != [4]byte{}) {
		z.quote()
		for i, octet := range r.RefID {
			if i > 0 {
				z.b = append(z.b, '.')
			}
			z.b = strconv.AppendUint(z.b, uint64(octet), 10)
		}
		z.quote()
	}
}

func writeSOCKS(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.SOCKS)
	z.id(r.Meta(), r.Start)
	version := uint64(4)
	if r.Version == "5" {
		version = 5
	}
	z.count(version)
	z.str(r.User)
	z.unset(1) // password: never kept
	z.str(r.Status)
	z.addr(r.RequestAddr)
	z.str(r.RequestName)
	z.countIf(uint64(r.RequestPort), r.Command != "")
	z.addr(r.BoundAddr)
	z.str(r.BoundName)
	z.countIf(uint64(r.BoundPort), r.BoundAddr.IsValid() || r.BoundName != "")
}

func writeFTP(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.FTP)
	m := r.Meta()
	z.id(m, r.Start)
	if r.User != "" {
		z.str(r.User)
	} else {
		z.word("<unknown>")
	}
	z.unset(1) // password: never kept
	z.str(r.Command)
	if r.URL != "" {
		z.str(r.URL)
	} else {
		z.str(r.Argument)
	}
	z.str(r.File.MIME)
	z.countIf(uint64(max(r.Size, 0)), r.Size >= 0)
	z.countIf(uint64(max(r.Code, 0)), r.Code > 0)
	z.str(r.Reply)
	if r.Data.IsValid() {
		from, to := m.Client().Addr(), r.Data.Addr()
		if !r.Passive {
			from = m.Server().Addr()
		}
		z.bool(r.Passive)
		z.addr(from)
		z.addr(to)
		z.count(uint64(r.Data.Port()))
	} else {
		z.unset(4)
	}
	z.fuid(r.File.ID)
}

func writeQUIC(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.QUIC)
	z.id(r.Meta(), r.Start)
	if r.Version == "2" {
		z.word("quicv2")
	} else {
		z.str(r.Version)
	}
	z.str(r.ClientDCID)
	z.present(r.ClientSCID, r.ClientSeen)
	z.present(r.ServerSCID, r.ServerSeen)
	z.str(r.ServerName)
	if len(r.ClientALPN) > 0 {
		z.str(r.ClientALPN[0])
	} else {
		z.unset(1)
	}
	z.str(r.History)
}

// present writes a string that may be empty.
func (z *zeekRow) present(s string, known bool) {
	if z.next(known || s != "") {
		z.text(s, false)
	}
}

func writeWebSocket(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.WebSocket)
	z.id(r.Meta(), r.Start)
	z.str(r.Host)
	z.str(r.URI)
	z.str(r.UserAgent)
	z.str(r.Subprotocol)
	z.strs(r.ClientProtocols)
	z.strs(r.ServerExtensions)
	z.strs(r.ClientExtensions)
}

func writeSSDP(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.SSDP)
	z.id(r.Meta(), r.Time)
	z.str(r.Method)
	z.countIf(uint64(max(r.Status, 0)), r.Status > 0)
	z.str(r.Event)
	z.str(r.Type)
	z.str(r.USN)
	z.str(r.Location)
	z.str(r.Server)
	z.str(r.UserAgent)
	z.str(r.Name)
	z.str(r.Host)
	z.seconds32(r.MaxAge)
	z.seconds32(r.MaxWait)
}

// seconds32 writes a duration of whole seconds; below zero it is absent.
func (z *zeekRow) seconds32(v int) {
	if v < 0 || int64(v) > 1<<32 {
		z.unset(1)
		return
	}
	z.interval(int64(v) * 1e9)
}
