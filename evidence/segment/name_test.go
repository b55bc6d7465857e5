package segment

import "testing"

func TestName(t *testing.T) {
	for _, c := range []struct {
		start int64
		num   uint64
		name  string
	}{
		{t0 + 123456789, 42, "20260601T080000.123456Z-00000042.pcapng"},
		{0, 0, "19700101T000000.000000Z-00000000.pcapng"},
		{t0, 1234567890, "20260601T080000.000000Z-1234567890.pcapng"},
	} {
		if got := Name(c.start, c.num); got != c.name {
			t.Errorf("Name(%d, %d) = %q, want %q", c.start, c.num, got, c.name)
		}
		start, num, ok := ParseName(c.name)
		if !ok || start != c.start/1000*1000 || num != c.num {
			t.Errorf("ParseName(%q) = %d, %d, %v", c.name, start, num, ok)
		}
	}
}

func TestParseNameOfOtherFiles(t *testing.T) {
	for _, name := range []string{
		"", "x.pcapng", "journal.jsonl",
		"20260601T080000.123456Z-00000042.idx",
		"20260601T080000.123456Z-00000042.pcapng.hold-case1",
		"20260601T080000.123456Z-00000042.pcapng~",
		"20260601T080000.123456Z-42.pcapng",
		"20260601T080000.123456Z-000000042.pcapng",
		"20260601T080000.123456Z_00000042.pcapng",
		"20260601T080000.123456Z-+0000042.pcapng",
		"20260601T080000.123Z-000000000042.pcapng",
		"20261301T080000.123456Z-00000042.pcapng",
		"../20260601T080000.123456Z-00000042.pcapng",
		"20260601T080000.123456Z-18446744073709551615.pcapng",
	} {
		if _, _, ok := ParseName(name); ok {
			t.Errorf("ParseName(%q) takes it for a segment", name)
		}
	}
}
