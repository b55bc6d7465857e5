package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// part is what a process of its own does: it is this program with one of these flags.
type part struct {
	receive string // a receiver to be
	memory  string // a place whose dead end is measured
	slow    string // a place that gets 200 records a second
	port    int
	store   string // a directory of its own
	certs   string // the directory of the certificate
}

func (p *part) flags() {
	flag.StringVar(&p.receive, "receive", "", "be a `receiver`; for the program itself, as are memory, slowly, port, store")
	flag.StringVar(&p.memory, "memory", "", "measure memory at this `place`")
	flag.StringVar(&p.slow, "slowly", "", "measure a queue at this `place`")
	flag.StringVar(&p.store, "store", "", "`directory` to write to")
	flag.IntVar(&p.port, "port", 0, "`port` to listen on")
}

func (p *part) given() bool { return p.receive != "" || p.memory != "" || p.slow != "" }

// run does what is asked.
func (p *part) run(b *bench) error {
	switch {
	case p.receive != "":
		p.certs = b.dir
		return receive(p)
	case p.memory != "":
		go endWithInput()
		return b.measureMemory(p.memory)
	}
	go endWithInput()
	return b.measureSlow(p.slow, p.port)
}

// endWithInput ends the process when nobody waits for it any more.
func endWithInput() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// process is a part under way.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// childEnv, set in a process's environment, makes the test binary be this program.
const childEnv = "BENCHDELIVERY_PART"

// startProcess starts a part.
func (b *bench) startProcess(args ...string) (*process, error) {
	args = append(args, "-dir", b.dir, "-file", b.capture, "-mail", b.mail, "-backlog", strconv.Itoa(b.backlog), "-slow", b.slow.String(), "-kafka", b.kafka)
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return nil, fmt.Errorf("start %q: %w", args, err)
	}
	return &process{cmd, in, bufio.NewReader(out)}, nil
}

// stop ends the process; nil is none.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait() // killed, most of the time
}

// result reads what the process says, and ends it.
func (p *process) result(v any) error {
	defer p.stop()
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%q ended: %w", p.cmd.Args, err)
	}
	return json.Unmarshal(line, v)
}

// tell is the other side of result.
func tell(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(line, '\n'))
	return err
}
