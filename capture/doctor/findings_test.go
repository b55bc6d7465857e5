package doctor

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound are the facts of a mirror port without fault, live.
func sound() Facts {
	return Facts{
		Frames: Frames{All: 100_000, Bytes: 50_000_000, First: 1, Last: 60e9, Unicast: 97_000, Group: 3_000, Untagged: 100_000,
			Segments: 60_000, MSS: 1460, Longest: 1460, Reordered: 100, NTP: NTP{Replies: 9, Offset: 3 * time.Millisecond}},
		Flows: Flows{All: 900, Unicast: 800, Conversations: 500, OneWay: 3, Payload: 30_000_000, Missed: 1_000, Packets: 99_000,
			Duplicates: 20, Wanted: 3},
		Source: Source{Received: 100_000},
		Machine: &Machine{Interface: "eth1", State: "up", MTU: 1500, RXQueues: 4, Offloads: []string{"gro"},
			NIC: NIC{Packets: 100_000, Dropped: 5}, Clock: Clock{Synchronised: true}},
	}
}

func TestDiagnose(t *testing.T) {
	unseen := func(n int) (out []netip.Prefix) {
		for i := range n {
			out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		change func(*Facts)
		want   string // findings of severity warn and bad
		found  string // in the words of the first
	}{
		{"a sound mirror port", func(*Facts) {}, "", ""},
		{"nothing", func(f *Facts) { *f = Facts{} }, "bad nothing-seen", "not a single frame"},
		{"no cable", func(f *Facts) {
			*f = Facts{Machine: &Machine{Interface: "eth1", State: "down", Clock: Clock{Synchronised: true}}}
		},
			"bad nothing-seen", "eth1 is down"},
		{"nothing but this machine", func(f *Facts) { f.Frames.Own, f.Frames.Unicast, f.Frames.Group = 100_000, 0, 0 }, "bad nothing-seen", "own traffic (100,000 frames)"},
		{"broadcast only", func(f *Facts) { f.Frames.Unicast = 0 }, "bad no-mirror", "0 % of 3,000 frames"},
		{"broadcast and a flood", func(f *Facts) { f.Frames.Unicast = 20 }, "bad no-mirror", "0.66 %"},
		{"a quiet mirror", func(f *Facts) { f.Frames.Unicast = 300 }, "", ""},
		{"nine broadcasts", func(f *Facts) { f.Frames.Unicast, f.Frames.Group = 0, 9 }, "", ""},

		{"one-way, below", func(f *Facts) { f.Flows.OneWay = 24 }, "", ""},
		{"one-way, some", func(f *Facts) { f.Flows.OneWay = 25 }, "warn one-way", "5.0 % of TCP conversations"},
		{"one-way, many", func(f *Facts) { f.Flows.OneWay = 125 }, "bad one-way", "(125 of 500)"},
		{"one-way, two of two", func(f *Facts) { f.Flows.Conversations, f.Flows.OneWay = 2, 2 }, "", ""},
		{"missed, some", func(f *Facts) { f.Flows.Missed = 30_000 }, "warn missed", "0.10 % of TCP data"},
		{"missed, much", func(f *Facts) { f.Flows.Missed = 1_500_000 }, "bad missed", "5.0 %"},
		{"networks, one", func(f *Facts) { f.Flows.Unseen = unseen(1) }, "warn networks-unseen", "1 of 3 internal networks have sent nothing: 10.0.0.0/16"},
		{"networks, all", func(f *Facts) { f.Flows.Unseen = unseen(3) }, "bad networks-unseen", "3 of 3"},
		{"networks, a long list", func(f *Facts) { f.Flows.Wanted, f.Flows.Unseen = 20, unseen(12) }, "warn networks-unseen", "10.7.0.0/16 and 4 more"},
		{"one host", func(f *Facts) { f.Flows.Hosts = []netip.Addr{netip.MustParseAddr("10.0.0.9")} }, "warn one-host", "10.0.0.9's"},
		{"one host, few flows", func(f *Facts) { f.Flows.Hosts, f.Flows.Unicast = []netip.Addr{{}}, 19 }, "", ""},
		{"unreadable, some", func(f *Facts) { f.Frames.Unread = 4_850 }, "warn unreadable", "5.0 %"},
		{"unreadable, half", func(f *Facts) { f.Frames.Unread = 48_500 }, "bad unreadable", ""},

		{"cut late", func(f *Facts) { f.Frames.Cut, f.Frames.CutAt = 50_000, 1024 }, "warn snap-length", "after 1024 octets"},
		{"cut to headers", func(f *Facts) { f.Frames.Cut, f.Frames.CutAt = 10_000, 128 }, "bad snap-length", "10.0 % of frames"},
		{"cut to headers, rarely", func(f *Facts) { f.Frames.Cut, f.Frames.CutAt = 9_999, 128 }, "warn snap-length", ""},
		{"a few giants cut", func(f *Facts) { f.Frames.Cut, f.Frames.CutAt = 99, 65535 }, "", ""},
		{"cut by the mirror", func(f *Facts) { f.Frames.Short, f.Frames.ShortAt = 30_000, 200 }, "bad mirror-truncation", "at most 200 octets"},
		{"cut by the mirror, so octets are missing", func(f *Facts) { f.Frames.Short, f.Frames.ShortAt, f.Flows.Missed = 30_000, 1000, 9_000_000 }, "warn mirror-truncation", ""},
		{"merged", func(f *Facts) { f.Frames.Merged, f.Frames.Longest = 60, 43_800 }, "warn merged", "43,800 octets, and the hosts allow 1460; on are gro"},
		{"merged, below", func(f *Facts) { f.Frames.Merged = 59 }, "", ""},
		{"duplicates", func(f *Facts) { f.Flows.Duplicates = 1_000 }, "warn duplicates", "the same place is mirrored twice"},
		{"duplicates behind a router", func(f *Facts) {
			f.Flows.Duplicates, f.Flows.OtherPath, f.Flows.Path = 99_000, 9, Path{VLAN: 10, CopyVLAN: 20, TTL: 64, CopyTTL: 63}
		}, "warn duplicates", "50.0 % of packets are copies of others (99,000); seen on VLAN 10 with TTL 64 and again on VLAN 20 with TTL 63: both sides of a router"},
		{"duplicates on a trunk", func(f *Facts) {
			f.Flows.Duplicates, f.Flows.OtherPath, f.Flows.Path = 99_000, 9, Path{CopyVLAN: 20, TTL: 64, CopyTTL: 64}
		}, "warn duplicates", "seen untagged and again on VLAN 20 with the same TTL: two ports"},
		{"reordered", func(f *Facts) { f.Frames.Reordered = 3_000 }, "warn reordered", "eth1 has 4 receive queues"},

		{"kernel drops", func(f *Facts) { f.Source.Dropped, f.Source.Freezes = 1, 1 }, "warn kernel-drops", "dropped 1 frame (less than 0.01 %) because the ring was full 1 time"},
		{"kernel drops, many", func(f *Facts) { f.Source.Dropped = 1_000 }, "bad kernel-drops", "1.0 %"},
		{"card drops", func(f *Facts) {
			f.Machine.NIC.Missed, f.Machine.NIC.FIFO = 7, 7
			f.Machine.Driver = []Counter{{"rx_no_buffer\x1b", 7}}
		}, "warn nic-drops", "dropped 7 frames (less than 0.01 %); the driver says: rx_no_buffer. 7"},
		{"card drops, many", func(f *Facts) { f.Machine.NIC.FIFO = 2_000 }, "bad nic-drops", ""},
		{"card errors", func(f *Facts) { f.Machine.NIC.CRC = 2 }, "warn nic-errors", "checksum 2, alignment 0, length 0"},
		{"rx_dropped", func(f *Facts) { f.Machine.NIC.Dropped = 100 }, "warn rx-dropped", "eth1 grew by 100 (0.10 %)"},
		{"clock steps", func(f *Facts) { f.Frames.Backward, f.Frames.BackBy, f.Frames.Steps = 999, 3600e9, 1 }, "warn clock-step", "set back 1 time, by up to 1h0m0s; time servers"},
		{"a late frame", func(f *Facts) { f.Frames.Backward, f.Frames.BackBy, f.Frames.NTP = 1, 61e9, NTP{} }, "warn clock-step", "1 frame with a time up to 1m1s before"},
		{"clock runs free", func(f *Facts) { f.Machine.Clock = Clock{MaxError: 16 * time.Second} }, "warn clock-unsynchronised", "off by +0.003 s"},
		{"clock is wrong", func(f *Facts) { f.Frames.NTP.Offset = -90 * time.Second }, "warn clock-offset", "off by -90.000 s, so 9 answers"},
		{"clock is nearly right", func(f *Facts) { f.Frames.NTP.Offset = 999 * time.Millisecond }, "", ""},

		{"the worst first", func(f *Facts) { f.Machine.NIC.CRC, f.Flows.Duplicates, f.Flows.OneWay = 1, 50_000, 500 },
			"bad one-way, warn duplicates, warn nic-errors", ""},
		{"from a file the machine does not matter", func(f *Facts) { f.Machine = nil }, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := sound()
			tt.change(&f)
			r := Diagnose(f)
			var got []string
			for _, x := range r.Findings {
				if x.Severity > OK {
					got = append(got, x.Severity.String()+" "+x.ID)
				}
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Fatalf("got %q, want %q", s, tt.want)
			}
			if len(got) > 0 && !strings.Contains(r.Findings[0].Found, tt.found) {
				t.Errorf("found %q, want %q in it", r.Findings[0].Found, tt.found)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		change  func(*Facts)
		verdict string
		status  int
	}{
		{func(*Facts) {}, "usable", 0},
		{func(f *Facts) { f.Source.Dropped = 1 }, "usable with gaps", 3},
		{func(f *Facts) { f.Flows.OneWay = f.Flows.Conversations }, "not usable", 2},
	} {
		f := sound()
		tt.change(&f)
		r := Diagnose(f)
		if r.Verdict.String() != tt.verdict || r.ExitStatus() != tt.status {
			t.Errorf("got %q, exit %d, want %q, exit %d", r.Verdict, r.ExitStatus(), tt.verdict, tt.status)
		}
	}
}

func TestPrint(t *testing.T) {
	f := sound()
	f.Frames.Merged, f.Frames.Longest = 600, 43_800
	r := Diagnose(f)
	var b bytes.Buffer
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"This mirror port is usable with gaps.\n", "Watched: 100,000 frames (47.7 MiB) in 1m0s, 900 flows\n",
		"\nWARN merged: 1.0 % of TCP segments", "ethtool -K eth1 gro off lro off tso off gso off", "\nok   clock-agrees: 9 answers"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > lineLength+1 {
			t.Errorf("line of %d columns: %q", len(line), line)
		}
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(Diagnose(sound()))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Verdict  string
		Findings []struct{ ID, Severity, Unit string }
		Facts    struct{ Frames struct{ All int } }
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != "usable" || len(r.Findings) != 1 || r.Findings[0].Severity != "ok" || r.Findings[0].Unit != "seconds" || r.Facts.Frames.All != 100_000 {
		t.Errorf("got %+v", r)
	}
}

// TestDocumented: docs/DOCTOR.md describes every finding, and no others.
func TestDocumented(t *testing.T) {
	ids := func(pattern string, files ...string) (out []string) {
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
				out = append(out, m[1])
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	code := ids(`(?:finding|number)\("([a-z-]+)"`, "findings_mirror.go", "findings_machine.go")
	docs := ids("(?m)^### `([a-z-]+)`", "../../docs/DOCTOR.md")
	if !slices.Equal(code, docs) || len(code) < 20 {
		t.Errorf("code finds\n%v\ndocs describe\n%v", code, docs)
	}
	for _, id := range code {
		means, mend := advice(id)
		if information := slices.Contains([]string{"vlans", "tunnels", "clock-agrees", "remote-mirror"}, id); !information && (means == "" || mend == nil) {
			t.Errorf("%s: no word on what it means or how to mend it", id)
		}
	}
}
