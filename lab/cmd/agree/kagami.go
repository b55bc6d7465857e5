package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
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
	}
	Source, Destination peer
	DNS                 dnsPart
	HTTP                struct {
		Request struct {
			Method, Referrer string
			Body             struct{ Bytes int64 }
		}
		Response struct {
			Status int    `json:"status_code"`
			Type   string `json:"mime_type"`
			Body   struct{ Bytes int64 }
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
	Answers  []struct{ Type, Data string }
}

type tlsPart struct {
	Version, Cipher, Curve string
	Protocol               string `json:"version_protocol"`
	NextProtocol           string `json:"next_protocol"`
	Established, Resumed   bool
	Client                 struct {
		JA3  string
		Name string `json:"server_name"`
	}
	Server struct {
		JA3S, Subject, Issuer string
		X509                  struct {
			Serial string `json:"serial_number"`
		}
		Hash struct{ SHA1, SHA256 string }
	}
}

type kagamiPart struct {
	Client, Server struct {
		Payload uint64 `json:"payload_bytes"`
		Wire    uint64 `json:"wire_bytes"`
		Missed  uint64 `json:"missed_bytes"`
	}
	Conn struct{ History, State string }
	DNS  struct{ Authority, Additional int }
	HTTP struct {
		Host          string
		Informational []string
	}
	ICMP *struct{ Type, Code int }
	TLS  struct {
		ALPN    []string `json:"client_alpn"`
		Version string   `json:"client_version"`
		JA4     string
		Alert   string
	}
}

// sensor runs Kagami.
type sensor struct {
	program string
	temp    string // directory for what it writes
}

// read is what Kagami sees in a capture, nothing if it refuses it: refusal says
// why. It counts every packet as others do, also those that came twice.
func (s *sensor) read(ctx context.Context, capture string) (items []item, refusal string, err error) {
	dir, err := os.MkdirTemp(s.temp, "read-")
	if err != nil {
		return nil, "", fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.program, "read", "-q", "-o", dir, "--set", "sensor.dedup=false", capture)
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) && exit.ExitCode() == 1 {
		refusal, _, _ = strings.Cut(stderr.String(), "\n")
	} else if err != nil {
		return nil, "", fmt.Errorf("run %s: %w: %s", s.program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	f, err := os.Open(filepath.Join(dir, "records.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, refusal, nil
	} else if err != nil {
		return nil, refusal, fmt.Errorf("open records: %w", err)
	}
	defer f.Close()
	items, err = kagamiItems(f)
	return items, refusal, err
}

// kagamiItems turns records into items of every kind that others may expect.
func kagamiItems(r io.Reader) ([]item, error) {
	var items []item
	sessions := newSessions()
	lines := json.NewDecoder(bufio.NewReader(r))
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
		items = append(items, rec.items()...)
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

func (r *record) items() []item {
	make1 := func(k kind, fields map[string]string) item {
		return item{kind: k, flows: []flow{r.flow()}, where: r.Event.ID, fields: fields}
	}
	switch r.Event.Dataset {
	case "kagami.flow":
		return []item{make1(kindFlow, r.conn())}
	case "kagami.dns":
		return []item{make1(kindDNS, r.message())}
	case "kagami.tls":
		return []item{make1(kindTLS, r.handshake())}
	case "kagami.http":
		var items []item
		if r.HTTP.Request.Method != "" {
			items = append(items, make1(kindRequest, map[string]string{"method": r.HTTP.Request.Method,
				"host": r.Kagami.HTTP.Host, "uri": r.URL.Original, "user agent": r.UserAgent.Original,
				"host name": hostName(r.Kagami.HTTP.Host), "decoded uri": decoded(r.URL.Original), "referrer": r.HTTP.Request.Referrer,
				"body": strconv.FormatInt(r.HTTP.Request.Body.Bytes, 10)}))
		}
		for _, status := range r.Kagami.HTTP.Informational {
			items = append(items, make1(kindResponse, map[string]string{"status": status}))
		}
		if res := &r.HTTP.Response; res.Status != 0 {
			items = append(items, make1(kindResponse, map[string]string{"status": strconv.Itoa(res.Status),
				"content type": res.Type, "body": strconv.FormatInt(res.Body.Bytes, 10)}))
		}
		return items
	}
	return nil
}

func (r *record) conn() map[string]string {
	k, f := &r.Kagami, r.flow()
	client := r.Source.endpoint()
	fields := map[string]string{
		"originator": client.String(), "state": k.Conn.State, "history": k.Conn.History, "community id": r.Network.CommunityID,
		"packets":  f.byEnd(client, r.Source.Packets, r.Destination.Packets),
		"ip bytes": f.byEnd(client, r.Source.Bytes, r.Destination.Bytes),
		"bytes":    f.byEnd(client, k.Client.Wire, k.Server.Wire),
		"payload":  f.byEnd(client, k.Client.Payload, k.Server.Payload),
		"missed":   strconv.FormatUint(k.Client.Missed+k.Server.Missed, 10),
	}
	if k.ICMP != nil {
		fields["icmp"] = fmt.Sprintf("%d/%d", k.ICMP.Type, k.ICMP.Code)
	}
	return fields
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
	name, end := legible(rawName(d.Question.Name)), ""
	if r.Kagami.DNS.Authority+r.Kagami.DNS.Additional > 0 {
		end = more
	}
	return map[string]string{"id": d.ID, "sort": d.Type, "name": name, "name in lower case": strings.ToLower(name), "type": d.Question.Type,
		"rcode": d.RCode, "header rcode": headerRCode(d.RCode), "a": strings.Join(v4, ","), "aaaa": strings.Join(v6, ","),
		"a of all sections": strings.Join(v4, ",") + end, "aaaa of all sections": strings.Join(v6, ",") + end}
}

func (r *record) handshake() map[string]string {
	t := &r.TLS
	return map[string]string{"server name": t.Client.Name, "ja3": t.Client.JA3, "ja4": r.Kagami.TLS.JA4, "ja3s": t.Server.JA3S,
		"offered protocols": strings.Join(r.Kagami.TLS.ALPN, ","), "version": strings.TrimPrefix(t.Protocol, "tls") + t.Version,
		"cipher": t.Cipher, "curve": t.Curve, "chosen protocol": t.NextProtocol, "established": strconv.FormatBool(t.Established),
		"resumed": strconv.FormatBool(t.Resumed), "subject": t.Server.Subject, "issuer": t.Server.Issuer, "serial": t.Server.X509.Serial,
		"sha1": t.Server.Hash.SHA1, "sha256": t.Server.Hash.SHA256,
		"alert": r.Kagami.TLS.Alert, "client hello": strconv.FormatBool(t.Client.JA3 != "")}
}

// hostName is a host without its port.
func hostName(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return host
	}
	return name
}

// decoded is a target with its percent signs decoded, as Zeek logs it.
func decoded(target string) string {
	var b strings.Builder
	for i := 0; i < len(target); i++ {
		if target[i] == '%' && i+2 < len(target) {
			if n, err := strconv.ParseUint(target[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(target[i])
	}
	return b.String()
}
