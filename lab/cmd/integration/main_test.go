package main

import (
	"strings"
	"testing"
)

// TestFollow: the table has a line for each test, with its last word or with why it
// was skipped, and one that never ended is a failure.
func TestFollow(t *testing.T) {
	events := `{"Action":"run","Test":"TestIntegrationA"}
{"Action":"output","Test":"TestIntegrationA","Output":"=== RUN   TestIntegrationA\n"}
{"Action":"run","Test":"TestIntegrationA/tcp"}
{"Action":"output","Test":"TestIntegrationA/tcp","Output":"    a_test.go:9: half\n"}
{"Action":"output","Test":"TestIntegrationA/tcp","Output":"    level=WARN msg=x\n"}
{"Action":"output","Test":"TestIntegrationA/tcp","Output":"    a_test.go:12: 15 of 15\n"}
{"Action":"pass","Test":"TestIntegrationA/tcp","Elapsed":1.6}
{"Action":"pass","Test":"TestIntegrationA","Elapsed":1.7}
{"Action":"run","Test":"TestIntegrationB"}
{"Action":"output","Test":"TestIntegrationB","Output":"    b_test.go:7: rsyslogd: not installed; make integration-tools\n"}
{"Action":"skip","Test":"TestIntegrationB"}
{"Action":"run","Test":"TestIntegrationC"}
FAIL`
	var said strings.Builder
	results, err := follow(strings.NewReader(events), &said)
	if err != nil {
		t.Fatal(err)
	}
	said.Reset()
	summarize(&said, results)
	const want = `
ok                  A/tcp  2 s  15 of 15
skipped             B      0 s  rsyslogd: not installed; make integration-tools
FAIL (did not end)  C      0 s  

1 ran well, 1 failed, 1 skipped
`
	if said.String() != want {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}
