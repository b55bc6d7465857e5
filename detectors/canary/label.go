package canary

import "strings"

// Steps are what a run of kagami canary can send under a label. The step says in
// which kind of record the label counts: a proxy that looks up the name of an
// HTTP step does not stand for the request.
const (
	StepDNS     = "dns"     // a query for the name
	StepHTTP    = "http"    // a request whose Host, URL or User-Agent bears it
	StepConnect = "connect" // a CONNECT to it
	StepTLS     = "tls"     // a ClientHello with it as server name
	StepTimer   = "timer"   // requests like StepHTTP, by a timer
)

// Zone is the domain of all labels. It is below .test, which exists nowhere and
// which resolvers answer by themselves (RFC 6761 section 6.2).
const Zone = "canary.kagami.test"

// RunDigits is how many lower-case hexadecimal digits name a run.
const RunDigits = 16

// Label marks traffic as that of one step of one run.
type Label struct {
	Run  string // RunDigits digits, lower case
	Step string
}

// Name is the label as a domain name: "0123456789abcdef.dns.canary.kagami.test".
func (l Label) Name() string { return l.Run + "." + l.Step + "." + Zone }

// Marks are the words in an alert's title, English and Japanese, by which kagami
// canary knows that it is the one about this label; names of other records do not
// have them.
func (l Label) Marks() (en, ja string) {
	return "run " + l.Run + ", step " + l.Step, "実行" + l.Run + "、ステップ" + l.Step
}

const dotZone = "." + Zone

// Find returns the first label in a text: a domain name, a URL, a User-Agent.
// Case does not matter, since resolvers play with it. A name that goes on before
// or behind the label is another one.
func Find(s string) (Label, bool) {
	for at := 0; ; at++ {
		dot := strings.IndexByte(s[at:], '.')
		if dot < 0 || len(s)-at-dot < len(dotZone) {
			return Label{}, false
		}
		at += dot
		end := at + len(dotZone)
		if !strings.EqualFold(s[at:end], dotZone) || goesOn(s[end:]) {
			continue
		}
		if l, ok := before(s[:at]); ok {
			return l, true
		}
	}
}

// before reads run and step from the end of a text.
func before(s string) (Label, bool) {
	dot := strings.LastIndexByte(s, '.')
	from := dot - RunDigits
	if from < 0 || from > 0 && named(s[from-1]) {
		return Label{}, false
	}
	step, ok := stepNamed(s[dot+1:])
	if !ok {
		return Label{}, false
	}
	run := s[from:dot]
	for i := range len(run) {
		switch c := run[i] | 0x20; {
		case run[i] >= '0' && run[i] <= '9', c >= 'a' && c <= 'f':
		default:
			return Label{}, false
		}
	}
	return Label{strings.ToLower(run), step}, true
}

func stepNamed(s string) (string, bool) {
	for _, step := range [...]string{StepDNS, StepHTTP, StepConnect, StepTLS, StepTimer} {
		if strings.EqualFold(s, step) {
			return step, true
		}
	}
	return "", false
}

// goesOn tells whether a name does not end where a text begins. The root's dot may
// stand there.
func goesOn(s string) bool {
	if s == "" {
		return false
	}
	return s[0] != '.' && named(s[0]) || s[0] == '.' && len(s) > 1 && named(s[1])
}

// named tells whether a character can stand in a domain name.
func named(c byte) bool {
	l := c | 0x20
	return c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' || l >= 'a' && l <= 'z' || c >= 0x80
}
