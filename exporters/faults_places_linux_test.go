package exporters

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func faultPlaces() []faultPlace {
	var all []faultPlace
	add := func(p faultPlace) {
		if p.format == "" {
			p.format, p.record = "ecs", faultQuery
		}
		for _, secure := range []bool{false, true} {
			q := p
			if q.tls = secure; secure {
				q.scheme = map[string]string{"opensearch+http": "opensearch+https", "clickhouse+http": "clickhouse+https", "webhook+http": "webhook+https",
					"syslog+tcp": "syslog+tls", "ipfix+tcp": "ipfix+tls", "mail": "mail+tls"}[p.scheme]
				if q.scheme == "" {
					q.scheme = p.scheme + "+tls"
				}
			}
			all = append(all, q)
		}
	}
	plain := func(path string) func(addr, options string) string {
		return func(addr, options string) string { return addr + path + strings.TrimSuffix(options, "&") }
	}
	add(faultPlace{scheme: "syslog+tcp", lines: 300, url: plain("?"), start: startSyslogFault, cuts: []int64{900, 30_000, 70_000}, unanswered: true})
	add(faultPlace{scheme: "ipfix+tcp", lines: 300, format: "ipfix", record: faultFlow, url: plain("?"), start: startOctetsFault, cuts: []int64{500, 5000, 9000}, unanswered: true})
	add(faultPlace{scheme: "opensearch+http", lines: 300, url: plain("/logs-kagami-default?timeout=3s&compress=none&"), start: startHTTPFault(fakeBulk), cuts: []int64{900, 30_000, 200_000}})
	add(faultPlace{scheme: "clickhouse+http", lines: 300, url: plain("/kagami.raw?timeout=3s&compress=none&"), start: startHTTPFault(fakeClickHouse), cuts: []int64{900, 30_000, 200_000}})
	add(faultPlace{scheme: "webhook+http", lines: 20, format: "ecs", record: faultAlert, url: plain("/hook?timeout=3s&rate=6000&"), start: startHTTPFault(fakeWebhook), cuts: []int64{500, 3000, 9000}})
	add(faultPlace{scheme: "kafka", lines: 300, url: plain("/t?compression=none&"), start: startKafkaFault, cuts: []int64{60, 1000, 60_000}})
	add(faultPlace{scheme: "nats", lines: 300, url: plain("/x.{kind}?"), start: startNATSFault, cuts: []int64{60, 1000, 60_000}})
	add(faultPlace{scheme: "mail", lines: 5, format: "ecs", record: faultAlert, start: startMailFault, cuts: []int64{30, 400, 2000}, url: func(addr, options string) string {
		starttls := "starttls=no&"
		if options != "" {
			starttls = ""
		}
		return addr + "?from=k@example.jp&to=s@example.jp&within=0s&per_hour=3600&timeout=3s&" + starttls + options
	}})
	return all
}

func startOctetsFault(t *testing.T, x *faultRun) {
	o := takeIn(t, listen(t, "127.0.0.1:0"))
	x.gateway.backend = o.Addr().String()
	x.got = func(*testing.T) []arrival { return arrivals(o.text()) }
}

func startSyslogFault(t *testing.T, x *faultRun) {
	o := takeIn(t, listen(t, "127.0.0.1:0"))
	x.gateway.backend = o.Addr().String()
	x.got = func(*testing.T) (out []arrival) {
		for _, m := range syslogArrive.FindAllStringSubmatch(o.text(), -1) {
			n, _ := strconv.Atoi(m[2])
			out = append(out, arrival{n, m[1]})
		}
		if len(out) == 0 { // a queue in memory gives no numbers
			return arrivals(o.text())
		}
		return out
	}
}

func startHTTPFault(fake func(*testing.T, *store) func(http.ResponseWriter, *http.Request, string)) func(*testing.T, *faultRun) {
	return func(t *testing.T, x *faultRun) {
		got := new(store)
		s := serve(t, nil, fake(t, got))
		x.gateway.backend = s.Listener.Addr().String()
		x.got = func(*testing.T) (out []arrival) {
			got.mu.Lock()
			defer got.mu.Unlock()
			for _, d := range got.docs {
				out = append(out, arrivals(d)[0])
			}
			return out
		}
	}
}

// announced is a listener that says it is somewhere else.
type announced struct {
	net.Listener
	addr net.Addr
}

func (a announced) Addr() net.Addr { return a.addr }

func startKafkaFault(t *testing.T, x *faultRun) {
	real := ""
	kafkaCluster(t, kfake.ListenFn(func(network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err == nil {
			real = l.Addr().String()
		}
		addr, _ := net.ResolveTCPAddr("tcp", x.gateway.addr)
		return announced{l, addr}, err
	}))
	x.gateway.backend = real
	x.got = func(t *testing.T) (out []arrival) {
		// One behind the gateway, which works now, and which the cluster names.
		opts := []kgo.Opt{kgo.SeedBrokers(real), kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, real)
		})}
		for _, r := range consume(t, "t", 2*x.place.lines, opts...) {
			a := arrivals(string(r.Value))[0]
			for _, h := range r.Headers {
				a.id = string(h.Value)
			}
			out = append(out, a)
		}
		return out
	}
}

func startNATSFault(t *testing.T, x *faultRun) {
	s := natsServer(t, t.TempDir(), func(o *server.Options) {
		o.JetStreamMaxMemory, o.JetStreamMaxStore = 64<<20, 256<<20
		if x.place.tls { // it begins in clear: TLS is the server's own
			x.gateway.passes = true
			o.TLS, o.TLSTimeout = true, 10
			o.TLSConfig = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return x.gateway.cert(), nil }}
		}
	})
	var options []nats.Option
	if x.place.tls {
		options = append(options, nats.Secure(&tls.Config{InsecureSkipVerify: true}))
	}
	stream := natsStream(t, s, func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, options...)
	x.gateway.backend = address(s)
	x.got = func(t *testing.T) (out []arrival) {
		for _, m := range stored(t, stream) {
			a := arrivals(string(m.Data()))[0]
			a.id = m.Headers().Get("Nats-Msg-Id")
			out = append(out, a)
		}
		return out
	}
}

func startMailFault(t *testing.T, x *faultRun) {
	s := serveMail(t, &mailServer{})
	x.gateway.backend = s.Addr().String()
	x.got = func(t *testing.T) (out []arrival) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, m := range s.mails {
			_, body := readMail(t, m)
			out = append(out, arrivals(body)...)
		}
		return out
	}
}
