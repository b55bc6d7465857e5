package browse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	budget  = 10 * time.Second       // of virtual time that a page's timers get at once
	budgets = 12                     // of them
	pause   = 100 * time.Millisecond // of real time after each, for what takes real time: other threads' work
	settled = time.Second            // without a request after that: the page is done
	silence = 5 * time.Second        // without a request: the page is done, whatever its clock says
)

// options are Chromium's switches. It is made to ask nobody but the proxy and to look
// like what nobody drives; whoever it visits gets no more done than with any visitor.
func options(j job, proxy string, sandbox bool) ([]chromedp.ExecAllocatorOption, error) {
	profile, err := os.MkdirTemp("", "profile-") // each start has a fresh one
	if err != nil {
		return nil, fmt.Errorf("make profile: %w", err)
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(j.Program),
		chromedp.UserDataDir(filepath.Clean(profile)),
		chromedp.ProxyServer("http://"+proxy),
		chromedp.Flag("proxy-bypass-list", "<-loopback>"), // localhost is asked of the proxy too
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true), // the authority is made up, and there is nobody else to be afraid of
		chromedp.Flag("force-webrtc-ip-handling-policy", "disable_non_proxied_udp"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("no-pings", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("no-sandbox", !sandbox),
		chromedp.Flag("enable-automation", false), // it would say so to scripts
		chromedp.Flag("disable-blink-features", "AutomationControlled"),
		chromedp.Flag("enable-features", "NetworkService"), // in a process of its own
		chromedp.Flag("disable-popup-blocking", false),
		chromedp.Flag("disable-site-isolation-trials", true), // frames of all sites share the page's clock and events
		chromedp.Flag("disable-features", "Translate,IsolateOrigins,site-per-process,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"+
			"OptimizationHints,MediaRouter,AutofillServerCommunication,LocalNetworkAccessChecks"),
	)
	if j.UserAgent != "" {
		o = append(o, chromedp.UserAgent(j.UserAgent))
	}
	return o, nil
}

// visitWith lets a browser visit a page, until it asks for nothing more.
func visitWith(ctx context.Context, j job, proxy string, sandbox bool) (*outcome, error) {
	end := time.Now().Add(j.Timeout)
	o, err := options(j, proxy, sandbox)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, end.Add(grace/2)) // a browser that hangs
	defer cancel()
	ctx, _ = chromedp.NewExecAllocator(ctx, o...) // both end with the process
	ctx, _ = chromedp.NewContext(ctx)
	version, err := chromedp.Call(ctx, browser.GetVersion, struct{}{})
	if err != nil {
		return nil, err
	}
	w := newWatch()
	if err := chromedp.Listen(ctx, w.see); err != nil {
		return nil, err
	}
	if err := disguise(ctx, j); err != nil {
		return nil, err
	}
	go w.attend(ctx)
	go func() {
		// The answer comes when the first document is there. An error after a request is the
		// page's: it answers with a download, or another visit begins.
		_, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: j.URL, Referrer: j.Referer})
		if err != nil && len(w.requests()) == 0 {
			w.fail(fmt.Errorf("visit %.200q: %w", j.URL, err))
			return
		}
		w.fail(startClock(ctx))
	}()
	out := &outcome{Browser: version.Product, Sandbox: sandbox}
	out.Timeout, out.Died = w.wait(ctx, end)
	out.Requests = w.requests()
	if err := w.failed(); err != nil && !out.Timeout && !out.Died {
		return nil, err
	}
	return out, nil
}

// disguise makes the browser the victim's, at the time of the attack. Timers get
// virtual time: it passes as soon as nothing is left to do before.
func disguise(ctx context.Context, j job) error {
	if j.UserAgent != "" {
		if _, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: j.UserAgent, AcceptLanguage: j.Language, Platform: j.Platform}); err != nil {
			return fmt.Errorf("set user agent: %w", err)
		}
	}
	if _, err := chromedp.Call(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorDeny}); err != nil {
		return fmt.Errorf("deny downloads: %w", err)
	}
	// The clock stands until there is a page: the time of the blank one would be spent at once.
	v := emulation.SetVirtualTimePolicyParams{Policy: emulation.VirtualTimePolicyPause, InitialVirtualTime: cdp.TimeSinceEpoch(j.Begin)}
	if _, err := chromedp.Call(ctx, emulation.SetVirtualTimePolicy, v); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}

// startClock lets virtual time pass, unless answers are under way.
func startClock(ctx context.Context) error {
	ms := float64(budget.Milliseconds())
	v := emulation.SetVirtualTimePolicyParams{Policy: emulation.VirtualTimePolicyPauseIfNetworkFetchesPending, Budget: &ms}
	if _, err := chromedp.Call(ctx, emulation.SetVirtualTimePolicy, v); err != nil {
		return fmt.Errorf("start clock: %w", err)
	}
	return nil
}
