package har

import (
	"math"
	"strconv"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// pair is a header or a parameter.
type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func pairs(fs []replay.Field) []pair {
	list := make([]pair, 0, len(fs))
	for _, f := range fs {
		list = append(list, pair{plain.Text(f.Name), plain.Text(f.Value)})
	}
	return list
}

func (a *archive) entry(t *replay.Transaction) {
	at, times := timing(t, a.reading.First)
	a.open("", '{')
	a.field("startedDateTime", plain.Date(at))
	a.field("time", times.total())
	a.request(t)
	a.response(t)
	a.field("cache", struct{}{}) // what the client had nobody saw
	a.field("timings", times)
	if ip := t.Flow.Server.Addr(); ip.IsValid() {
		a.field("serverIPAddress", ip.WithZone("").Unmap().String())
	}
	a.field("connection", strconv.Itoa(t.Flow.Number))
	a.own(t)
	a.close('}')
}

// own are our fields of an entry: where in the capture it is, and how much of it.
func (a *archive) own(t *replay.Transaction) {
	a.field("_number", t.Number)
	a.field("_client", t.Flow.Client.String())
	a.field("_server", t.Flow.Server.String())
	a.optional("_communityId", t.Flow.CommunityID)
	first, last := frames(t)
	a.field("_frame", first)
	a.field("_lastFrame", last)
	if t.Request.Version == "HTTP/2" || t.Response != nil && t.Response.Version == "HTTP/2" {
		a.field("_stream", t.Stream)
	}
	if t.Pushed {
		a.field("_pushed", true)
	}
	complete := t.Request.Method != "" && t.Request.Body.Complete && t.Response != nil && t.Response.Body.Complete
	a.field("_complete", complete)
	if t.Response != nil {
		a.optional("_sha256", t.Response.Body.SHA256)
	}
	if tls := t.Flow.TLS; tls != nil {
		a.field("_tls", tlsOf(tls))
	}
	if t.Switched != "" {
		a.field("_switched", plain.Text(t.Switched))
		a.field("_carried", t.Carried)
	}
	if len(t.Early) > 0 {
		a.field("_early", early(t.Early))
	}
	a.field("_holes", holes(a.holes[t]))
}

// message are our fields of a request or a response.
func (a *archive) message(m *replay.Message) {
	b := &m.Body
	a.field("_frame", m.Frame)
	a.field("_lastFrame", m.Till)
	a.field("_complete", b.Complete)
	a.optional("_sha256", b.SHA256)
	a.optional("_magic", plain.Text(b.Magic))
	if len(m.Trailer) > 0 {
		a.field("_trailers", pairs(m.Trailer))
	}
	if len(b.Limits) > 0 {
		a.field("_limits", b.Limits)
	}
}

// frames are the first and the last that a transaction is in.
func frames(t *replay.Transaction) (first, last int) {
	first, last = t.Request.Frame, t.Request.Till
	if t.Response != nil {
		if first == 0 {
			first = t.Response.Frame
		}
		last = max(last, t.Response.Till)
	}
	return first, last
}

type security struct {
	Version    string `json:"version,omitempty"`
	ServerName string `json:"serverName,omitempty"`
	ALPN       string `json:"alpn,omitempty"`
	Cipher     string `json:"cipher,omitempty"`
}

func tlsOf(t *replay.TLS) security {
	return security{plain.Text(t.Version), plain.Text(t.ServerName), plain.Text(t.ALPN), plain.Text(t.Cipher)}
}

type interim struct {
	Status     int    `json:"status"`
	StatusText string `json:"statusText"`
	Headers    []pair `json:"headers"`
	Frame      int    `json:"frame"`
}

func early(rs []*replay.Response) []interim {
	var list []interim
	for _, r := range rs {
		list = append(list, interim{r.Status, plain.Text(r.Reason), pairs(r.Header), r.Frame})
	}
	return list
}

// timings are milliseconds; -1 = packets of others do not tell.
type timings struct {
	Blocked float64 `json:"blocked"`
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	SSL     float64 `json:"ssl"`
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

// total is their sum without those that are not known.
func (t *timings) total() float64 {
	return math.Round((t.Send+t.Wait+t.Receive)*1000) / 1000
}

// milliseconds of microseconds.
func milliseconds(us int64) float64 { return float64(us) / 1000 }

// timing is when a transaction began, and how its time passed between the first and
// the last packets of both messages. A response that began before the request had
// ended did not let the client wait.
func timing(t *replay.Transaction, begin int64) (at int64, times timings) {
	times = timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1}
	at = t.Request.Time
	if at != 0 {
		times.Send = since(t.Request.Time, t.Request.End)
	}
	if r := t.Response; r != nil {
		if at != 0 {
			times.Wait = since(max(t.Request.Time, t.Request.End), r.Time)
		} else {
			at = r.Time
		}
		times.Receive = since(max(r.Time, t.Request.End), r.End)
	}
	if at == 0 {
		at = begin
	}
	return at, times
}

func since(from, to int64) float64 {
	if to <= from {
		return 0
	}
	return milliseconds((to - from) / 1000)
}
