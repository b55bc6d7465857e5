package site

import "kagami/records"

// joins brings the two legs of a proxy together: the client's transaction and
// what the proxy asked of the origin.
type joins struct {
	legs   legs
	waits  map[uint64][]*wait                    // by key, in the order in which they came; their records are held
	hellos *table[hash, hello]                   // TLS handshakes, by client random
	opened *table[uint64, opened]                // CONNECT tunnels by flow, with the origin they lead to
	flows  *table[uint64, []records.Workstation] // a proxy's own connections, by flow
	crowds uint64                                // workstations beyond maxWorkstations
}

const (
	// maxWorkstations is how many workstations one connection of a proxy names.
	maxWorkstations = 8
	// slack is how far the mirror may show the two legs in the wrong order.
	slack = int64(20e6) // nanoseconds
)

func newJoins(c Config) joins {
	return joins{
		legs:   legs{limit: c.Legs, index: make(map[uint64][]*leg)},
		waits:  make(map[uint64][]*wait),
		hellos: newTable[hash, hello](c.Tunnels),
		opened: newTable[uint64, opened](c.Tunnels),
		flows:  newTable[uint64, []records.Workstation](c.Tunnels),
	}
}

func (j *joins) clear() {
	j.legs.clear()
	clear(j.waits)
	j.hellos.clear()
	j.opened.clear()
	j.flows.clear()
}

// join looks for a record's other leg. True: the record is held back.
func (s *Site) join(r records.Record, m *records.Meta) bool {
	switch r := r.(type) {
	case *records.HTTP:
		switch {
		case !r.RequestSeen:
		case r.Method == "CONNECT" && r.Proxied:
			return s.joinConnect(r, m)
		case r.Proxied:
			return s.joinClient(r, m)
		default:
			return s.joinOrigin(r, m)
		}
	case *records.TLS:
		return s.joinHello(r, m)
	case *records.Flow:
		return s.joinFlow(r, m)
	}
	return false
}

// workstation is the client of a connection to a proxy.
func (s *Site) workstation(m *records.Meta, user string) records.Workstation {
	w := records.Workstation{Addr: m.Client(), Flow: m.UID, User: user}
	if h := m.ClientHost; h != nil {
		w.Name = h.Name.Value
		if user == "" {
			w.User = h.User.Value
		}
	}
	return w
}

func only(w records.Workstation) *records.Workstations {
	return &records.Workstations{List: []records.Workstation{w}}
}

// serves notes for whom a proxy's connection works.
func (s *Site) serves(flow uint64, w records.Workstation) {
	list, _ := s.joins.flows.at(flow)
	for i := range *list {
		if have := &(*list)[i]; have.Flow == w.Flow {
			have.Candidate = have.Candidate && w.Candidate
			if have.User == "" {
				have.User = w.User
			}
			return
		}
	}
	if len(*list) == maxWorkstations {
		s.joins.crowds++
		return
	}
	*list = append((*list)[:len(*list):len(*list)], w) // records may hold the old one
}
