package decoders

import (
	"bytes"
	"strconv"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ssdpProtocol is UPnP's discovery (UPnP Device Architecture 2.0, section 1):
// HTTP's header sections in datagrams, to 239.255.255.250 or ff0x::c, port 1900.
func ssdpProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "ssdp",
		Transport: packet.ProtoUDP,
		Match:     matchSSDP,
		New:       func() sensor.Decoder { return ssdpDecoder{} },
	}
}

const (
	// ssdpMaxLines bounds the header fields read of one message, ssdpMaxField the
	// octets kept of one; records.SSDP.Odd says when either was met.
	ssdpMaxLines = 64
	ssdpMaxField = 1024
)

// matchSSDP goes by the start line: in datagrams, nothing else has HTTP's.
func matchSSDP(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	method, _, ok := ssdpStart(first)
	switch {
	case !ok:
		return sensor.No
	case method != "" || toMany(f, side):
		return sensor.FromClient
	}
	return sensor.FromServer
}

// ssdpStart reads the start line; a response has a status and no method.
func ssdpStart(b []byte) (method string, status int, ok bool) {
	const version = "HTTP/1."
	line, _, found := bytes.Cut(b, []byte("\n"))
	if !found {
		return "", 0, false
	}
	line = bytes.TrimRight(line, "\r ")
	for _, m := range [...]string{"NOTIFY", "M-SEARCH"} {
		if rest, ok := bytes.CutPrefix(line, []byte(m)); ok {
			return m, 0, bytes.HasPrefix(rest, []byte(" * "+version)) && len(rest) == len(" * "+version)+1
		}
	}
	if len(line) < len(version)+5 || string(line[:len(version)]) != version {
		return "", 0, false
	}
	status, err := strconv.Atoi(string(line[len(version)+2:][:3]))
	return "", status, err == nil && status >= 100 && line[len(version)+1] == ' '
}

// ssdpDecoder writes one record per message; it keeps nothing.
type ssdpDecoder struct{}

// Data implements sensor.Decoder: one datagram.
func (ssdpDecoder) Data(f *sensor.Flow, _ packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	method, status, ok := ssdpStart(data)
	if !ok {
		return sensor.More
	}
	f.Label("ssdp", "")
	r := records.NewSSDP(f.Meta())
	r.Time, r.Method, r.Status = f.Now, method, status
	readSSDP(data, r)
	if f.Cut > 0 && r.Odd == "" {
		r.Odd = "cut by the snap length"
	}
	emit(r)
	return sensor.More
}

// Gap implements sensor.Decoder.
func (ssdpDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (ssdpDecoder) Close(*sensor.Flow, sensor.Emit) {}

// readSSDP fills r from the header fields behind the start line.
func readSSDP(b []byte, r *records.SSDP) {
	_, b, _ = bytes.Cut(b, []byte("\n"))
	for lines := 0; len(b) > 0; lines++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			return
		}
		if lines == ssdpMaxLines {
			r.Odd = "too many lines"
			return
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			r.Odd = "bad line"
			continue
		}
		ssdpField(r, bytes.TrimRight(name, " \t"), bytes.TrimSpace(value))
	}
}

// ssdpField keeps one header field.
func ssdpField(r *records.SSDP, name, value []byte) {
	if len(name) > len("cpfn.upnp.org") {
		return
	}
	var buf [len("cpfn.upnp.org")]byte
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	var to *string
	switch string(buf[:len(name)]) {
	case "nt", "st":
		to = &r.Type
	case "nts":
		to = &r.Event
	case "usn":
		to = &r.USN
	case "location", "al": // AL: the name in drafts of SSDP
		to = &r.Location
	case "server":
		to = &r.Server
	case "user-agent":
		to = &r.UserAgent
	case "cpfn.upnp.org":
		to = &r.Name
	case "host":
		to = &r.Host
	case "man":
		to = &r.Man
		value = bytes.Trim(value, `"`)
	case "mx":
		r.MaxWait = ssdpNumber(string(value))
		return
	case "cache-control":
		r.MaxAge = ssdpMaxAge(strings.ToLower(string(value[:min(len(value), ssdpMaxField)])))
		return
	default:
		return
	}
	if len(value) > ssdpMaxField {
		r.Odd = "field too long"
		value = value[:ssdpMaxField]
	}
	if *to == "" {
		*to = string(value)
	}
}

// ssdpMaxAge is max-age of a Cache-Control, -1 if there is none.
func ssdpMaxAge(value string) int {
	_, age, ok := strings.Cut(value, "max-age")
	if !ok {
		return -1
	}
	age, _, _ = strings.Cut(age, ",")
	return ssdpNumber(strings.Trim(age, " =\t"))
}

// ssdpNumber is a number of seconds, -1 if it is none.
func ssdpNumber(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}
