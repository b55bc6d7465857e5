package search

// aheadOf is how many segments are loaded before their turn comes.
const aheadOf = 2

// ahead loads what segments hold in other goroutines, so that it is there when its
// turn comes.
type ahead struct {
	run   *run
	views []*candidate
	wants wants
	next  int // the first that is not being loaded
	under map[int]chan loading
}

type loading struct {
	pieces []piece
	err    error
}

func (r *run) ahead(views []*candidate, w wants) *ahead {
	return &ahead{run: r, views: views, wants: w, under: map[int]chan loading{}}
}

// take is what segment number i holds, one that is picked. Numbers only grow.
func (a *ahead) take(i int) ([]piece, error) {
	a.next = max(a.next, i)
	for ; a.next < len(a.views) && len(a.under) <= aheadOf; a.next++ {
		if v := a.views[a.next]; v.picked {
			done := make(chan loading, 1)
			a.under[a.next] = done
			go func() {
				pieces, err := a.run.load(v.view, a.wants)
				done <- loading{pieces, err}
			}()
		}
	}
	l := <-a.under[i]
	delete(a.under, i)
	return l.pieces, l.err
}

// stop waits for the loads under way: they work on the views.
func (a *ahead) stop() {
	for _, done := range a.under {
		<-done
	}
}
