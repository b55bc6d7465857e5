package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// flow is what find --json says of a flow, as far as it matters here.
type flow struct {
	community, client, name string
	port                    int
	start                   time.Time
}

// ecs is the part of a record that is read.
type ecs struct {
	Event struct {
		ID    string    `json:"id"`
		Start time.Time `json:"start"`
	} `json:"event"`
	Network struct {
		CommunityID string `json:"community_id"`
	} `json:"network"`
	Client struct {
		IP string `json:"ip"`
	} `json:"client"`
	Server struct {
		Domain string `json:"domain"`
		Port   int    `json:"port"`
	} `json:"server"`
}

// flows are some flows of the store's middle, and the time it spans.
func (b *bench) flows() (out []flow, from, to time.Time, err error) {
	segments, err := filepath.Glob(filepath.Join(b.store(), "*.pcapng"))
	if err != nil || len(segments) < 3 {
		return nil, from, to, fmt.Errorf("%d segments in %s, want at least 3: %w", len(segments), b.store(), err)
	}
	at := func(i int) time.Time {
		t, _ := time.Parse("20060102T150405.000000Z", filepath.Base(segments[i])[:len("20060102T150405.000000Z")])
		return t
	}
	from, to = at(0), at(len(segments)-1)
	mid := at(len(segments) / 2)
	text := fmt.Sprintf("from %d to %d and proto tcp and bytes > 20k", mid.Unix(), mid.Add(sample(from, to)).Unix())
	raw, err := exec.Command(b.program, "evidence", "find", "--dir", b.store(), "--json", text).Output()
	if err != nil {
		return nil, from, to, fmt.Errorf("find %q: %w", text, err)
	}
	for line := range bytes.Lines(raw) {
		var r ecs
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, from, to, fmt.Errorf("read flow: %w", err)
		}
		if strings.HasPrefix(r.Client.IP, "10.") || strings.HasPrefix(r.Client.IP, "192.168.") {
			out = append(out, flow{r.Network.CommunityID, r.Client.IP, r.Server.Domain, r.Server.Port, r.Event.Start})
		}
	}
	if len(out) == 0 {
		return nil, from, to, errors.New("no flow of an inner host in the middle of the store")
	}
	return out, from, to, nil
}

// sample is how long a part of the store is looked at for flows to ask for: a
// hundredth of it.
func sample(from, to time.Time) time.Duration { return max(to.Sub(from)/100, 5*time.Minute) }

// alert is the id of an alert of the store's middle, "" if there is none.
func (b *bench) alert() string {
	raw, err := os.ReadFile(filepath.Join(b.dir, "records", "alerts.jsonl"))
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	var r ecs
	if json.Unmarshal(lines[len(lines)/2], &r) != nil {
		return ""
	}
	return r.Event.ID
}

// first is the time from a process's start to its first result: the first packet
// of a get, the first line of a find. It reads on to count only when told so.
func (b *bench) first(verb, text string, count bool) (time.Duration, int, error) {
	args := []string{"evidence", verb, "--dir", b.store()}
	if verb == "get" {
		args = append(args, "-o", "-")
	} else {
		args = append(args, "--json")
	}
	cmd := exec.Command(b.program, append(args, text)...)
	cmd.Stderr = io.Discard
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	r := bufio.NewReaderSize(out, 64<<10)
	next := nextLine
	if verb == "get" {
		next = nextPacket
	}
	n, err := 0, next(r)
	took := time.Since(start)
	for ; err == nil; err = next(r) {
		if n++; !count {
			cmd.Process.Kill()
			break
		}
	}
	if err != nil && err != io.EOF {
		return 0, 0, err
	}
	io.Copy(io.Discard, r)
	cmd.Wait() // killed, most of the time
	return took, n, nil
}

func nextLine(r *bufio.Reader) error {
	_, err := r.ReadSlice('\n')
	return err
}

// nextPacket reads up to the end of the next Enhanced Packet Block of a pcapng.
func nextPacket(r *bufio.Reader) error {
	const enhanced = 6
	head := make([]byte, 8)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		n := int(binary.LittleEndian.Uint32(head[4:]))
		if _, err := r.Discard(n - len(head)); err != nil {
			return err
		}
		if binary.LittleEndian.Uint32(head) == enhanced {
			return nil
		}
	}
}

// busiest is the inner address with most flows in a capture.
func busiest(program, file string) (string, error) {
	dir, err := os.MkdirTemp("", "benchevidence")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := exec.Command(program, "read", "-q", "-o", dir, file).Run(); err != nil {
		return "", fmt.Errorf("read %q: %w", file, err)
	}
	f, err := os.Open(filepath.Join(dir, "traffic.log"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	counts, best := map[string]int{}, ""
	for s := bufio.NewScanner(f); s.Scan(); {
		for _, word := range strings.Fields(s.Text()) {
			if a, ok := strings.CutPrefix(word, "src="); ok && strings.HasPrefix(a, "10.") {
				if counts[a]++; best == "" || counts[a] > counts[best] {
					best = a
				}
			}
		}
	}
	return best, nil
}

// files are the store's segments.
func (b *bench) files() []string {
	all, _ := filepath.Glob(filepath.Join(b.store(), "*"))
	return all
}

// forget puts the store's files out of the page cache.
func (b *bench) forget() {
	for _, path := range b.files() {
		if f, err := os.Open(path); err == nil {
			unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
			f.Close()
		}
	}
}

// scan compares a search that has to read all with cat, by turns.
func (b *bench) scan() error {
	segments, _ := filepath.Glob(filepath.Join(b.store(), "*.pcapng"))
	var total int64
	for _, s := range segments {
		if st, err := os.Stat(s); err == nil {
			total += st.Size()
		}
	}
	fmt.Printf("\n%-34s %12s %12s\n", "reading all, cold", "time", "GB/s")
	for range 2 {
		for _, c := range []struct {
			name string
			args []string
		}{
			{"cat", append([]string{"cat"}, segments...)},
			{"kagami evidence get --bpf", []string{b.program, "evidence", "get", "--dir", b.store(), "--bpf", "udp port 64999 and host 203.0.113.77", "-o", "-", "all"}},
		} {
			b.forget()
			cmd := exec.Command(c.args[0], c.args[1:]...)
			cmd.Stdout, cmd.Stderr = nil, io.Discard
			start := time.Now()
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			took := time.Since(start)
			fmt.Printf("%-34s %10.1f s %12.2f\n", c.name, took.Seconds(), float64(total)/took.Seconds()/1e9)
		}
	}
	return nil
}
