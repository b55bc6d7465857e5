package detectors

// Sight is how far the detectors can be relied on.
type Sight struct {
	Learned bool // what is usual on this network is known
	Blind   bool // the mirror port shows one direction of most connections only
}

// Sight is as of the last record.
func (s *Set) Sight() Sight { return Sight{s.census.Learned(), s.census.Blind()} }
