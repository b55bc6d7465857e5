package exporters

import (
	"net/netip"
	"strings"
	"testing"

	"kagami/records"
)

// TestRefusalsHaveIDs: CEF's class and LEEF's event tell refusals from the rest; ECS's
// event.action does not.
func TestRefusalsHaveIDs(t *testing.T) {
	flow := func(action string) records.Record {
		return flowRecord(t, func(r *records.Flow) { r.Action = action })
	}
	http := func(method string, status int, change func(*records.HTTP)) records.Record {
		return httpRecord(t, func(r *records.HTTP) {
			r.Method, r.Status, r.Proxied = method, status, true
			if change != nil {
				change(r)
			}
		})
	}
	local := func(r *records.HTTP) { r.Cache = records.CacheLocal }
	login := func(result records.AuthResult) records.Record {
		r := authRecord(t)
		r.Result = result
		return r
	}
	socks := func(status string, refused bool) records.Record {
		r := socksRecord(t)
		r.Status, r.UserRefused = status, refused
		return r
	}
	mail := func(state records.MailState, status int, recipients ...int) records.Record {
		r := mailRecord(t)
		r.State, r.Status, r.Envelope.Recipients = state, status, nil
		for _, code := range recipients {
			r.Envelope.Recipients = append(r.Envelope.Recipients, records.Recipient{Address: "b@example.com", Code: code})
		}
		return r
	}
	for _, c := range []struct {
		name             string
		rec              records.Record
		id, head, action string // of CEF and LEEF; CEF's name; of ECS
	}{
		{"a flow", flow("Permit"), "flow-end", "Network flow", "flow-end"},
		{"a flow that nobody answered", flow("Deny"), "flow-denied", "Network flow denied", "flow-end"},

		{"the right password", login(records.AuthSuccess), "login", "Login", "login"},
		{"a wrong password", login(records.AuthFailure), "login-failed", "Login failed", "login"},
		{"no answer seen", login(records.AuthUnknown), "login-unknown", "Login, its answer not seen", "login"},

		{"the proxy refuses a page", http("GET", 403, local), "http-denied", "HTTP request denied by the proxy", "http-request"},
		{"the proxy refuses a tunnel", http("CONNECT", 403, nil), "http-denied", "HTTP request denied by the proxy", "connect"},
		{"the origin refuses", http("GET", 403, func(r *records.HTTP) {
			r.Cache, r.OriginAddr = records.CacheMiss, netip.MustParseAddrPort("192.0.2.9:80")
		}), "http-request", "HTTP request", "http-request"},
		{"who refuses cannot be seen", http("GET", 403, nil), "http-request", "HTTP request", "http-request"},
		{"a server refuses", http("GET", 403, func(r *records.HTTP) { r.Proxied = false }), "http-request", "HTTP request", "http-request"},
		{"the proxy wants credentials", http("CONNECT", 407, nil), "connect", "HTTP tunnel", "connect"},
		{"the proxy did not reach the origin", http("GET", 503, local), "http-request", "HTTP request", "http-request"},
		{"a tunnel", http("CONNECT", 200, nil), "connect", "HTTP tunnel", "connect"},

		{"SOCKS granted", socks(records.SOCKSSucceeded, false), "socks-request", "SOCKS request", "socks-request"},
		{"SOCKS refused", socks("connection not allowed by ruleset", false), "socks-refused", "SOCKS request refused", "socks-request"},
		{"SOCKS user refused", socks("", true), "socks-refused", "SOCKS request refused", "socks-request"},
		{"SOCKS without an answer", socks("", false), "socks-request", "SOCKS request", "socks-request"},

		{"mail taken", mail(records.MailMessage, 250, 250), "mail-message", "Mail", "mail-message"},
		{"mail taken for one of two", mail(records.MailMessage, 250, 550, 250), "mail-message", "Mail", "mail-message"},
		{"message refused", mail(records.MailMessage, 554, 250), "mail-refused", "Mail refused", "mail-message"},
		{"sender refused", mail(records.MailEnvelope, 450), "mail-refused", "Mail refused", "mail-envelope"},
		{"all recipients refused", mail(records.MailEnvelope, 0, 550, 450), "mail-refused", "Mail refused", "mail-envelope"},
		{"one recipient refused", mail(records.MailEnvelope, 0, 550, 250), "mail-envelope", "Mail", "mail-envelope"},
		{"no recipient", mail(records.MailSession, 0), "mail-session", "Mail", "mail-session"},
	} {
		if line := lineOf(t, newCEF(Env{}), c.rec); !strings.HasPrefix(line, "CEF:0|Kagami|Kagami|0|"+c.id+"|"+c.head+"|") {
			t.Errorf("%s: %.120s", c.name, line)
		}
		for head, open := range map[string]func(Env) Format{"LEEF:2.0|Kagami|Kagami|0|": newLEEF, "LEEF:1.0|Kagami|Kagami|0|": newLEEF1} {
			if line := lineOf(t, open(Env{}), c.rec); !strings.HasPrefix(line, head+c.id+"|") {
				t.Errorf("%s: %.120s", c.name, line)
			}
		}
		if line := lineOf(t, newECS(Env{}), c.rec); !strings.Contains(line, `"action":"`+c.action+`"`) {
			t.Errorf("%s: no action %s in %s", c.name, c.action, line)
		}
	}
}
