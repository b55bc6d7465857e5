package cases

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// summary is what the page tells of a case's records: bounded, whatever they hold.
type summary struct {
	Records  int
	Kinds    map[string]int
	Flows    pick[flowRow]
	Events   pick[eventRow]
	Objects  []Object
	MoreObjs int // objects beyond maxObjects
	Skipped  int // lines that are not records
	names    *nameTable
	at       int64
	alerted  map[string]bool // community ids
}

// Limits of what is kept in memory and shown.
const (
	maxObjects  = 100_000
	shownFlows  = 300
	shownEvents = 400
	shownNames  = 300
	shownObjs   = 300
)

// flowRow is one flow for people.
type flowRow struct {
	Start, End     int64
	Client, Server string
	Name           string
	Protocol       string
	Bytes, Packets uint64
	State          string
	Alerted        bool
	Missing        string // what of it was not seen
}

// eventRow is one line of the timeline.
type eventRow struct {
	Time           int64
	Kind           string
	Client, Server string
	Text           string
	Alerted        bool
}

// Object is one file that was sent in the clear, as a file record tells.
type Object struct {
	Time     int64
	SHA256   string
	SHA1     string
	MD5      string
	Size     int64 // -1 = not known
	Complete bool
	Name     string
	MIME     string
	Class    string
	Source   string // protocol
	Client   string
	Server   string
	From     string // who sent it: client or server
	URL      string
	Flow     string // community id
}

// ecsRecord is what is read of a record.
type ecsRecord struct {
	Time  time.Time `json:"@timestamp"`
	Event struct {
		Dataset string    `json:"dataset"`
		Action  string    `json:"action"`
		Outcome string    `json:"outcome"`
		Reason  string    `json:"reason"`
		Start   time.Time `json:"start"`
		End     time.Time `json:"end"`
	} `json:"event"`
	Message string  `json:"message"`
	Source  ecsPeer `json:"source"`
	Dest    ecsPeer `json:"destination"`
	Network struct {
		Community string `json:"community_id"`
		Transport string `json:"transport"`
		Protocol  string `json:"protocol"`
		Bytes     uint64 `json:"bytes"`
		Packets   uint64 `json:"packets"`
	} `json:"network"`
	DNS struct {
		Type     string `json:"type"`
		Code     string `json:"response_code"`
		Question struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"question"`
		Resolved []string `json:"resolved_ip"`
	} `json:"dns"`
	HTTP struct {
		Request struct {
			Method string `json:"method"`
		} `json:"request"`
		Response struct {
			Status int    `json:"status_code"`
			MIME   string `json:"mime_type"`
			Body   struct {
				Bytes int64 `json:"bytes"`
			} `json:"body"`
		} `json:"response"`
	} `json:"http"`
	URL struct {
		Full     string `json:"full"`
		Original string `json:"original"`
	} `json:"url"`
	TLS struct {
		Version string `json:"version"`
		Client  struct {
			Name string `json:"server_name"`
		} `json:"client"`
	} `json:"tls"`
	File struct {
		Name string `json:"name"`
		MIME string `json:"mime_type"`
		Size *int64 `json:"size"`
		Hash struct {
			MD5, SHA1, SHA256 string
		} `json:"hash"`
	} `json:"file"`
	Kagami struct {
		Conn struct {
			State string `json:"state"`
		} `json:"conn"`
		File struct {
			Class    string `json:"class"`
			Complete bool   `json:"complete"`
			Sender   string `json:"sender"`
			Source   string `json:"source"`
		} `json:"file"`
		Visibility struct {
			OneSided  bool   `json:"one_sided"`
			Midstream bool   `json:"midstream"`
			Missed    uint64 `json:"missed_bytes"`
			Truncated bool   `json:"truncated"`
		} `json:"visibility"`
	} `json:"kagami"`
}

type ecsPeer struct {
	IP      string `json:"ip"`
	Port    *int   `json:"port"`
	Domain  string `json:"domain"`
	Address string `json:"address"`
}

func (p ecsPeer) String() string {
	host := p.IP
	if host == "" {
		return p.Address
	}
	if p.Port == nil {
		return host
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(*p.Port)
}

// summarize reads a case's records.
func summarize(path string, c *Case, names *nameTable) (*summary, error) {
	s := &summary{Kinds: map[string]int{}, names: names, at: c.At, alerted: map[string]bool{}}
	s.Flows = pick[flowRow]{limit: shownFlows, rank: s.rankFlow}
	s.Events = pick[eventRow]{limit: shownEvents, rank: s.rankEvent}
	for i := range c.Alerts {
		for _, id := range c.Alerts[i].Communities {
			s.alerted[id] = true
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	for {
		raw, err := readLine(r)
		if len(raw) > 0 {
			s.line(raw)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
	}
	s.Flows.sort(func(a, b flowRow) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), strings.Compare(a.Client, b.Client))
	})
	s.Events.sort(func(a, b eventRow) int { return cmp.Compare(a.Time, b.Time) })
	return s, nil
}

func (s *summary) line(raw []byte) {
	var r ecsRecord
	if json.Unmarshal(raw, &r) != nil || r.Event.Dataset == "" {
		s.Skipped++
		return
	}
	s.Records++
	kind := strings.TrimPrefix(r.Event.Dataset, "kagami.")
	if len(s.Kinds) < 64 || s.Kinds[kind] > 0 {
		s.Kinds[kind]++
	}
	switch kind {
	case "flow":
		s.Flows.add(s.flow(&r))
		return
	case "file":
		s.object(&r)
	case "dns":
		for _, text := range r.DNS.Resolved {
			if a, err := netip.ParseAddr(text); err == nil {
				s.names.add(a, r.DNS.Question.Name)
			}
		}
	case "stats", "identity":
		return
	}
	s.Events.add(eventRow{Time: nanos(r.Time), Kind: kind, Client: r.Source.String(), Server: r.Dest.String(),
		Text: cut(eventText(kind, &r), 400), Alerted: kind == "alert" || s.alerted[r.Network.Community]})
}

func (s *summary) flow(r *ecsRecord) flowRow {
	f := flowRow{Start: nanos(r.Event.Start), End: nanos(r.Event.End), Client: r.Source.String(), Server: r.Dest.String(),
		Name: cut(r.Dest.Domain, 255), Protocol: cmp.Or(r.Network.Protocol, r.Network.Transport), Bytes: r.Network.Bytes, Packets: r.Network.Packets,
		State: cmp.Or(r.Kagami.Conn.State, r.Event.Reason), Alerted: s.alerted[r.Network.Community]}
	var missing []string
	v := &r.Kagami.Visibility
	if v.OneSided {
		missing = append(missing, "one direction only")
	}
	if v.Midstream {
		missing = append(missing, "beginning not seen")
	}
	if v.Missed > 0 {
		missing = append(missing, strconv.FormatUint(v.Missed, 10)+" octets missed")
	}
	if v.Truncated {
		missing = append(missing, "packets cut")
	}
	f.Missing = strings.Join(missing, ", ")
	return f
}

func (s *summary) object(r *ecsRecord) {
	if len(s.Objects) >= maxObjects {
		s.MoreObjs++
		return
	}
	o := Object{Time: nanos(r.Event.Start), SHA256: r.File.Hash.SHA256, SHA1: r.File.Hash.SHA1, MD5: r.File.Hash.MD5, Size: -1,
		Complete: r.Kagami.File.Complete, Name: cut(r.File.Name, 512), MIME: cut(r.File.MIME, 128), Class: cut(r.Kagami.File.Class, 32), Source: cut(r.Kagami.File.Source, 32),
		Client: r.Source.String(), Server: r.Dest.String(), From: r.Kagami.File.Sender, URL: cut(r.URL.Full, 2048), Flow: r.Network.Community}
	if r.File.Size != nil {
		o.Size = *r.File.Size
	}
	s.Objects = append(s.Objects, o)
}

// eventText is one line that says what a record says.
func eventText(kind string, r *ecsRecord) string {
	switch kind {
	case "alert":
		return cmp.Or(r.Message, r.Event.Reason)
	case "dns":
		text := "looks up " + r.DNS.Question.Name + " " + r.DNS.Question.Type
		if len(r.DNS.Resolved) > 0 {
			text += ": " + strings.Join(r.DNS.Resolved[:min(len(r.DNS.Resolved), 8)], ", ")
		} else if r.DNS.Code != "" {
			text += ": " + r.DNS.Code
		}
		return text
	case "http":
		text := r.HTTP.Request.Method + " " + cmp.Or(r.URL.Full, r.URL.Original)
		if r.HTTP.Response.Status != 0 {
			text += fmt.Sprintf(": %d %s, %d octets", r.HTTP.Response.Status, r.HTTP.Response.MIME, r.HTTP.Response.Body.Bytes)
		}
		return text
	case "tls", "quic":
		return "encrypted connection to " + cmp.Or(r.TLS.Client.Name, r.Dest.Domain, r.Dest.IP)
	case "file":
		text := "file " + strconv.Quote(r.File.Name) + " " + r.File.MIME
		if r.File.Size != nil {
			text += fmt.Sprintf(", %d octets", *r.File.Size)
		}
		if r.File.Hash.SHA256 != "" {
			text += ", SHA-256 " + r.File.Hash.SHA256
		}
		return text
	}
	return strings.TrimSpace(r.Event.Action + " " + r.Event.Outcome + " " + cmp.Or(r.Dest.Domain, r.Event.Reason))
}

// rankFlow and rankEvent say what is left out last: what the alert is about, then
// what was near in time.
func (s *summary) rankFlow(f *flowRow) (int, int64) {
	return rank(f.Alerted), max(f.Start-s.at, s.at-f.End, 0)
}

func (s *summary) rankEvent(e *eventRow) (int, int64) {
	return rank(e.Alerted), max(e.Time-s.at, s.at-e.Time)
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// pick keeps the rows that matter most, and counts all.
type pick[T any] struct {
	Rows  []T
	Total int
	limit int
	rank  func(*T) (int, int64)
}

func (p *pick[T]) add(row T) {
	p.Total++
	p.Rows = append(p.Rows, row)
	if len(p.Rows) >= 4*p.limit {
		p.shrink()
	}
}

func (p *pick[T]) shrink() {
	slices.SortStableFunc(p.Rows, func(a, b T) int {
		ra, da := p.rank(&a)
		rb, db := p.rank(&b)
		return cmp.Or(cmp.Compare(ra, rb), cmp.Compare(da, db))
	})
	if len(p.Rows) > p.limit {
		clear(p.Rows[p.limit:])
		p.Rows = p.Rows[:p.limit]
	}
}

// sort ends the collecting.
func (p *pick[T]) sort(compare func(a, b T) int) {
	p.shrink()
	slices.SortStableFunc(p.Rows, compare)
}

// Left is how many rows are not shown.
func (p *pick[T]) Left() int { return p.Total - len(p.Rows) }
