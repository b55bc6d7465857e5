package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

type arkimeEnd struct {
	IP      netip.Addr
	Port    uint16
	Packets uint64
	Bytes   uint64
}

type arkimeSession struct {
	Source, Destination arkimeEnd
	Protocol            int `json:"ipProtocol"`
	Network             struct {
		CommunityID string `json:"community_id"`
	}
	HTTP struct {
		Host, Method, URI, UserAgent []string
		StatusCode                   []int
	}
	DNS []struct{ QueryHost string }
	TLS struct{ JA3, JA3S, JA4, Cipher []string }
}

// arkimeItems reads the sessions of one of Arkime's tests. What is in several
// parts of a session is summed, as in other items.
func arkimeItems(text []byte) ([]item, error) {
	var test struct {
		Sessions []struct{ Body arkimeSession } `json:"sessions3"`
	}
	if err := json.Unmarshal(text, &test); err != nil {
		return nil, fmt.Errorf("parse sessions: %w", err)
	}
	all := newSessions()
	for i := range test.Sessions {
		b := &test.Sessions[i].Body
		if !b.Source.IP.IsValid() || !b.Destination.IP.IsValid() {
			continue // not IP
		}
		transport := map[int]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}[b.Protocol]
		from, to := netip.AddrPortFrom(b.Source.IP.Unmap(), b.Source.Port), netip.AddrPortFrom(b.Destination.IP.Unmap(), b.Destination.Port)
		s := all.of(newFlow(transport, from, to), fmt.Sprintf("session %d", i+1))
		s.count("packets", from, b.Source.Packets, b.Destination.Packets)
		s.count("bytes", from, b.Source.Bytes, b.Destination.Bytes)
		s.addArkime(b)
	}
	return all.items(), nil
}

func (s *session) addArkime(b *arkimeSession) {
	s.addAny("community id", b.Network.CommunityID)
	if s.flow.transport == "tcp" {
		for _, host := range b.HTTP.Host { // the server names of TLS too
			s.addAny("names", hostName(host))
		}
		s.addAny("method", b.HTTP.Method...)
		s.addAny("user agent", b.HTTP.UserAgent...)
		for _, code := range b.HTTP.StatusCode {
			s.addAny("status", strconv.Itoa(code))
		}
		for _, uri := range b.HTTP.URI {
			s.addAny("uri", strings.TrimPrefix(uri, "//"))
		}
		s.addAny("ja3", b.TLS.JA3...)
		s.addAny("ja3s", b.TLS.JA3S...)
		s.addAny("ja4", b.TLS.JA4...)
		s.addAny("cipher", b.TLS.Cipher...)
	}
	for _, d := range b.DNS {
		s.addAny("queried", strings.Replace(d.QueryHost, "<root>", ".", 1))
	}
}

// addAny adds the values that are not empty, if there is one.
func (s *session) addAny(name string, values ...string) {
	for _, v := range values {
		if v != "" {
			s.add(name, v)
		}
	}
}
