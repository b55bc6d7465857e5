package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
)

// receivers are the far ends by name. Each listens on a port of loopback, 0 is any,
// and returns which.
var receivers = map[string]func(port int, p *part) (int, error){
	"tcp":        receiveTCP,
	"tls":        receiveTLS,
	"udp":        receiveUDP,
	"hang":       receiveNothing,
	"opensearch": receiveOpenSearch,
	"clickhouse": receiveClickHouse,
	"nats":       receiveNATS,
	"kafka":      receiveKafka,
}

// farEnd is a receiver in a process of its own, which ends with its standard input.
type farEnd struct {
	*process
	port int
	dir  string // its own
}

// startFarEnd starts a receiver.
func (b *bench) startFarEnd(name string, port int) (*farEnd, error) {
	dir, err := own(b.dir)
	if err != nil {
		return nil, err
	}
	p, err := b.startProcess("-receive", name, "-port", strconv.Itoa(port), "-store", dir)
	if err != nil {
		return nil, err
	}
	line, err := p.out.ReadString('\n')
	if err == nil {
		port, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start receiver %s: %w", name, err)
	}
	return &farEnd{p, port, dir}, nil
}

// stop ends it; nil is none.
func (f *farEnd) stop() {
	if f != nil {
		f.process.stop()
		os.RemoveAll(f.dir)
	}
}

// receive is the process: it serves until its standard input ends.
func receive(p *part) error {
	start, ok := receivers[p.receive]
	if !ok {
		return fmt.Errorf("there is no receiver %q", p.receive)
	}
	port, err := start(p.port, p)
	if err != nil {
		return err
	}
	fmt.Println(port)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func listen(port int) (net.Listener, int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return nil, 0, err
	}
	return l, l.Addr().(*net.TCPAddr).Port, nil
}

const loopback = "127.0.0.1"

// accept gives each connection to a goroutine.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

func discard(c net.Conn) { io.Copy(io.Discard, c) }

func receiveTCP(port int, _ *part) (int, error) {
	l, port, err := listen(port)
	if err == nil {
		go accept(l, discard)
	}
	return port, err
}

// receiveNothing takes connections and never reads.
func receiveNothing(port int, _ *part) (int, error) {
	l, port, err := listen(port)
	if err == nil {
		go accept(l, func(net.Conn) { select {} })
	}
	return port, err
}

func receiveTLS(port int, p *part) (int, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(p.certs, certFile), filepath.Join(p.certs, keyFile))
	if err != nil {
		return 0, err
	}
	l, port, err := listen(port)
	if err == nil {
		go accept(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}), discard)
	}
	return port, err
}

func receiveUDP(port int, _ *part) (int, error) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(loopback), Port: port})
	if err != nil {
		return 0, err
	}
	go func() {
		b := make([]byte, 1<<16)
		for err == nil {
			_, err = c.Read(b)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}

// serveHTTP answers each request by the number of lines in its body.
func serveHTTP(port int, answer func(w io.Writer, lines int)) (int, error) {
	l, port, err := listen(port)
	if err != nil {
		return 0, err
	}
	s := http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = z
		}
		lines := 0
		for s := bufio.NewReaderSize(body, 1<<20); ; lines++ {
			if _, err := s.ReadSlice('\n'); err != nil {
				break
			}
		}
		answer(w, lines)
	})}
	go s.Serve(l)
	return port, nil
}

// receiveOpenSearch answers _bulk as the filter_path of the sink asks for it.
func receiveOpenSearch(port int, _ *part) (int, error) {
	return serveHTTP(port, func(w io.Writer, lines int) {
		b := []byte(`{"errors":false,"items":[`)
		for i := range lines / 2 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"create":{"status":201}}`...)
		}
		w.Write(append(b, "]}"...))
	})
}

func receiveClickHouse(port int, _ *part) (int, error) {
	return serveHTTP(port, func(io.Writer, int) {})
}

// receiveNATS is a server with one stream, on disk.
func receiveNATS(port int, p *part) (int, error) {
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: loopback, Port: port, JetStream: true, StoreDir: p.store, NoLog: true, NoSigs: true})
	if err != nil {
		return 0, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return 0, errors.New("nats: the server does not start")
	}
	c, err := nats.Connect(s.ClientURL())
	if err != nil {
		return 0, err
	}
	js, err := jetstream.New(c)
	if err != nil {
		return 0, err
	}
	_, err = js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "KAGAMI", Subjects: []string{"kagami.>"}})
	return s.Addr().(*net.TCPAddr).Port, err
}

// receiveKafka is franz-go's stand-in, which keeps all in memory.
func receiveKafka(port int, _ *part) (int, error) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "kagami"), kfake.Ports(port))
	if err != nil {
		return 0, err
	}
	_, p, err := net.SplitHostPort(c.ListenAddrs()[0])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(p)
}

const (
	certFile = "cert.pem"
	keyFile  = "key.pem"
)

// makeCertificate makes a certificate for loopback, which is its own authority.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.ParseIP(loopback)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, certFile), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, keyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
