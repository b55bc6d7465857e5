package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func said(rule, source string) alert {
	var a alert
	a.Rule.Name, a.Source.IP, a.Message = rule, source, rule+" of "+source
	return a
}

func TestJudge(t *testing.T) {
	alerts := []alert{said("beacon", "10.0.0.5"), said("port-scan", "10.0.0.6")}
	watch := said("port-scan", "192.0.2.7")
	watch.Kagami.Alert.Level = "watch"
	for _, c := range []struct {
		l    label
		err  error
		want string // verdicts: part=rule or part=reason
	}{
		{l: label{kind: "beacon+lateral", host: "10.0.0.5"}, want: "beacon=beacon"},
		{l: label{kind: "fan-out:vertical", host: "10.0.0.6"}, want: "fan-out:vertical=port-scan"},
		{l: label{kind: "c2", host: "10.0.0.7, 10.0.0.5"}, want: "c2=beacon"},
		{l: label{kind: "scan", host: "10.0.0.60"}, want: "scan=other alerts: beacon, port-scan"},
		{l: label{kind: "periodic", host: "10.0.0.9", detail: "n=30 median=5.08s span=138.6s"}, want: "periodic=lasts 139 s; a rhythm must last 600 s"},
		{l: label{kind: "periodic", host: "10.0.0.9", detail: "syn 10.0.0.9->10.0.1.1:80  n=9 span=77.0s"}, want: "periodic=lasts 77 s; a rhythm must last 600 s; goes to a machine inside"},
		{l: label{kind: "periodic", host: "10.0.0.9", detail: "syn 10.0.0.9->192.0.2.1:80  n=900 span=7700.0s"}, want: "periodic=other alerts: beacon, port-scan"},
		{l: label{kind: "beacon", host: "10.0.0.9", detail: "SYN to 192.0.2.1:4433 every 10.0 s x8"}, want: "beacon=lasts 80 s; a rhythm must last 600 s"},
		{l: label{kind: "beacon", host: "10.0.0.9", detail: "HTTP to 192.0.2.1:80 x30 every 5 s"}, want: "beacon=lasts 150 s; a rhythm must last 600 s"},
		{l: label{kind: "fan-out:arp", host: "192.0.2.1", detail: "count=138"}, want: "fan-out:arp=from outside the internal networks"},
		{l: label{kind: "fan-out:vertical", host: "192.0.2.7", closer: []alert{watch, said("beacon", "192.0.2.7")}}, want: "fan-out:vertical=from outside the internal networks; more closely, *watch*: port-scan of 192.0.2.7"},
		{l: label{kind: "driveby"}, err: errors.New("torn"), want: "driveby=not read: torn"},
		{l: label{kind: "mail-file"}, want: ""},
	} {
		var got []string
		for _, v := range judge(c.l, &reading{alerts: alerts, err: c.err}) {
			s := v.why
			if len(v.flagged) > 0 {
				s = rules(v.flagged)
			}
			got = append(got, v.part+"="+s)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s: got %q, want %q", c.l.kind, c.l.host, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	labels, err := parseLabels("capture\tkind\thost\tdetail\tbasis\na.pcap\tbeacon\t10.0.0.5\tx\ty\nb.pcap\tscan\t10.0.0.6\tx|y\tz\n")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*reading{"a.pcap": {alerts: []alert{said("beacon", "10.0.0.5")}}, "b.pcap": {},
		"c.pcap": {alerts: []alert{said("port-scan", "10.0.0.9")}}, "d.pcap": {}}
	var b bytes.Buffer
	report(&b, labels, []string{"a.pcap", "b.pcap", "c.pcap", "d.pcap"}, got)
	for _, want := range []string{"| a.pcap | beacon | 10.0.0.5 | **beacon**: beacon of 10.0.0.5 |", "| b.pcap | scan | 10.0.0.6 | no: ? |",
		"1 of 2 labels flagged.", "| c.pcap | port-scan | port-scan of 10.0.0.9 |", "1 other captures without an alert, 1 with alerts, 0 not readable"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if _, err := parseLabels("x\nonly\ttwo\n"); err == nil {
		t.Error("a row of two columns was taken")
	}
}
