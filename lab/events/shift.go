package events

// When people work and machines are on. A day's plan is a function of the
// machine and the day, so that nobody has to keep it.

// dice is a number below n, the same whenever it is asked for.
func (h *host) dice(dayNo int64, what, n uint64) int64 {
	return int64(mix(h.seed^uint64(dayNo)<<16^what) % n)
}

// shift is when a person works with the machine on the day of t: from, until,
// and the lunch between; ok is false on days off.
func (r *run) shift(h *host, dayNo int64) (from, lunch, back, until int64, ok bool) {
	midnight := r.start + dayNo*day
	minutes := func(what, n uint64) int64 { return h.dice(dayNo, what, n) * minute }
	if weekday := dayNo % 7; weekday >= 5 && h.dice(dayNo, 1, 100) >= 4 || h.dice(dayNo, 2, 100) < 5 {
		return 0, 0, 0, 0, false // weekend, or away
	}
	usual := 7*hour + 45*minute + h.dice(-1, 3, 90)*minute // everybody's own
	from = midnight + usual + minutes(4, 25) + h.dice(dayNo, 5, 60)*second
	lunch = midnight + 11*hour + 50*minute + minutes(6, 50)
	back = lunch + 35*minute + minutes(7, 30)
	until = from + 8*hour + 15*minute + minutes(8, 120)
	return from, lunch, back, until, true
}

func (r *run) dayOf(t int64) int64 { return (t - r.start) / day }

// present is the next time from t on at which somebody sits at the machine.
func (r *run) present(h *host, t int64) int64 {
	for n := r.dayOf(t); n < int64(r.opt.Days)+1; n++ {
		from, lunch, back, until, ok := r.shift(h, n)
		switch {
		case !ok || t >= until:
		case t < from:
			return from
		case t >= lunch && t < back:
			return back
		default:
			return t
		}
	}
	return r.end
}

// powered is the next time from t on at which the machine is on. Laptops are on
// from shortly before their user begins until shortly after.
func (r *run) powered(h *host, t int64) int64 {
	if h.always {
		return t
	}
	for n := r.dayOf(t); n < int64(r.opt.Days)+1; n++ {
		from, _, _, until, ok := r.shift(h, n)
		switch {
		case !ok || t >= until+4*minute:
		case t < from-3*minute:
			return from - 3*minute
		default:
			return t
		}
	}
	return r.end
}

// off is when a machine that is on at t goes off, the world's end if never.
func (r *run) off(h *host, t int64) int64 {
	if h.always {
		return r.end
	}
	_, _, _, until, ok := r.shift(h, r.dayOf(t))
	if !ok || t >= until+4*minute {
		return t
	}
	return until + 4*minute
}
