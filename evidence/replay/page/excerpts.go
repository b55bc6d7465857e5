package page

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"kagami/evidence/replay"
	"kagami/evidence/wiretext"
)

func percent(f float64) string { return fmt.Sprintf("%.2f", f) }

// excerpt shows the beginning of a transaction's octets.
type excerpt struct {
	Number   int
	Title    string
	Role     string
	Class    string
	Request  string
	Sent     body
	Response string
	Body     body
}

type body struct {
	Label, Text string
	Hex         bool
}

const (
	headShown = 2048 // octets
	textBody  = 1024
	hexBody   = 256
)

func (v *view) fillExcerpts() {
	for _, n := range v.c.Nodes {
		t := n.Transaction
		if !v.told[t] {
			continue
		}
		v.Excerptable++
		if len(v.Excerpts) == maxExcerpts {
			continue
		}
		x := excerpt{Number: t.Number, Title: v.method(t) + " " + v.url(t), Role: v.role(n), Class: v.class(n)}
		if t.Request != nil {
			x.Request, x.Sent = v.head(t.Request.Head), v.body("excerpts.sent", t.Request.Body.Data)
		}
		if t.Response != nil {
			x.Response, x.Body = v.head(t.Response.Head), v.body("excerpts.body", t.Response.Body.Data)
		}
		v.Excerpts = append(v.Excerpts, x)
	}
}

// head is a message's head without what signs a user in: pages are handed on.
func (v *view) head(b []byte) string {
	var out []byte
	secret := false
	for l := range bytes.SplitAfterSeq(clipped(b, headShown), []byte("\n")) {
		name, value, ok := bytes.Cut(l, []byte(":"))
		if folded := len(l) > 0 && (l[0] == ' ' || l[0] == '\t'); folded && secret {
			continue
		}
		if secret = ok && isCredential(string(name)); secret {
			l = fmt.Appendf(nil, "%s: [%s]\n", name, v.t.say("excerpts.left", len(bytes.TrimSpace(value))))
		}
		out = append(out, l...)
	}
	if len(b) > headShown {
		out = append(out, "..."...)
	}
	return v.quote(bytes.TrimRight(out, "\r\n"), len(out))
}

func isCredential(name string) bool {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie":
		return true
	}
	return false
}

func clipped(b []byte, n int) []byte { return b[:min(n, len(b))] }

// quote is a text of several lines.
func (v *view) quote(b []byte, most int) string {
	s := lines(b, most)
	if !v.Live {
		s = defang(s)
	}
	return s
}

func (v *view) body(key string, b []byte) body {
	if len(b) == 0 {
		return body{}
	}
	most, text, isHex := hexBody, "", !isText(b)
	if isHex {
		text = dump(b, most)
	} else {
		most = textBody
		text = v.quote(b, most)
	}
	return body{v.t.say(key, number(int64(min(most, len(b)))), number(int64(len(b)))), text, isHex}
}

// filter is a display filter of Wireshark.
type filter struct{ Label, Text string }

func (v *view) fillFilters() {
	for i := range v.attacks[:min(len(v.attacks), maxStories)] {
		nodes := slices.Clone(v.attacks[i].Path)
		for _, x := range v.attacks[i].End().Children {
			if x.Role == replay.RoleCheckIn {
				nodes = append(nodes, x)
			}
		}
		if text := frameFilter(nodes); text != "" {
			v.Filters = append(v.Filters, filter{v.t.say("next.frames", i+1), text})
		}
		v.Filters = append(v.Filters, filter{v.t.say("next.flows", i+1), flowFilter(nodes)})
	}
}

// frameFilter finds the frames in which messages begin and end.
func frameFilter(nodes []*replay.Node) string {
	var all []int
	add := func(m *replay.Message) { all = append(all, m.Frame, m.Till) }
	for _, n := range nodes {
		if n.Transaction.Request != nil {
			add(&n.Transaction.Request.Message)
		}
		if n.Transaction.Response != nil {
			add(&n.Transaction.Response.Message)
		}
	}
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(n int) bool { return n <= 0 })
	if len(all) == 0 {
		return ""
	}
	var terms []string
	for _, n := range all[:min(len(all), maxFilter)] {
		terms = append(terms, fmt.Sprint(n))
	}
	return "frame.number in {" + strings.Join(terms, ", ") + "}"
}

// flowFilter finds the conversations.
func flowFilter(nodes []*replay.Node) string {
	var terms []string
	for _, n := range nodes {
		f := n.Transaction.Flow
		term := fmt.Sprintf("(%s && %s && tcp.port == %d && tcp.port == %d)", is(f.Client), is(f.Server), f.Client.Port(), f.Server.Port())
		if len(terms) < maxFilter && !slices.Contains(terms, term) {
			terms = append(terms, term)
		}
	}
	return strings.Join(terms, " || ")
}

func is(a netip.AddrPort) string {
	if a.Addr().Unmap().Is4() {
		return "ip.addr == " + a.Addr().Unmap().String()
	}
	return "ipv6.addr == " + wiretext.Visible(a.Addr().WithZone("").String())
}

// Command is the command line that made this, to which more can be added.
func (v *view) Command() string {
	return "kagami replay " + shell(v.r.Source) + " -o " + shell(v.Directory)
}

// Unzip takes the objects out.
func (v *view) Unzip() string {
	return "7z x -p" + shell(v.Password) + " " + shell(v.Directory+"/objects.zip")
}

// shell quotes a word for a POSIX shell. One that cannot be seen whole is not to be
// copied from a page.
func shell(s string) string {
	shown := wiretext.Visible(bounded(s))
	if shown != "" && strings.IndexFunc(shown, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:@%+,", r))
	}) < 0 {
		return shown
	}
	return "'" + strings.ReplaceAll(shown, "'", `'\''`) + "'"
}
