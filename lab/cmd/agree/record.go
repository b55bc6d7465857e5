package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// record is what is read back of a line of records.jsonl.
type record struct {
	Event struct {
		ID      string
		Dataset string
	}
	Network struct {
		CommunityID string `json:"community_id"`
		Number      string `json:"iana_number"`
		Protocol    string
	}
	Source, Destination peer
	DNS                 dnsPart
	HTTP                struct {
		Request struct {
			Method string
		}
		Response struct {
			Status int    `json:"status_code"`
			Type   string `json:"mime_type"`
		}
	}
	URL       struct{ Original string }
	UserAgent struct{ Original string } `json:"user_agent"`
	TLS       tlsPart
	Kagami    kagamiPart
}

type peer struct {
	IP      netip.Addr
	Port    uint16
	Packets uint64
	Bytes   uint64
}

func (p peer) endpoint() netip.AddrPort { return netip.AddrPortFrom(p.IP, p.Port) }

type dnsPart struct {
	ID, Type string
	RCode    string `json:"response_code"`
	Question struct{ Name, Type string }
	Answers  []struct{ Name, Type, Data string }
}

type tlsPart struct {
	Cipher string
	Client struct {
		JA3  string
		Name string `json:"server_name"`
	}
	Server struct {
		JA3S string
		Hash struct{ SHA1 string }
	}
}

type kagamiPart struct {
	Client, Server struct {
		Wire uint64 `json:"wire_bytes"`
	}
	DNS struct {
		Authority, Additional int
		NetBIOS               *struct{ Suffix string }
	}
	HTTP struct {
		Host          string
		Informational []string
		Fields        []string                `json:"form_fields"`
		Files         []struct{ Name string } `json:"request_files"`
	}
	TLS struct {
		ALPN  []string `json:"client_alpn"`
		JA4   string
		Retry bool `json:"hello_retry"`
	}
	Mail mailPart
	Auth struct{ Mechanism string }
	SSDP struct{ Host string }
	DHCP struct {
		HostName string `json:"host_name"`
		FQDN     string
	}
}

// kagamiItems turns records into items of every kind that others may expect.
func kagamiItems(r io.Reader) ([]item, error) {
	var items []item
	sessions, mails := newSessions(), newMails()
	lines := json.NewDecoder(r)
	for {
		var rec record
		if err := lines.Decode(&rec); errors.Is(err, io.EOF) {
			return append(items, sessions.items()...), nil
		} else if err != nil {
			return nil, fmt.Errorf("parse record %d: %w", len(items)+1, err)
		}
		if !rec.Source.IP.IsValid() {
			continue // an alert
		}
		for _, it := range append(rec.items(), mails.items(&rec)...) {
			it.flows, it.where = []flow{rec.flow()}, rec.Event.ID
			items = append(items, it)
		}
		sessions.addRecord(&rec)
	}
}

func (r *record) flow() flow {
	transport := ""
	switch r.Network.Number {
	case "6":
		transport = "tcp"
	case "17":
		transport = "udp"
	case "1", "58":
		transport = "icmp"
	}
	return newFlow(transport, r.Source.endpoint(), r.Destination.endpoint())
}

// items are those of a record, still without their flow.
func (r *record) items() []item {
	switch r.Event.Dataset {
	case "kagami.dns":
		if r.Network.Protocol == "nbns" {
			return []item{{kind: kindNBNS, fields: r.netbios()}}
		}
		k := kindDNS
		if r.Network.Protocol != "dns" {
			k = kindLocalDNS
		}
		return []item{{kind: k, fields: r.message()}}
	case "kagami.tls":
		k := kindTLS
		switch r.Network.Protocol {
		case "quic":
			k = kindQUIC
		case "dtls":
			k = kindDTLS
		case "tls":
			if r.Network.Number == "17" {
				k = kindUDP
			}
		}
		items := []item{{kind: k, fields: r.handshake()}}
		if r.Kagami.TLS.Retry { // the record has the first ClientHello's fingerprint
			second := r.handshake()
			second["ja3"], second["ja4"] = anything, anything
			items = append(items, item{kind: k, fields: second})
		}
		return items
	case "kagami.http":
		return append(r.transaction(), r.uploads()...)
	}
	return nil
}

// transaction are the request and the responses of a record.
func (r *record) transaction() (items []item) {
	if r.HTTP.Request.Method != "" {
		items = append(items, item{kind: kindRequest, fields: map[string]string{"method": r.HTTP.Request.Method,
			"host": r.Kagami.HTTP.Host, "uri": r.URL.Original, "user agent": r.UserAgent.Original}})
	}
	for _, status := range r.Kagami.HTTP.Informational {
		items = append(items, item{kind: kindResponse, fields: map[string]string{"status": status}})
	}
	if res := &r.HTTP.Response; res.Status != 0 {
		items = append(items, item{kind: kindResponse, fields: map[string]string{"status": strconv.Itoa(res.Status), "content type": res.Type}})
	}
	return items
}

// uploads are the parts of a form. The record does not say which part a file was in.
func (r *record) uploads() (items []item) {
	var names []string
	for _, f := range r.Kagami.HTTP.Files {
		names = append(names, f.Name)
	}
	for _, field := range r.Kagami.HTTP.Fields {
		items = append(items, item{kind: kindPart, fields: map[string]string{"disposition": "form-data", "field": field,
			"file name": strings.Join(append(names, ""), divider) + among}})
	}
	return items
}

func (r *record) message() map[string]string {
	d := &r.DNS
	var v4, v6 []string
	for _, a := range d.Answers {
		switch a.Type {
		case "A":
			v4 = append(v4, a.Data)
		case "AAAA":
			v6 = append(v6, a.Data)
		}
	}
	end := ""
	if r.Kagami.DNS.Authority+r.Kagami.DNS.Additional > 0 {
		end = more
	}
	return map[string]string{"id": d.ID, "sort": d.Type, "name": legible(rawName(d.Question.Name)), "type": d.Question.Type,
		"header rcode": headerRCode(d.RCode), "a of all sections": strings.Join(v4, ",") + end, "aaaa of all sections": strings.Join(v6, ",") + end}
}

func (r *record) netbios() map[string]string {
	var name strings.Builder
	for _, c := range []byte(rawName(r.DNS.Question.Name)) {
		if c < ' ' {
			fmt.Fprintf(&name, "<%02x>", c)
		} else {
			name.WriteByte(c)
		}
	}
	if n := r.Kagami.DNS.NetBIOS; n != nil && name.Len() > 0 {
		name.WriteString("<" + n.Suffix + ">")
	}
	return map[string]string{"id": r.DNS.ID, "sort": r.DNS.Type, "name": legible(name.String())}
}

func (r *record) handshake() map[string]string {
	t, k := &r.TLS, &r.Kagami.TLS
	return map[string]string{"server name": t.Client.Name, "ja3": t.Client.JA3, "ja4": k.JA4, "offered protocols": strings.Join(k.ALPN, ","),
		"client hello": strconv.FormatBool(t.Client.JA3 != "")}
}

// hostName is a host without its port.
func hostName(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return host
	}
	return name
}
