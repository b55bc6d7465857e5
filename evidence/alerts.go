package evidence

import "kagami/evidence/segment"

const (
	// alertsAhead is how many alerts may wait for a disk goroutine.
	alertsAhead = 256
	// maxAlerts is how many wait with it for a segment.
	maxAlerts = 64
)

// Alert puts an alert's note into a segment. It may be called from any goroutine,
// and does not wait: an alert too many is counted in Stats.LostNotes.
func (s *Store) Alert(n segment.Note) {
	select {
	case s.alerts <- n:
	default:
		s.lostNotes.Add(1)
	}
}

// alert writes an alert's note, or keeps it for the next segment.
func (d *disk) alert(n segment.Note) {
	if len(d.alerts) == maxAlerts {
		d.s.lostNotes.Add(1)
		return
	}
	d.alerts = append(d.alerts, n)
	if d.open != nil {
		d.putAlerts()
	}
}

// putAlerts writes the alerts that wait. A failure shows at the next chunk.
func (d *disk) putAlerts() {
	for i := range d.alerts {
		if d.open.alert(&d.alerts[i]) != nil {
			d.alerts = append(d.alerts[:0], d.alerts[i:]...)
			return
		}
	}
	d.alerts = d.alerts[:0]
}

// takeAlerts takes over all that wait for a goroutine.
func (d *disk) takeAlerts() {
	for {
		select {
		case n := <-d.s.alerts:
			d.alert(n)
		default:
			return
		}
	}
}
