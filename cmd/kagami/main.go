// Command kagami is a network sensor for a switch's mirror port.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"kagami/configs"
	"kagami/evidence/replay/browse"
)

// cli is the command line: one verb a field, one file a verb.
type cli struct {
	Run      runCmd           `cmd:"" help:"The sensor, live on an interface."`
	Read     readCmd          `cmd:"" help:"The same pipeline over capture files (pcap, pcapng; plain, .gz, .zst)."`
	Alerts   alertsCmd        `cmd:"" help:"Alerts as a person wants them: one block an incident, with its latest update; English or Japanese."`
	Doctor   doctorCmd        `cmd:"" help:"Is this mirror port usable? A verdict in a minute, or on capture files; exit 0, 2 (no) or 3 (with gaps)."`
	Evidence evidenceCmd      `cmd:"" help:"Packets on disk: find them, get them, pin them before they rotate away."`
	Replay   replayCmd        `cmd:"" help:"Rebuild a drive-by download from packets: what led to what, a page, archives; serve it again, offline."`
	Explain  explainCmd       `cmd:"" help:"What is learned of this network, what of a machine, and why a destination is a beacon or is not."`
	Verify   verifyRecordsCmd `cmd:"" help:"Are the records that arrived all there, and as they were sent? Names what is missing, altered, repeated; exit 0 or 2."`
	Canary   canaryCmd        `cmd:"" help:"Do alerts arrive? Sends harmless labelled traffic and waits for its alerts at the SIEM's end; exit 0 or 2."`
	Check    checkCmd         `cmd:"" help:"Test the configuration; exit 0 or 1."`
	Version  versionCmd       `cmd:"" help:"Print the version."`
}

// settings are the flags of every verb that takes a configuration.
type settings struct {
	Config string   `short:"c" placeholder:"FILE" help:"Configuration file."`
	Set    []string `placeholder:"SECTION.KEY=VALUE" sep:"none" help:"Override one setting; repeatable."`
}

func (s *settings) load(fallback string) (configs.Config, error) {
	path := s.Config
	if path == "" {
		if _, err := os.Stat(fallback); err == nil {
			path = fallback
		}
	}
	return configs.Load(path, s.Set)
}

func main() {
	if browse.IsInside() { // started by kagami replay --browse, in a network of its own
		os.Exit(browse.Inside())
	}
	var c cli
	k := kong.Parse(&c, kong.Name("kagami"), kong.ShortUsageOnError(),
		kong.Description("Kagami reads a switch's mirror port, or capture files, and writes proxy, firewall and DNS logs, records and alerts."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil {
		if status := exitStatus(0); errors.As(err, &status) {
			os.Exit(int(status))
		}
		complain(err)
		os.Exit(1)
	}
}

// complain prints each problem on a line of its own.
func complain(err error) {
	for _, e := range configs.Problems(err) {
		fmt.Fprintln(os.Stderr, "kagami:", strings.TrimPrefix(e.Error(), "capture: "))
	}
}

type versionCmd struct{}

// version is set by the linker.
var version = "devel"

func (versionCmd) Run() error {
	rev := ""
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				rev = " " + s.Value[:min(12, len(s.Value))]
			}
		}
		fmt.Printf("kagami %s%s %s\n", version, rev, b.GoVersion)
	}
	return nil
}
