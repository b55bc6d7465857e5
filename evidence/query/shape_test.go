package query

import "testing"

func TestShape(t *testing.T) {
	for _, c := range []struct {
		text              string
		everything, byKey bool
	}{
		{"all", true, true},
		{"from 2026-06-01 to +1h", true, true},
		{"host 10.0.0.7 and not (port 80 or net 10.0.0.0/8) and proto tcp", false, true},
		{"flow 1:LQU9qZlK+B5F3KDmev6m5PMibrg=", false, true},
		{"client 10.0.0.7", false, false},
		{"server 10.0.0.0/8", false, false},
		{"host a.example", false, false},
		{"host 10.0.0.7 or not bytes > 1k", false, false},
		{"cut", false, false},
		{"gap", false, false},
		{"vlan 7", false, false},
		{"alert x", false, false},
		{"case x", false, false},
	} {
		q, err := Parse(c.text, Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if q.Everything() != c.everything || q.ByKey() != c.byKey {
			t.Errorf("%s: everything %v, by key %v; want %v, %v", c.text, q.Everything(), q.ByKey(), c.everything, c.byKey)
		}
	}
}
