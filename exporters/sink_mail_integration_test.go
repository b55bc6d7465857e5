package exporters

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kagami/lab/integration"
)

// TestIntegrationMail: 2,000 alerts to aiosmtpd with STARTTLS, in mails of at most
// mailFull, the server killed twice in between: every alert is in the mailbox, and
// a mail that is there twice says so by its Message-ID.
func TestIntegrationMail(t *testing.T) {
	integration.Need(t, "aiosmtpd")
	dir, port := t.TempDir(), integration.FreePort(t)
	ca := newCA(t, dir, "ca")
	ca.issue(t, dir, "server", "localhost")
	at := "127.0.0.1:" + port
	server := integration.Start(t, at, func() *exec.Cmd {
		return integration.Command("aiosmtpd", "-m", "aiosmtpd", "-n", "-l", at, "--tlscert", dir+"/server.pem", "--tlskey", dir+"/server.key",
			"-c", "aiosmtpd.handlers.Mailbox", dir+"/mail")
	})
	s := openSink(t, "mail://"+at+"?from=kagami@example.jp&to=soc@example.jp&within=0s&per_hour=3600&server_name=localhost&ca="+dir+"/ca.pem", Env{})
	lines := alertLines(t, 2000)
	deliverThrough(t, chunked{s, mailFull}, server, lines)
	files, err := filepath.Glob(dir + "/mail/new/*")
	if err != nil {
		t.Fatal(err)
	}
	mails, alerts := map[string]string{}, map[string]int{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h, body := readMail(t, strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n"))
		mails[h.Get("Message-ID")] = body
	}
	for _, body := range mails {
		for line := range strings.Lines(body) {
			if _, name, ok := strings.Cut(strings.TrimSpace(line), "] alert "); ok {
				alerts[name]++
			}
		}
	}
	for name, n := range alerts {
		if n != 1 {
			t.Errorf("alert %s is there %d times", name, n)
		}
	}
	if len(alerts) != len(lines) {
		t.Errorf("%d alerts arrived, want %d", len(alerts), len(lines))
	}
	t.Logf("%d mails, %d of them twice", len(mails), len(files)-len(mails))
}

// chunked offers a sink no more than n lines at a time.
type chunked struct {
	Sink
	n int
}

// Write implements Sink.
func (c chunked) Write(ctx context.Context, lines []Line) (Written, error) {
	return c.Sink.Write(ctx, lines[:min(c.n, len(lines))])
}
