package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
)

// eveItems reads Suricata's events, as Kagami writes them. Fields are named as
// the checks of Suricata's tests name them: "dns.answers[0].rdata".
func eveItems(r io.Reader) ([]item, error) {
	var items []item
	events := json.NewDecoder(r)
	events.UseNumber()
	for {
		var event map[string]any
		if err := events.Decode(&event); errors.Is(err, io.EOF) {
			return items, nil
		} else if err != nil {
			return nil, fmt.Errorf("parse event %d: %w", len(items)+1, err)
		}
		fields := make(map[string]string)
		flatten(fields, "", event)
		items = append(items, item{kind: eventKind(fields["event_type"]), flows: eveFlows(fields),
			where: fields["timestamp"], fields: eveFields(fields)})
	}
}

// flatten writes every leaf of a value under its path.
func flatten(fields map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, part := range v {
			if path != "" {
				name = path + "." + name
			}
			flatten(fields, name, part)
		}
	case []any:
		for i, part := range v {
			flatten(fields, path+"["+strconv.Itoa(i)+"]", part)
		}
	default:
		fields[path] = fmt.Sprint(v)
	}
}

// eveFlows are the flow of an event, none if it is not all said.
func eveFlows(fields map[string]string) []flow {
	transport := transportOf(fields["proto"])
	a, okA := endpoint(fields["src_ip"], fields["src_port"])
	b, okB := endpoint(fields["dest_ip"], fields["dest_port"])
	ports := transport == "tcp" || transport == "udp"
	if !okA || !okB || fields["proto"] == "" || ports && (a.Port() == 0 || b.Port() == 0) {
		return nil
	}
	if !ports {
		a, b = netip.AddrPortFrom(a.Addr(), 0), netip.AddrPortFrom(b.Addr(), 0)
	}
	return []flow{newFlow(transport, a, b)}
}
