package cases

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kagami/atomicfile"
	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/search"
	"kagami/evidence/segment"
	"kagami/signing"
)

// finish copies the window, describes and signs the case, and lets its segments
// go. Every step leaves a state from which the next start goes on.
func (w *work) finish(ctx context.Context) error {
	if c := w.state(); c.sealed {
		return w.close()
	}
	if err := w.change(func(c *Case) { c.State = Copying }); err != nil {
		return err
	}
	if err := w.env.step("copying"); err != nil {
		return err
	}
	if err := w.early(ctx); err != nil {
		return err
	}
	if err := w.window(ctx, 0); err != nil {
		return err
	}
	if err := w.env.step("copied"); err != nil {
		return err
	}
	names, err := w.records(ctx)
	if err != nil {
		return err
	}
	if err := w.describe(names); err != nil {
		return err
	}
	if err := w.env.step("described"); err != nil {
		return err
	}
	if err := os.Rename(w.dir, filepath.Join(w.env.Cases, w.c.Name)); err != nil {
		return fmt.Errorf("seal case: %w", err)
	}
	if err := atomicfile.SyncDir(w.env.Cases); err != nil {
		return fmt.Errorf("seal case: %w", err)
	}
	if err := w.env.step("sealed"); err != nil {
		return err
	}
	return w.close()
}

// records makes records.jsonl out of the pinned packets. What the decoders cannot
// do costs the records, not the packets.
func (w *work) records(ctx context.Context) (*nameTable, error) {
	c := w.state()
	path := filepath.Join(w.dir, recordsName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make records: %w", err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 256<<10)
	var packets []string
	for _, p := range c.Parts {
		packets = append(packets, filepath.Join(w.dir, p.Name))
	}
	if w.env.Records != nil && len(packets) > 0 {
		if err := w.env.Records(ctx, packets, out); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			w.env.Log.Warn("records of a case are not complete", "case", c.Name, "err", err)
			if err := w.change(func(c *Case) { c.Why = appendWhy(c.Why, "records: "+cut(err.Error(), 512)) }); err != nil {
				return nil, err
			}
		}
	}
	if err := w.replay(ctx, packets); err != nil {
		return nil, err
	}
	for _, l := range c.Lines {
		if _, err := out.WriteString(l + "\n"); err != nil {
			return nil, fmt.Errorf("write records: %w", err)
		}
	}
	if err := errors.Join(out.Flush(), atomicfile.GiveAway(f), f.Sync()); err != nil {
		return nil, fmt.Errorf("write records: %w", err)
	}
	if err := w.env.step("records"); err != nil {
		return nil, err
	}
	if c.Taken == "" {
		return newNameTable(), nil
	}
	store, err := search.Open(w.env.Dir)
	if err != nil {
		return nil, err
	}
	q, err := query.Parse(c.Taken, query.Options{})
	if err != nil {
		return nil, fmt.Errorf("find names: %w", err)
	}
	return w.env.namesOf(ctx, store, q.String(), c.From, c.To)
}

// replay makes replay.html where the packets hold web traffic. Without it a case is
// a case all the same.
func (w *work) replay(ctx context.Context, packets []string) error {
	if w.env.Replay == nil || len(packets) == 0 {
		return nil
	}
	path := filepath.Join(w.dir, replayName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make %s: %w", replayName, err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 64<<10)
	some, err := w.env.Replay(ctx, packets, out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || !some {
		if err != nil {
			w.env.Log.Warn("a case has no page of its web traffic", "case", w.state().Name, "err", err)
		}
		return os.Remove(path)
	}
	if err := errors.Join(out.Flush(), atomicfile.GiveAway(f), f.Sync()); err != nil {
		return fmt.Errorf("write %s: %w", replayName, err)
	}
	return nil
}

func appendWhy(why, more string) string {
	if why == "" || strings.Contains(why, more) {
		return cut(why+strings.TrimPrefix(more, why), 2*maxText)
	}
	return cut(why+"; "+more, 2*maxText)
}

// describe writes what is derived from packets and records, and the manifest.
func (w *work) describe(names *nameTable) error {
	c := w.state()
	s, err := summarize(filepath.Join(w.dir, recordsName), &c, names)
	if err != nil {
		return err
	}
	sources, accounts, err := w.sources(&c)
	if err != nil {
		return err
	}
	key, err := OpenJournal(w.env).key()
	if err != nil {
		return err
	}
	public := key.Public().(ed25519.PublicKey)
	text, err := signing.EncodePublic(public)
	if err != nil {
		return err
	}
	v := w.env.view(&c, s, accounts, public)
	v.Sources = len(sources)
	_, err = os.Stat(filepath.Join(w.dir, replayName))
	v.HasReplay = err == nil
	page, err := v.page()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{objectsName, objectsTable(s.Objects)}, {pubName, text}, {pageName, page}, {readmeName, v.readme()}} {
		if err := atomicfile.Write(filepath.Join(w.dir, f.name), f.content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	if err := w.env.step("page"); err != nil {
		return err
	}
	return w.manifest(&c, sources, accounts, key)
}

// sources are the segments that the packets came from, and what became of the
// packets of their time.
func (w *work) sources(c *Case) ([]sourceFact, Accounts, error) {
	entries, err := os.ReadDir(w.env.Dir)
	if err != nil {
		return nil, Accounts{}, fmt.Errorf("list segments: %w", err)
	}
	var out []sourceFact
	var a Accounts
	done := map[string]bool{}
	for _, e := range entries {
		base, hold, held := strings.Cut(e.Name(), holdInfix)
		start, _, ok := segment.ParseName(base)
		if !ok || done[base] || held && hold != c.Name || c.To != 0 && start >= c.To {
			continue
		}
		done[base] = true
		info, err := segmentInfo(filepath.Join(w.env.Dir, base), filepath.Join(w.env.Dir, e.Name()), hold)
		if err != nil || info.Packets == 0 || info.Last < c.From || c.To != 0 && info.First >= c.To {
			continue // what cannot be read is among the gaps
		}
		a.add(&info.Start, &info.End)
		out = append(out, sourceFact{Kind: "source", Segment: base, From: timeText(info.First), To: timeText(info.Last),
			Bytes: info.Size, Packets: info.Packets, Recovered: info.Recovered, Torn: info.Torn})
	}
	return out, a, nil
}

// segmentInfo describes a segment by its index, or by reading it.
func segmentInfo(base, path, hold string) (index.Info, error) {
	idx := indexName(base)
	if hold != "" {
		idx += holdInfix + hold
	}
	if f, err := index.Open(idx); err == nil {
		defer f.Close()
		return *f.Info(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return index.Info{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return index.Info{}, err
	}
	info := index.Info{Size: st.Size()}
	first := true
	r, err := segment.Scan(f, st.Size(), segment.Visitor{Mark: func(m *segment.Mark, _ bool) bool {
		if first { // a segment's first mark stands at its beginning or within its first MiB
			info.Start, first = m.Counters, false
		}
		info.End = m.Counters
		return true
	}})
	info.First, info.Last, info.Packets = r.First, r.Last, r.Packets
	return info, err
}

// manifest hashes every file as the disk gives it back, and signs the list.
func (w *work) manifest(c *Case, sources []sourceFact, accounts Accounts, key ed25519.PrivateKey) error {
	facts := []any{w.env.beginFact(c, key.Public().(ed25519.PublicKey))}
	for i := range c.Alerts {
		facts = append(facts, alertFact{Kind: "alert", Alert: c.Alerts[i]})
	}
	for _, s := range sources {
		facts = append(facts, s)
	}
	facts = append(facts, countersFact{Kind: "counters", Of: countersOf, Accounts: accounts})
	for _, l := range c.Lost {
		facts = append(facts, l.fact())
	}
	for _, s := range c.Said {
		facts = append(facts, map[string]string{"kind": "note", "text": cut(s, maxText)})
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	end := endFact{State: Complete, Why: c.Why}
	if held := func(p Part) bool { return p.Packets > 0 }; end.Why == "" && !slices.ContainsFunc(c.Parts, held) {
		end.Why = "no packet of it was on disk"
		c.Why = end.Why
	}
	if c.Why != "" || c.Scope != ScopeAll {
		end.State = Incomplete
	}
	for _, e := range entries {
		if e.Name() == manifestName {
			continue
		}
		f, err := hashFile(filepath.Join(w.dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read %s back: %w", e.Name(), err)
		}
		i := slices.IndexFunc(c.Parts, func(p Part) bool { return p.Name == f.Name })
		if i >= 0 && c.Parts[i].SHA256 != f.SHA256 {
			return fmt.Errorf("read %s back: the disk returned something else than was written", f.Name)
		}
		if i >= 0 {
			end.Packets += c.Parts[i].Packets
		}
		end.Files++
		end.Bytes += f.Size
		facts = append(facts, f)
	}
	_, err = writeManifest(filepath.Join(w.dir, manifestName), facts, end, key)
	return err
}

// countersOf explains the counters.
const countersOf = "packets between the first and the last of the segments named above, all flows; seen = stored + lost + left_out + ignored, cut is a part of stored, dropped_by_kernel was never seen"

func (e Env) beginFact(c *Case, key ed25519.PublicKey) beginFact {
	b := beginFact{Kind: "begin", Format: 1, Case: c.Name, Tool: "kagami", Version: e.Version, Host: e.Host, Interface: e.Interface,
		Made: c.Made, Sealed: wallText(e.Now()), Clock: ReadClock(), Who: c.Who, Reason: c.Reason, Asked: c.Query, Query: c.Taken, Early: c.TakenEarly,
		At: timeText(c.At), From: timeText(c.From), To: timeText(c.To), Scope: c.Scope, Alerts: len(c.Alerts) + c.More,
		Key: signing.Fingerprint(key), Journal: c.Journal, About: about}
	return b
}

// close tells the journal of a sealed case and gives its segments back.
func (w *work) close() error {
	c := w.state()
	raw, err := readBounded(filepath.Join(w.env.Cases, c.Name, manifestName), maxManifest)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	end, err := lastFact(raw)
	if err != nil {
		return fmt.Errorf("read manifest of case %q: %w", c.Name, err)
	}
	head := sum(raw)
	if err := OpenJournal(w.env).seal(Entry{Kind: "sealed", Who: w.env.who(), Case: c.Name, Packets: end.Packets, Bytes: end.Bytes, Manifest: head, Reason: end.Why}); err != nil {
		return err
	}
	if err := w.env.step("journal"); err != nil {
		return err
	}
	if err := w.change(func(c *Case) {
		c.State, c.Why, c.Packets, c.Bytes, c.Manifest, c.sealed = end.State, end.Why, end.Packets, end.Bytes, head, true
		c.Lines = nil // they are in the records now
	}); err != nil {
		return err
	}
	if err := w.env.step("closed"); err != nil {
		return err
	}
	if err := w.env.unhold(c.Name); err != nil {
		return err
	}
	_ = os.Remove(w.dir) // it is there again if this was a second start, and empty
	return nil
}

const maxManifest = 256 << 20

// lastFact reads the end of a manifest.
func lastFact(raw []byte) (endFact, error) {
	var end endFact
	i := strings.LastIndexByte(strings.TrimSuffix(string(raw[max(0, len(raw)-maxLine):]), "\n"), '\n') + 1
	l, err := parseLine(raw[max(0, len(raw)-maxLine)+i:])
	if err == nil {
		err = l.decode(&end)
	}
	if err == nil && end.Kind != "end" {
		err = errors.New("it does not end")
	}
	return end, err
}

// minutes is a stretch of time for people.
func minutes(from, to int64) string {
	d := time.Duration(to - from).Round(time.Second)
	if d < time.Minute {
		return d.String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
