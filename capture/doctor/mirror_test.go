package doctor_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"kagami/capture/doctor"
	"kagami/lab"
	"kagami/packet"
	"kagami/sensor"
)

// office is the bundled scenario as a faithful mirror port delivers it, made once.
var office = sync.OnceValues(func() (*lab.Capture, error) {
	s, err := lab.Load("../../lab/scenarios/office.toml")
	if err != nil {
		return nil, err
	}
	c, _, err := s.Generate()
	return c, err
})

// frames is a capture as a sensor.Source.
type frames struct {
	c  *lab.Capture
	at int
}

func (f *frames) Next(b *sensor.Batch) error {
	b.Frames = b.Frames[:0]
	for ; f.at < len(f.c.Frames) && len(b.Frames) < 4096; f.at++ {
		x := &f.c.Frames[f.at]
		b.Frames = append(b.Frames, sensor.Frame{Time: f.c.Start.Add(x.Time).UnixNano(), Data: x.Data,
			WireLen: uint32(max(x.Wire, len(x.Data))), Link: packet.LinkEthernet})
	}
	if f.at == len(f.c.Frames) {
		return io.EOF
	}
	return nil
}

func (f *frames) Stats() sensor.SourceStats { return sensor.SourceStats{Received: uint64(f.at)} }
func (f *frames) Close() error              { return nil }

// examine shows the doctor a capture.
func examine(t testing.TB, c *lab.Capture, workers int, o doctor.Options) doctor.Report {
	t.Helper()
	d := doctor.New(o)
	conf := sensor.DefaultConfig()
	conf.Workers, conf.Decode = workers, false
	networks, errs := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	if errs != nil {
		t.Fatal(errs)
	}
	src := &frames{c: c}
	e := sensor.New(sensor.Options{Config: conf, Networks: networks, Store: d.Store, Output: d.Observe})
	if err := e.Read(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	return doctor.Diagnose(d.Facts(src.Stats(), nil))
}

// problems are the findings that are not for information only.
func problems(r doctor.Report) (ids []string) {
	for _, f := range r.Findings {
		if f.Severity > doctor.OK {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func has(r doctor.Report, id string) bool {
	return slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == id })
}

// TestDoctoredMirrors: each fault of a mirror port gets its finding and no other,
// and a faithful mirror port gets none.
func TestDoctoredMirrors(t *testing.T) {
	clean, err := office()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		verdict  string
		problems []string
		also     string // a finding for information
	}{
		"clean":      {"usable", nil, "clock-agrees"},
		"duplicates": {"usable with gaps", []string{"duplicates"}, "vlans"},
		"one-way":    {"not usable", []string{"one-way"}, ""},
		"gro":        {"usable with gaps", []string{"merged"}, ""},
		"erspan":     {"usable", nil, "remote-mirror"},
		"truncated":  {"not usable", []string{"snap-length"}, ""},
		"shortened":  {"not usable", []string{"mirror-truncation"}, ""},
		"queues":     {"usable with gaps", []string{"reordered"}, ""},
		"loss":       {"usable with gaps", []string{"missed"}, ""},
		"clock-step": {"usable with gaps", []string{"clock-step"}, ""},
		"broadcast":  {"not usable", []string{"no-mirror"}, ""},
	}
	mirrors := append(lab.Mirrors(), lab.Mirror{Name: "clean", Apply: func(c *lab.Capture) *lab.Capture { return c }})
	for _, m := range mirrors {
		t.Run(m.Name, func(t *testing.T) {
			r := examine(t, m.Apply(clean), 1, doctor.Options{Internal: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}})
			w, known := want[m.Name]
			if got := problems(r); !known || r.Verdict.String() != w.verdict || !slices.Equal(got, w.problems) {
				t.Errorf("got %q with %v, want %q with %v", r.Verdict, got, w.verdict, w.problems)
			}
			if w.also != "" && !has(r, w.also) {
				t.Errorf("no finding %q", w.also)
			}
			for _, f := range r.Findings {
				t.Log(f.Severity, f.ID, f.Found)
			}
			if many := examine(t, m.Apply(clean), 3, doctor.Options{}); !slices.Equal(problems(many), w.problems) {
				t.Errorf("with three workers: %v", problems(many))
			}
		})
	}
}

// TestNetworkThatIsNotMirrored: the office has no 10.99.0.0/16.
func TestNetworkThatIsNotMirrored(t *testing.T) {
	clean, err := office()
	if err != nil {
		t.Fatal(err)
	}
	r := examine(t, clean, 1, doctor.Options{Internal: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.99.0.0/16")}})
	if got := problems(r); !slices.Equal(got, []string{"networks-unseen"}) || r.Verdict.String() != "usable with gaps" {
		t.Errorf("got %q with %v", r.Verdict, got)
	}
}

// TestOneHostMirrored: a mirror session of one workstation's port shows its
// unicast traffic only.
func TestOneHostMirrored(t *testing.T) {
	clean, err := office()
	if err != nil {
		t.Fatal(err)
	}
	mac := []byte{2, 0x4b, 0, 0, 1, 1}
	c := &lab.Capture{Start: clean.Start}
	for _, f := range clean.Frames {
		if f.Data[0]&1 == 1 || bytes.Equal(f.Data[:6], mac) || bytes.Equal(f.Data[6:12], mac) {
			c.Frames = append(c.Frames, f)
		}
	}
	if got := problems(examine(t, c, 1, doctor.Options{})); !slices.Equal(got, []string{"one-host"}) {
		t.Errorf("got %v of %d frames", got, len(c.Frames))
	}
}
