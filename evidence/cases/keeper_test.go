package cases

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
)

func labKeeper(t *testing.T, env Env, change func(*Config)) *Keeper {
	t.Helper()
	c := Default()
	c.StoreBytes = 1 << 30
	if change != nil {
		change(&c)
	}
	if errs := c.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	k, err := NewKeeper(env, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// onlyCase is the one case there is.
func onlyCase(t *testing.T, env Env) Case {
	t.Helper()
	list, err := List(env.Cases)
	if err != nil || len(list) != 1 {
		t.Fatalf("cases %+v, %v; want one", list, err)
	}
	return list[0]
}

// TestKeeper: a pin survives full rotation while its window is open.
func TestKeeper(t *testing.T) {
	env := labEnv(t)
	events := scenario()
	counters := new(segment.Counters)
	record(t, env.Dir, events, 0, 20, counters)
	k := labKeeper(t, env, nil)
	k.Advance(minute(20))
	k.Alert(theAlert())
	eventually(t, "a case is opened", func() bool { return k.Stats().Opened == 1 })
	k.Advance(minute(20.1))
	eventually(t, "the flow's past is copied", func() bool { return onlyCase(t, env).Early })
	rotate(t, env.Dir)
	for m := 20; m < 30; m++ {
		record(t, env.Dir, events, m, m+1, counters)
		k.Advance(minute(float64(m + 1)))
		if m < 25 {
			eventually(t, "new segments are held", func() bool {
				list, _ := holds(env.Dir, onlyCase(t, env).Name)
				return len(list) == 2*(m-9) // segments of minutes 10 to m and their indexes
			})
		}
		rotate(t, env.Dir)
	}
	eventually(t, "the case is sealed", func() bool { return k.Stats().Complete == 1 })
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	c := onlyCase(t, env)
	all, _ := expected(events, minute(10), minute(25))
	if n := len(packetsOf(t, env.Path(c.Name))); n != all || c.State != Complete {
		t.Errorf("%d packets, %s %s; want %d", n, c.State, c.Why, all)
	}
	if v, err := Verify(env.Path(c.Name), nil); err != nil || !v.OK() {
		t.Errorf("verify: %v, %v", v, err)
	}
	if left, _ := holds(env.Dir, c.Name); len(left) != 0 {
		t.Errorf("holds are left: %v", left)
	}
	if strings.Contains(manifestText(t, env.Path(c.Name)), `"what":"rotated away"`) {
		t.Errorf("nothing was lost:\n%s", manifestText(t, env.Path(c.Name)))
	}
}

// TestKeeperJoin: alerts of one incident make one case.
func TestKeeperJoin(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	k := labKeeper(t, env, nil)
	k.Advance(minute(20))
	for i := range 3 {
		a := theAlert()
		a.Meta().Seq, a.Meta().At = uint32(i), minute(20+float64(i))
		k.Alert(a)
	}
	foreign := theAlert()
	foreign.Rule, foreign.Meta().Seq = "beacon", 9
	k.Alert(foreign)
	low := theAlert()
	low.Severity = records.Low
	k.Alert(low)
	eventually(t, "alerts are taken", func() bool { s := k.Stats(); return s.Opened == 2 && s.Joined == 2 && s.Below == 1 })
	list, err := List(env.Cases)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, c := range list {
		want, to := 1, minute(25)
		if strings.Contains(c.Name, "executable") {
			want, to = 3, minute(27) // the window grew with them
		}
		if len(c.Alerts) != want || len(c.Lines) != want || c.To != to {
			t.Errorf("%s: %d alerts, to %s; want %d, %s", c.Name, len(c.Alerts), timeText(c.To), want, timeText(to))
		}
	}
}

func TestKeeperLimits(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	k := labKeeper(t, env, func(c *Config) { c.MaxWaiting, c.MaxPerDay = 1, 2 })
	alert := func(rule string) {
		a := theAlert()
		a.Rule, a.Meta().UID = rule, uint64(rule[0])
		k.Alert(a)
	}
	alert("a")
	alert("b")
	eventually(t, "the second is refused", func() bool { s := k.Stats(); return s.Opened == 1 && s.LostBusy == 1 })
	k.Advance(minute(30))
	eventually(t, "the first is sealed", func() bool { return k.Stats().Complete == 1 })
	k.Advance(minute(30.5))
	eventually(t, "and gone", func() bool { return k.Stats().Waiting == 0 })
	alert("c")
	eventually(t, "another is opened", func() bool { return k.Stats().Opened == 2 })
	k.Advance(minute(31))
	eventually(t, "and sealed", func() bool { return k.Stats().Complete == 2 })
	k.Advance(minute(32))
	eventually(t, "and gone", func() bool { return k.Stats().Waiting == 0 })
	alert("d")
	eventually(t, "the day's are used up", func() bool { return k.Stats().LostDay == 1 })
}

// TestKeeperRestart: a case that waits goes on in the next process, also one that a
// kill left in the middle of copying.
func TestKeeperRestart(t *testing.T) {
	env := labEnv(t)
	events := scenario()
	counters := new(segment.Counters)
	record(t, env.Dir, events, 0, 22, counters)
	k := labKeeper(t, env, nil)
	k.Advance(minute(20))
	k.Alert(theAlert())
	eventually(t, "a case is opened", func() bool { return k.Stats().Opened == 1 })
	k.Advance(minute(21))
	eventually(t, "the flow's past is copied", func() bool { return onlyCase(t, env).Early })
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if c := onlyCase(t, env); c.State != Waiting {
		t.Fatalf("state %s, want waiting", c.State)
	}
	rotate(t, env.Dir)
	record(t, env.Dir, events, 22, 30, counters)
	os.WriteFile(filepath.Join(env.partialPath(onlyCase(t, env).Name), "packets-0002.pcapng"), []byte("half"), 0o600)
	k = labKeeper(t, env, nil)
	if k.Stats().Waiting != 1 {
		t.Errorf("stats %+v", k.Stats())
	}
	k.Advance(minute(29))
	eventually(t, "the case is sealed", func() bool { return k.Stats().Complete == 1 })
	all, _ := expected(events, minute(10), minute(25))
	c := onlyCase(t, env)
	if n := len(packetsOf(t, env.Path(c.Name))); n != all || c.State != Complete {
		t.Errorf("%d packets, %s %s; want %d", n, c.State, c.Why, all)
	}
}

// TestKeeperWait: at the end of a capture file all cases are finished.
func TestKeeperWait(t *testing.T) {
	env := labEnv(t)
	events := scenario()
	record(t, env.Dir, events, 0, 23, new(segment.Counters))
	k := labKeeper(t, env, func(c *Config) { c.Wait = true })
	k.Advance(minute(20))
	k.Alert(theAlert())
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	all, _ := expected(events, minute(10), minute(23))
	c := onlyCase(t, env)
	if n := len(packetsOf(t, env.Path(c.Name))); n != all || c.State != Complete {
		t.Errorf("%d packets, %s %s; want %d", n, c.State, c.Why, all)
	}
}

// TestKeeperClose: what cannot be finished does not keep the sensor from stopping.
func TestKeeperClose(t *testing.T) {
	env := labEnv(t)
	env.closing = 200 * time.Millisecond
	begun := make(chan struct{})
	env.Records = func(ctx context.Context, _ []string, _ io.Writer) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	k := labKeeper(t, env, nil)
	k.Alert(theAlert())
	eventually(t, "a case is opened", func() bool { return k.Stats().Opened == 1 })
	k.Advance(minute(30))
	<-begun
	start := time.Now()
	if err := k.Close(); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if c := onlyCase(t, env); c.State != Copying {
		t.Errorf("state %s, want copying", c.State)
	}
	env.Records = labRecords
	if list, err := Resume(context.Background(), env, base.Add(time.Hour)); err != nil || len(list) != 1 {
		t.Errorf("resume: %v, %v", list, err)
	}
	if c := onlyCase(t, env); c.State != Complete {
		t.Errorf("state %s %s", c.State, c.Why)
	}
}

// TestKeeperQuota: beyond the quota the alerted flows only, beyond the reserve
// nothing but the manifest; each is said, old cases stay.
func TestKeeperQuota(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	k := labKeeper(t, env, func(c *Config) { c.QuotaBytes = 60_000 })
	k.Advance(minute(28))
	rules := []string{"aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"}
	var raised []*records.Alert
	for i, rule := range rules {
		a := theAlert()
		a.Rule, a.Meta().UID = rule, uint64(i)+100
		k.Alert(a)
		eventually(t, "a case is opened", func() bool { return k.Stats().Opened == uint64(i+1) })
		k.Advance(minute(28 + float64(i+1)/10))
		eventually(t, "a case is sealed", func() bool { s := k.Stats(); return s.Complete+s.Incomplete == uint64(i+1) })
		raised = append(raised, k.TakeAlerts()...)
	}
	var scopes []Scope
	list, err := List(env.Cases)
	if err != nil {
		t.Fatal(err)
	}
	all, flow := expected(scenario(), minute(10), minute(25))
	for _, c := range list {
		scopes = append(scopes, c.Scope)
		n := len(packetsOf(t, env.Path(c.Name)))
		want := map[Scope]int{ScopeAll: all, ScopeFlows: flow, ScopeNothing: flowBefore(scenario(), minute(10))}[c.Scope]
		if n != want {
			t.Errorf("%s, scope %s: %d packets, want %d", c.Name, c.Scope, n, want)
		}
		if v, err := Verify(env.Path(c.Name), nil); err != nil || !v.OK() {
			t.Errorf("verify %s: %v, %v", c.Name, v.Problems, err)
		}
		if c.Scope != ScopeAll && (c.State != Incomplete || !strings.Contains(c.Why, "of the quota of 60000")) {
			t.Errorf("%s: %s %q", c.Name, c.State, c.Why)
		}
	}
	count := map[Scope]int{}
	for _, s := range scopes {
		count[s]++
	}
	if len(scopes) != len(rules) || count[ScopeAll] == 0 || count[ScopeFlows] == 0 || count[ScopeNothing] == 0 {
		t.Errorf("scopes %v", scopes)
	}
	if len(raised) != 2 || raised[0].Rule != QuotaRule || raised[0].Severity != records.Medium || raised[1].Severity != records.High {
		t.Errorf("alerts %+v", raised)
	}
	for _, a := range raised {
		a.AppendFields(nil)
	}
	if s := k.Stats(); s.Quota != uint64(count[ScopeFlows]+count[ScopeNothing]) {
		t.Errorf("stats %+v", s)
	}
}

// flowBefore counts the alerted flow's packets before a moment.
func flowBefore(events []event, from int64) int {
	_, before := expected(events, from, from)
	key, _, _ := keyOf(alerted, packet.ProtoTCP)
	for _, e := range events {
		var p packet.Packet
		if e.frame != nil && e.at >= from && p.Parse(e.frame, uint32(len(e.frame)), packet.LinkEthernet) == packet.OK && p.Key == key {
			before--
		}
	}
	return before
}

// TestKeeperFails: a disk that fails costs tries, then completeness, and at last the
// case; never the sensor, and never a segment held for ever.
func TestKeeperFails(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	env.step = func(name string) error {
		if name == "page" {
			return errors.New("no space left on device")
		}
		return nil
	}
	k := labKeeper(t, env, nil)
	k.Alert(theAlert())
	eventually(t, "a case is opened", func() bool { return k.Stats().Opened == 1 })
	now := minute(30)
	for i := range maxTries + 1 {
		eventually(t, "a try fails", func() bool {
			now += int64(2 * time.Second)
			k.Advance(now)
			return k.Stats().Failed == uint64(i+1)
		})
	}
	eventually(t, "the case is given up", func() bool { return k.Stats().Incomplete == 1 })
	c := onlyCase(t, env)
	if c.State != Incomplete || !strings.Contains(c.Why, "given up: no space left on device") {
		t.Errorf("%s %q", c.State, c.Why)
	}
	if left, _ := holds(env.Dir, c.Name); len(left) != 0 {
		t.Errorf("holds are left: %v", left)
	}
}

// TestKeeperClockBack: windows of a time that does not come again end at once.
func TestKeeperClockBack(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 22, new(segment.Counters))
	k := labKeeper(t, env, nil)
	k.Advance(minute(20))
	k.Alert(theAlert())
	eventually(t, "a case is opened", func() bool { return k.Stats().Opened == 1 })
	k.Advance(minute(22))
	k.Advance(minute(-60))
	eventually(t, "the case is sealed", func() bool { return k.Stats().Complete == 1 })
	c := onlyCase(t, env)
	if !strings.Contains(manifestText(t, env.Path(c.Name)), "clock was set back") || c.To > minute(22)+int64(time.Second) {
		t.Errorf("to %s", timeText(c.To))
	}
}
