package decoders

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ntpProtocol is the Network Time Protocol, versions 1 to 4 (RFC 5905 section
// 7.3), and the control and private messages beside it (RFC 9327; ntpd's
// ntp_request.h), which give servers away and serve floods.
//
//	octet 0   leap indicator, version, mode; stratum; poll; precision
//	      4   root delay, root dispersion (16.16 seconds); reference id
//	     16   reference, origin, receive, transmit timestamp (32.32 seconds since 1900)
//	     48   extension fields (RFC 7822), then key id and code
func ntpProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "ntp",
		Transport: packet.ProtoUDP,
		Match:     matchNTP,
		New:       func() sensor.Decoder { return ntpDecoder{} },
	}
}

const (
	ntpPort          = 123
	ntpHeader        = 48
	ntpControlHeader = 12
	ntpPrivateHeader = 8
	ntpEpoch         = 2208988800 // seconds from 1900 to 1970
	ntpMaxStratum    = 16
	ntpMaxMAC        = 4 + 68 // key id and the longest code, that of MS-SNTP section 2.2.2

	ntpSymmetric = 1
	ntpPassive   = 2
	ntpClient    = 3
	ntpServer    = 4
	ntpBroadcast = 5
	ntpControl   = 6
	ntpPrivate   = 7
)

func matchNTP(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	if !plausibleNTP(f, first) {
		return sensor.No
	}
	switch first[0] & 7 {
	case ntpServer, ntpPassive:
		if !toMany(f, side) {
			return sensor.FromServer
		}
	case ntpControl:
		if first[1]&0x80 != 0 {
			return sensor.FromServer
		}
	case ntpPrivate:
		if first[0]&0x80 != 0 {
			return sensor.FromServer
		}
	}
	return sensor.FromClient
}

// plausibleNTP judges a message, or its first sensor.MatchLimit octets. Nothing
// in it is constant, so its numbers must be those of a clock, and on other ports
// than NTP's its times must be about now.
func plausibleNTP(f *sensor.Flow, b []byte) bool {
	if len(b) < ntpPrivateHeader {
		return false
	}
	version, mode := b[0]>>3&7, b[0]&7
	own := f.Key.APort == ntpPort || f.Key.BPort == ntpPort
	switch {
	case mode == ntpControl:
		return own && b[0]>>6 == 0 && version >= 1 && version <= 4 && plausibleControl(b)
	case mode == ntpPrivate:
		return own && version >= 1 && version <= 4 && plausiblePrivate(b)
	case version < 1 || version > 4 || mode == 0 && version != 1 || len(b) < ntpHeader || !plausibleClock(b):
		return false
	}
	return own || aboutNow(b, f.Now)
}

// plausibleClock wants numbers that a clock can have.
func plausibleClock(b []byte) bool {
	const (
		maxPoll      = 24 // log2 seconds; RFC 5905 has 17
		minPoll      = -8
		maxPrecision = 32 // what clients send that do not tell it
		minPrecision = -48
		maxRoot      = 256 << 16 // seconds to the stratum 1, 16.16
	)
	poll, precision := int8(b[2]), int8(b[3])
	return b[1] <= ntpMaxStratum && poll >= minPoll && poll <= maxPoll && precision >= minPrecision && precision <= maxPrecision &&
		binary.BigEndian.Uint32(b[4:]) <= maxRoot && binary.BigEndian.Uint32(b[8:]) <= maxRoot
}

// aboutNow wants the times that a message must give to be those of these days,
// and all others to be absent.
func aboutNow(b []byte, now int64) bool {
	const year = 365 * 86400e9
	var at [4]int64 // reference, origin, receive, transmit
	for i := range at {
		at[i] = ntpTime(binary.BigEndian.Uint64(b[16+8*i:]), now)
	}
	near := func(t int64) bool { return t != 0 && t-now < year && now-t < year }
	switch b[0] & 7 {
	case ntpServer: // the origin is whatever the client said
		return b[1] > 0 && near(at[2]) && near(at[3]) && (at[0] == 0 || near(at[0]))
	case ntpClient: // the first one; the transmit time may be random
		return len(b) == ntpHeader && at[0] == 0 && at[1] == 0 && at[2] == 0
	}
	return false
}

// plausibleControl: operation, sequence, status, association, offset, count, and
// that many octets (RFC 9327 section 2). Requests have no status.
func plausibleControl(b []byte) bool {
	const maxData = 468 // section 2
	if len(b) < ntpControlHeader || ntpControlNames[b[1]&31] == "" {
		return false
	}
	if b[1]&0x80 == 0 && (b[1]&0x60 != 0 || b[4]|b[5] != 0) {
		return false
	}
	count := int(binary.BigEndian.Uint16(b[10:]))
	if count > maxData {
		return false
	}
	if len(b) == sensor.MatchLimit { // it may go on
		return count >= len(b)-ntpControlHeader-ntpMaxMAC
	}
	return len(b) >= ntpControlHeader+count && len(b) <= ntpControlHeader+count+3+ntpMaxMAC
}

// plausiblePrivate: sequence, implementation, request, error and items, their
// size, and the items; requests may be padded.
func plausiblePrivate(b []byte) bool {
	const maxData = 500 // ntpd's RESP_DATA_SIZE
	data := int(binary.BigEndian.Uint16(b[4:])&0xfff) * int(binary.BigEndian.Uint16(b[6:])&0xfff)
	if b[2] > 3 || ntpPrivateName(b[3]) == "" || data > maxData {
		return false
	}
	if b[0]&0x80 == 0 {
		return b[0]&0x40 == 0 // no request has a second part
	}
	return len(b) == sensor.MatchLimit || len(b) >= ntpPrivateHeader+data && len(b) < ntpPrivateHeader+data+ntpMaxMAC
}

// ntpDecoder writes one record per message, as Zeek does; it keeps nothing.
type ntpDecoder struct{}

// Data implements sensor.Decoder: one datagram.
func (ntpDecoder) Data(f *sensor.Flow, _ packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if !plausibleNTP(f, data[:min(len(data), sensor.MatchLimit)]) {
		return sensor.More
	}
	f.Label("ntp", "")
	r := records.NewNTP(f.Meta())
	r.Time, r.Version, r.Mode, r.Malformed = f.Now, data[0]>>3&7, data[0]&7, f.Cut > 0
	switch r.Mode {
	case ntpControl:
		readNTPControl(data, r)
	case ntpPrivate:
		readNTPPrivate(data, r)
	default:
		readNTP(data, r)
	}
	emit(r)
	return sensor.More
}

// Gap implements sensor.Decoder.
func (ntpDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (ntpDecoder) Close(*sensor.Flow, sensor.Emit) {}

// readNTP fills r from a message of time of at least ntpHeader octets.
func readNTP(b []byte, r *records.NTP) {
	r.Leap, r.Stratum, r.Poll, r.Precision = b[0]>>6, b[1], int8(b[2]), int8(b[3])
	r.RootDelay, r.RootDispersion = ntpShort(b[4:]), ntpShort(b[8:])
	r.RefID = [4]byte(b[12:])
	at := func(off int) int64 { return ntpTime(binary.BigEndian.Uint64(b[off:]), r.Time) }
	r.RefTime, r.OrgTime, r.RecTime, r.XmtTime = at(16), at(24), at(32), at(40)
	rest := b[ntpHeader:]
	for len(rest) != 0 && !ntpDigest(len(rest)) && r.Version == 4 {
		n := 0
		if len(rest) >= 4 {
			n = int(binary.BigEndian.Uint16(rest[2:]))
		}
		if n < 16 || n%4 != 0 || n > len(rest) { // RFC 7822 section 3
			break
		}
		r.Extensions = uint8(min(int(r.Extensions)+1, 255))
		rest = rest[n:]
	}
	switch {
	case len(rest) == 0:
	case len(rest) < 4 || len(rest) > ntpMaxMAC:
		r.Malformed = true
	default:
		r.KeyID, r.MACBytes = binary.BigEndian.Uint32(rest), uint8(len(rest)-4)
	}
}

// ntpDigest tells that n octets are a key id and an MD5 or SHA-1 digest, or the
// key id alone by which a server refuses (RFC 5905 section 7.3).
func ntpDigest(n int) bool { return n == 4 || n == 20 || n == 24 }

// ntpShort is a duration of 16.16 seconds in nanoseconds.
func ntpShort(b []byte) int64 { return int64(uint64(binary.BigEndian.Uint32(b)) * 1e9 >> 16) }

// ntpTime is a timestamp of 32.32 seconds since 1900 in nanoseconds since 1970;
// 0 stays 0. They wrap every 136 years: the one nearest to now is meant.
func ntpTime(v uint64, now int64) int64 {
	if v == 0 {
		return 0
	}
	sec := now / 1e9
	sec += int64(int32(uint32(v>>32) - uint32(sec+ntpEpoch)))
	return sec*1e9 + int64(v&0xffffffff*1e9>>32)
}

func readNTPControl(b []byte, r *records.NTP) {
	op := b[1] & 31
	r.Response, r.More = b[1]&0x80 != 0, b[1]&0x20 != 0
	r.Error = b[1] >> 6 & 1
	r.OperationNo, r.Operation = op, ntpControlNames[op]
	r.Sequence, r.Status = binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:])
	r.Association, r.Items = binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[10:])
	r.Malformed = r.Malformed || len(b) < ntpControlHeader+int(r.Items)
}

// ntpControlNames are the operations (RFC 9327 section 2), in ntpq's words.
var ntpControlNames = [32]string{1: "readstat", 2: "readvar", 3: "writevar", 4: "readclock", 5: "writeclock", 6: "settrap",
	7: "asyncmsg", 8: "configure", 9: "saveconfig", 10: "read_mru", 11: "read_ordlist_a", 12: "req_nonce", 31: "unsettrap"}

func readNTPPrivate(b []byte, r *records.NTP) {
	r.Response, r.More = b[0]&0x80 != 0, b[0]&0x40 != 0
	r.Sequence = uint16(b[1] & 0x7f)
	r.OperationNo, r.Operation = b[3], ntpPrivateName(b[3])
	items, size := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	r.Error, r.Items, r.ItemSize = uint8(items>>12), items&0xfff, size&0xfff
	r.Malformed = r.Malformed || len(b) < ntpPrivateHeader+int(r.Items)*int(r.ItemSize)
}

// ntpPrivateName is the request of a private message, in ntpdc's words; "" if
// there is none of that number.
func ntpPrivateName(code uint8) string {
	switch {
	case code == 20 || code == 42: // MON_GETLIST and MON_GETLIST_1: the list that floods ask for
		return "monlist"
	case int(code) < len(ntpPrivateNames):
		return ntpPrivateNames[code]
	}
	return ""
}

var ntpPrivateNames = [...]string{0: "peer_list", 1: "peer_list_sum", 2: "peer_info", 3: "peer_stats", 4: "sys_info", 5: "sys_stats",
	6: "io_stats", 7: "mem_stats", 8: "loop_info", 9: "timer_stats", 10: "config", 11: "unconfig", 12: "set_sys_flag",
	13: "clr_sys_flag", 14: "monitor", 15: "nomonitor", 16: "get_restrict", 17: "resaddflags", 18: "ressubflags", 19: "unrestrict",
	21: "reset_stats", 22: "reset_peer", 23: "reread_keys", 24: "do_dirty_hack", 25: "dont_dirty_hack", 26: "trustkey",
	27: "untrustkey", 28: "authinfo", 29: "traps", 30: "add_trap", 31: "clr_trap", 32: "request_key", 33: "control_key",
	34: "get_ctlstats", 35: "get_leapinfo", 36: "get_clockinfo", 37: "set_clkfudge", 38: "get_kernel", 39: "get_clkbuginfo",
	41: "set_precision", 43: "hostname_assocID", 44: "if_stats", 45: "if_reload"}
