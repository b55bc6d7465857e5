package main

import (
	"encoding/json"
	"fmt"
)

// ja4Items reads the streams of a test of FoxIO's JA4 in Python.
func ja4Items(text []byte) ([]item, error) {
	var streams []struct {
		Stream           int
		Src, Dst, Domain string
		SrcPort, DstPort string
		JA4              string `json:"JA4.1"`
		Second           string `json:"JA4.2"`
	}
	if err := json.Unmarshal(text, &streams); err != nil {
		return nil, fmt.Errorf("parse streams: %w", err)
	}
	var items []item
	for _, s := range streams {
		a, okA := endpoint(s.Src, s.SrcPort)
		b, okB := endpoint(s.Dst, s.DstPort)
		if !okA || !okB {
			continue
		}
		for _, ja4 := range []string{s.JA4, s.Second} {
			if ja4 == "" {
				continue
			}
			k, transport := kindTLS, "tcp"
			switch ja4[0] {
			case 'q':
				k, transport = kindQUIC, "udp"
			case 'd':
				k, transport = kindDTLS, "udp"
			}
			items = append(items, item{kind: k, flows: []flow{newFlow(transport, a, b)}, where: fmt.Sprintf("stream %d", s.Stream),
				fields: map[string]string{"ja4": ja4, "server name": s.Domain}})
		}
	}
	return items, nil
}
