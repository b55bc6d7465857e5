package records

// Auth is one attempt to log in to a server: SMTP, POP3, IMAP, FTP, SOCKS. The
// password, and what could be turned into it, is never part of it.
type Auth struct {
	meta Meta

	Protocol  string // "smtp", "pop3", "imap", "ftp", "socks"
	Mechanism string // as the protocol names it: "PLAIN", "CRAM-MD5", "APOP", "USER", "LOGIN"
	Method    AuthMethod
	User      string // who logs in, "" when the mechanism hides it or it was not seen
	Domain    string // realm or domain that stands apart from the user's name
	ActingFor string // authorization identity, where it differs from User (RFC 4422 section 3.4.1)
	Result    AuthResult
	Reply     string // the server's answer: code and text, "" when it was not seen

	Start int64 // capture time of the first command, nanoseconds since the epoch
	End   int64 // capture time of the server's answer, 0 when it was not seen
}

// AuthMethod is what crossed the wire to prove who the user is.
type AuthMethod uint8

const (
	AuthOther     AuthMethod = iota
	AuthPassword             // the password itself, readable
	AuthChallenge            // a digest of the password and a challenge
	AuthToken                // a bearer token or ticket
	AuthExternal             // proven outside: a certificate
	AuthAnonymous            // nothing
)

func (m AuthMethod) String() string {
	return [...]string{"", "password", "challenge", "token", "external", "anonymous"}[m]
}

// AuthResult is what the server made of an attempt.
type AuthResult uint8

const (
	AuthUnknown AuthResult = iota // the answer was not seen
	AuthSuccess
	AuthFailure
)

func (r AuthResult) String() string {
	return [...]string{"unknown", "success", "failure"}[r]
}

// NewAuth returns an authentication record that bears m.
func NewAuth(m Meta) *Auth { m.Kind = KindAuth; return &Auth{meta: m} }

// Stamp gives a record that was built up before it was due its header.
func (r *Auth) Stamp(m Meta) { m.Kind = KindAuth; r.meta = m }

// Meta implements Record.
func (r *Auth) Meta() *Meta { return &r.meta }

var (
	categoryAuth = []string{"authentication"}
	typeStart    = []string{"start"}
)

// AppendFields implements Record.
func (r *Auth) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	m.event(&f, Event{
		Kind: "event", Category: categoryAuth, Type: typeStart, Action: "login",
		Outcome: r.Result.String(), Start: r.Start, End: r.End,
	})
	m.network(&f, r.Protocol, 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	m.related(&f)
	f.list("related.user", r.User, r.ActingFor)
	f.Str("user.domain", r.Domain)
	f.Str("user.name", r.User)
	f.Str("kagami.auth.acting_for", r.ActingFor)
	f.Str("kagami.auth.mechanism", r.Mechanism)
	f.Str("kagami.auth.method", r.Method.String())
	f.Str("kagami.auth.reply", r.Reply)
	m.tail(&f)
	return f
}
