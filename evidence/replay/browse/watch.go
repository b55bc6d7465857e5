package browse

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	maxRequests = 20_000 // that are kept
	maxCauses   = 16     // of one
	maxURL      = 8 << 10
	maxFrames   = 10_000
)

// watch notes what a page asks for, and why.
type watch struct {
	dialogs chan struct{} // a page waits for an answer
	expired chan struct{} // a budget of virtual time is used up

	mu     sync.Mutex // of all below
	last   time.Time  // that anything moved
	spent  bool       // all virtual time is
	died   bool       // the page did
	err    error      // the browser does not do as it is told
	asked  []request
	frames map[cdp.FrameID]frame
}

// frame is a place for documents.
type frame struct {
	parent  cdp.FrameID
	url     string   // of the document in it
	scripts []string // that made the frame
}

func newWatch() *watch {
	return &watch{dialogs: make(chan struct{}, 1), expired: make(chan struct{}, 1), last: time.Now(), frames: map[cdp.FrameID]frame{}}
}

// see takes an event of the page.
func (w *watch) see(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		w.ask(e)
	case *network.EventResponseReceived, *network.EventLoadingFinished, *network.EventLoadingFailed:
	case *page.EventFrameAttached:
		if len(w.frames) < maxFrames {
			w.frames[e.FrameID] = frame{parent: e.ParentFrameID, scripts: scripts(nil, e.Stack)}
		}
	case *page.EventFrameNavigated:
		if f, ok := w.frames[e.Frame.ID]; ok || len(w.frames) < maxFrames {
			f.parent, f.url = e.Frame.ParentID, e.Frame.URL
			w.frames[e.Frame.ID] = f
		}
	case *page.EventFrameDetached:
		delete(w.frames, e.FrameID)
	case *page.EventJavascriptDialogOpening:
		select {
		case w.dialogs <- struct{}{}:
		default:
		}
	case *inspector.EventTargetCrashed:
		w.died = true
	case *emulation.EventVirtualTimeBudgetExpired:
		select {
		case w.expired <- struct{}{}:
		default:
		}
		return
	default:
		return
	}
	w.last = time.Now()
}

// ask notes a request and its causes, the nearest first.
func (w *watch) ask(e *network.EventRequestWillBeSent) {
	if len(w.asked) >= maxRequests || e.Request == nil || !isWeb(e.Request.URL) {
		return
	}
	r := request{URL: e.Request.URL}
	if e.RedirectResponse != nil {
		r.Causes = appendCause(r.Causes, e.RedirectResponse.URL)
		w.asked = append(w.asked, r)
		return
	}
	if e.Initiator != nil {
		r.Causes = appendCause(scripts(r.Causes, e.Initiator.Stack), e.Initiator.URL)
	}
	f := w.frames[e.FrameID]
	if e.Type == network.ResourceTypeDocument {
		if !isWeb(f.url) { // the first that this frame shows
			for _, s := range f.scripts {
				r.Causes = appendCause(r.Causes, s)
			}
		}
		r.Causes = appendCause(r.Causes, w.document(e.FrameID))
	} else {
		r.Causes = appendCause(r.Causes, e.DocumentURL)
		r.Causes = appendCause(r.Causes, w.document(e.FrameID))
	}
	w.asked = append(w.asked, r)
}

// document is what a frame shows, or what shows the frame when that is of no URL.
func (w *watch) document(id cdp.FrameID) string {
	for range maxCauses {
		f, ok := w.frames[id]
		if !ok || isWeb(f.url) {
			return f.url
		}
		id = f.parent
	}
	return ""
}

// scripts appends those that called each other, the innermost first.
func scripts(to []string, s *runtime.StackTrace) []string {
	for range maxCauses {
		if s == nil {
			break
		}
		for _, f := range s.CallFrames {
			to = appendCause(to, f.URL)
		}
		s = s.Parent
	}
	return to
}

func appendCause(to []string, url string) []string {
	if len(to) >= maxCauses || !isWeb(url) || len(to) > 0 && to[len(to)-1] == url {
		return to
	}
	return append(to, url)
}

func isWeb(url string) bool {
	return len(url) <= maxURL && (strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://"))
}

// attend answers dialogs, which hold up everything, with yes, and gives virtual time.
func (w *watch) attend(ctx context.Context) {
	var rest <-chan time.Time
	for given := 1; ; {
		select {
		case <-w.dialogs:
			chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) // an error means that it is gone
		case <-w.expired:
			if rest = time.After(pause); given >= budgets {
				w.spend()
				rest = nil
			}
		case <-rest:
			given++
			if startClock(ctx) != nil { // the page may be gone
				w.spend()
			}
		case <-ctx.Done():
			return
		}
	}
}

// spend notes that no more virtual time will pass.
func (w *watch) spend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spent, w.last = true, time.Now()
}

// wait waits until the page is done, the time is up, or the browser died.
func (w *watch) wait(ctx context.Context, end time.Time) (late, died bool) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done(): // chromedp ends it when the browser does
			return false, true
		case now := <-tick.C:
			w.mu.Lock()
			quiet, spent, died := now.Sub(w.last), w.spent, w.died
			w.mu.Unlock()
			switch {
			case died:
				return false, true
			case quiet >= silence || spent && quiet >= settled:
				return false, false
			case now.After(end):
				return true, false
			}
		}
	}
}

func (w *watch) requests() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// fail notes what went wrong with driving the browser.
func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *watch) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
