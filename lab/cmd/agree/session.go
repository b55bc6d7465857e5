package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// session is all that a program saw between two endpoints. Programs differ in
// where they cut it, so its parts are summed.
type session struct {
	flow   flow
	where  string               // of its first part
	counts map[string][2]uint64 // "packets", "bytes": sent by the lower endpoint and by the higher one
	sets   map[string][]string  // "ja3" ...: the values met
	hosts  []string             // every name of the other end that is in the records
}

// sessions are kept in the order of their first parts.
type sessions struct {
	order  []*session
	byFlow map[flow]*session
}

func newSessions() *sessions { return &sessions{byFlow: make(map[flow]*session)} }

func (s *sessions) of(f flow, where string) *session {
	one := s.byFlow[f]
	if one == nil {
		one = &session{flow: f, where: where, counts: make(map[string][2]uint64), sets: make(map[string][]string)}
		s.byFlow[f] = one
		s.order = append(s.order, one)
	}
	return one
}

// count adds what an endpoint sent and received.
func (s *session) count(name string, end netip.AddrPort, sent, received uint64) {
	if !s.flow.fromLow(end) {
		sent, received = received, sent
	}
	c := s.counts[name]
	s.counts[name] = [2]uint64{c[0] + sent, c[1] + received}
}

// add adds values to a set; a set to which nothing was ever added is not compared.
func (s *session) add(name string, values ...string) {
	s.sets[name] = append(s.sets[name], values...)
}

func (s *sessions) items() []item {
	items := make([]item, 0, len(s.order))
	for _, one := range s.order {
		fields := make(map[string]string)
		for name, c := range one.counts {
			fields[name] = fmt.Sprintf("%d/%d", c[0], c[1])
		}
		for name, values := range one.sets {
			fields[name] = set(values)
		}
		if one.hosts != nil {
			fields["host"] = strings.Join(one.hosts, divider) + among
		}
		items = append(items, item{kind: kindSession, flows: []flow{one.flow}, where: one.where, fields: fields})
	}
	return items
}

// addRecord adds one of Kagami's records. Fields are named as in other items.
func (s *sessions) addRecord(r *record) {
	one := s.of(r.flow(), r.Event.ID)
	one.addHosts(r)
	switch r.Event.Dataset {
	case "kagami.flow":
		one.count("packets", r.Source.endpoint(), r.Source.Packets, r.Destination.Packets)
		one.count("bytes", r.Source.endpoint(), r.Kagami.Client.Wire, r.Kagami.Server.Wire)
		one.add("community id", r.Network.CommunityID)
	case "kagami.dns":
		one.add("queried", r.DNS.Question.Name)
	case "kagami.tls":
		one.addHandshake(r)
	case "kagami.http":
		one.add("names", hostName(r.Kagami.HTTP.Host))
		one.add("method", r.HTTP.Request.Method)
		one.add("user agent", r.UserAgent.Original)
		if r.HTTP.Response.Status != 0 {
			one.add("status", fmt.Sprint(r.HTTP.Response.Status))
		}
		one.add("uri", r.Kagami.HTTP.Host+r.URL.Original)
	}
}

func (s *session) addHandshake(r *record) {
	t := &r.TLS
	s.add("names", t.Client.Name)
	s.add("ja3", t.Client.JA3)
	s.add("ja4", r.Kagami.TLS.JA4)
	s.add("ja4 but for its flaws", ndpiJA4(r.Kagami.TLS.JA4))
	s.add("ja3s", t.Server.JA3S)
	s.add("cipher", t.Cipher)
	s.add("sha1", t.Server.Hash.SHA1)
}

// addHosts notes the names in a record.
func (s *session) addHosts(r *record) {
	k := &r.Kagami
	names := []string{r.TLS.Client.Name, rawName(r.DNS.Question.Name), k.HTTP.Host, hostName(k.HTTP.Host), k.SSDP.Host, k.DHCP.HostName, k.DHCP.FQDN}
	for _, a := range r.DNS.Answers {
		names = append(names, rawName(a.Name))
	}
	for _, name := range names {
		if name != "" {
			s.hosts = append(s.hosts, ndpiHost(name))
		}
	}
}
