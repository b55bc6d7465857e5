package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// benchLatency measures the time from the last frame of a transaction to its
// record's line in the file.
func benchLatency(o options, r reader, w io.Writer) error {
	if o.latency < 1 {
		return nil
	}
	p, err := r.start()
	if err != nil {
		return err
	}
	defer p.stop()
	tx, err := openTx(senderEnd)
	if err != nil {
		return err
	}
	config := r.args[len(r.args)-1]
	records := filepath.Join(filepath.Dir(config), "ecs.log")
	var dns, http []float64
	var pause time.Duration
	for i := range o.latency {
		port := uint16(30000 + i)
		for _, kind := range []struct {
			frames [][]byte
			mark   string
			to     *[]float64
		}{
			{dnsExchange(port), fmt.Sprintf("dns%d.latency.example", port), &dns},
			{httpExchange(port), fmt.Sprintf("/latency%d", port), &http},
		} {
			took, err := awaited(tx, kind.frames, records, kind.mark)
			if err != nil {
				return err
			}
			*kind.to = append(*kind.to, took.Seconds()*1000)
			pause += 137 * time.Millisecond // so that it is not in step with the flush of every second
			time.Sleep(pause % time.Second)
		}
	}
	fmt.Fprintf(w, "\nfrom the last frame of a transaction to its line in the file, ms, %d each: DNS %s, HTTP %s\n", o.latency, spread(dns), spread(http))
	return nil
}

// awaited sends frames and waits for the mark in the file.
func awaited(tx *txRing, frames [][]byte, file, mark string) (time.Duration, error) {
	const limit, look = 10 * time.Second, 2 * time.Millisecond
	st, err := os.Stat(file)
	if err != nil {
		return 0, fmt.Errorf("find records: %w", err)
	}
	from := st.Size()
	for _, f := range frames {
		slot := tx.next()
		tx.ready(slot, copy(slot[slotHead:], f))
	}
	if err := tx.flush(); err != nil {
		return 0, err
	}
	for began := time.Now(); time.Since(began) < limit; time.Sleep(look) {
		f, err := os.Open(file)
		if err != nil {
			return 0, fmt.Errorf("read records: %w", err)
		}
		text, err := io.ReadAll(io.NewSectionReader(f, from, 1<<20))
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("read records: %w", err)
		}
		if bytes.Contains(text, []byte(mark)) {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("no record of %q within %v", mark, limit)
}

func latencyTalk(cport, sport uint16, proto byte) *talk {
	return newTalk([4]byte{10, 0, 0, 9}, [4]byte{192, 0, 2, 53}, cport, sport, proto)
}

// dnsExchange is a question for the address of dns<port>.latency.example and its answer.
func dnsExchange(port uint16) [][]byte {
	t := latencyTalk(port, 53, 17)
	query, answer := dnsMessages(fmt.Sprintf("dns%d", port), "latency")
	return [][]byte{t.frame(0, 0, query), t.frame(1, 0, answer)}
}

// httpExchange is one connection with one request for /latency<port>, left open.
func httpExchange(port uint16) [][]byte {
	t := latencyTalk(port, 80, 6)
	request := fmt.Sprintf("GET /latency%d HTTP/1.1\r\nHost: www.example\r\n\r\n", port)
	return append(t.connect(),
		t.frame(0, psh|ack, []byte(request)),
		t.frame(1, psh|ack, []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
		t.frame(0, ack, nil))
}
