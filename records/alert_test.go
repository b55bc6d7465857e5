package records

import "testing"

// TestAlertDomain: the name is what others join on, so it stands without a port.
func TestAlertDomain(t *testing.T) {
	for destination, want := range map[string]string{
		"c2.example:443":  "c2.example",
		"c2.example":      "c2.example",
		"3com.example:80": "3com.example",
		"192.0.2.9:443":   "",
		"192.0.2.9":       "",
		"192.0.2.0/24":    "",
		"[2001:db8::1]:8": "",
		"2001:db8::1":     "",
		"2001:db8::/32":   "",
		"":                "",
	} {
		a := NewAlert(Meta{})
		a.Destination = destination
		if got := a.Domain(); got != want {
			t.Errorf("%q: got %q, want %q", destination, got, want)
		}
	}
}
