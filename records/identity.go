package records

import "net/netip"

// Identity says that something about a machine inside became known or changed:
// its name, user, MAC address, operating system or role. It stands right behind
// the record that told.
type Identity struct {
	meta Meta

	Addr   netip.Addr
	What   string // "name", "user", "mac", "os" or "role"
	Old    string // "" = not known before
	New    string // "" = what was known holds no more
	Source string // what told: see Fact
	Since  int64  // logical time of the old value's first mention, 0 if there was none
	Host   *Host  // all that is known now
}

// NewIdentity returns an identity record: m is the header of the record that
// told, n its number among those that this one caused, from 1.
func NewIdentity(m Meta, n uint32) *Identity {
	m.Kind, m.Sub = KindIdentity, n
	return &Identity{meta: m}
}

// Meta implements Record.
func (r *Identity) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *Identity) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryHost, Type: typeChange, Action: "identity-changed"}
	if r.Old == "" {
		e.Type, e.Action = typeInfo, "identity-learned"
	}
	m.event(&f, e)
	f.Str("host.hostname", r.Host.name())
	f.ip("host.ip", r.Addr)
	if r.Host != nil {
		f.list("host.mac", r.Host.MAC.Value)
		f.Str("host.os.full", r.Host.OS.Value)
	}
	f.list("related.hosts", r.Host.name())
	f.ip("related.ip", r.Addr)
	f.list("related.user", r.Host.user())
	f.Str("user.name", r.Host.user())
	f.Str("kagami.identity.new", r.New)
	f.Str("kagami.identity.old", r.Old)
	f.Time("kagami.identity.old_since", r.Since)
	f.Str("kagami.identity.source", r.Source)
	f.Str("kagami.identity.what", r.What)
	f.FlowID("kagami.flow.id", m.UID)
	return f
}

var typeChange = []string{"change"}
