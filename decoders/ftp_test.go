package decoders

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ftpLine is a record of a session as the tables below write it.
func ftpLine(r records.Record) string {
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
	}
	switch r := r.(type) {
	case *records.Auth:
		fmt.Fprintf(&b, "login %s %s by %s %s: %s", r.User, r.Result, r.Mechanism, r.Method, r.Reply)
	case *records.FTP:
		fmt.Fprintf(&b, "%s %s > %d %s", r.Command, r.Argument, r.Code, r.Reply)
		add("user", r.User)
		add("path", r.Path)
		add("from", r.From)
		add("type", r.Type)
		if r.Size >= 0 {
			add("size", fmt.Sprint(r.Size))
		}
		if r.Restart > 0 {
			add("restart", fmt.Sprint(r.Restart))
		}
		if r.Data.IsValid() {
			add("data", r.Data.String())
		}
		if r.Passive {
			b.WriteString(" passive")
		}
		add("odd", r.Odd)
	}
	return b.String()
}

// playFTP gives a session to a decoder, cut into segments of n octets.
func playFTP(f *sensor.Flow, steps []octets, n int) (lines []string, all []records.Record) {
	d := ftpProtocol(newFiles(Default().Files)).New()
	emit := func(r records.Record) {
		all = append(all, r)
		lines = append(lines, ftpLine(r))
	}
	now, verdict := int64(0), sensor.More
	for _, s := range steps {
		now += step
		if s.gap > 0 {
			f.TestSent(s.side, s.gap, now)
			verdict = d.Gap(f, s.side, s.gap)
		}
		for data := []byte(s.data); len(data) > 0 && verdict == sensor.More; {
			k := min(n, len(data))
			f.TestSent(s.side, k, now)
			piece := append([]byte(nil), data[:k]...)
			verdict = d.Data(f, s.side, piece, emit)
			clear(piece)
			data = data[k:]
		}
	}
	d.Close(f, emit)
	return lines, all
}

func TestFTP(t *testing.T) {
	login := []octets{serverSays("220-Welcome\r\n 220 to all\r\n220 FTP ready\r\n"), clientSays("USER bob\r\n"), serverSays("331 Password?\r\n"),
		clientSays("PASS secret\r\n"), serverSays("230 In\r\n")}
	in := "login bob success by USER/PASS password: 230 In"
	say := func(more ...string) []octets { // turns of the client and the server
		out := append([]octets(nil), login...)
		for i, s := range more {
			if i%2 == 0 {
				out = append(out, clientSays(s+"\r\n"))
			} else {
				out = append(out, serverSays(s+"\r\n"))
			}
		}
		return out
	}
	for _, c := range []struct {
		name  string
		steps []octets
		want  []string
	}{
		{"login", login, []string{in}},
		{"login refused, then anonymous", []octets{clientSays("USER root\r\n"), serverSays("331 x\r\n"), clientSays("PASS x\r\n"), serverSays("530 No\r\n"),
			clientSays("USER anonymous\r\n"), serverSays("230 Hi\r\n"), clientSays("DELE a\r\n"), serverSays("550 No\r\n")},
			[]string{"login root failure by USER/PASS password: 530 No", "login anonymous success by USER anonymous: 230 Hi",
				"DELE a > 550 No user=anonymous path=a"}},
		{"login with an account", []octets{clientSays("USER u\r\nPASS p\r\nACCT money\r\n"), serverSays("331 x\r\n332 x\r\n230 ok\r\n")},
			[]string{"login u success by USER/PASS password: 230 ok", "ACCT  > 230 ok user=u"}},
		{"login without an answer", []octets{clientSays("USER u\r\nPASS p\r\n")}, []string{"login u unknown by USER password: "}},
		{"passive download", say("PWD", `257 "/ho""me" is current`, "TYPE I", "200 ok", "PASV", "227 Entering Passive Mode (192,0,2,1,8,1).",
			"SIZE a.exe", "213 123", "RETR a.exe", "150 Opening\r\n226 Done"),
			[]string{in, "PASV  > 227 Entering Passive Mode (192,0,2,1,8,1). user=bob data=192.0.2.1:2049 passive",
				`RETR a.exe > 226 Done user=bob path=/ho"me/a.exe type=I size=123 data=192.0.2.1:2049 passive`}},
		{"active upload", say("PORT 10,0,0,1,200,10", "200 ok", "STOR /up/../x.txt", "150 Go\r\n226 Done"),
			[]string{in, "PORT 10,0,0,1,200,10 > 200 ok user=bob data=10.0.0.1:51210",
				"STOR /up/../x.txt > 226 Done user=bob path=/x.txt data=10.0.0.1:51210"}},
		{"extended", say("EPSV", "229 Entering Extended Passive Mode (|||60931|)", "EPRT |1|10.0.0.1|5282|", "200 ok", "EPRT |2|::1|1|", "522 No"),
			[]string{in, "EPSV  > 229 Entering Extended Passive Mode (|||60931|) user=bob data=192.0.2.1:60931 passive",
				"EPRT |1|10.0.0.1|5282| > 200 ok user=bob data=10.0.0.1:5282", "EPRT |2|::1|1| > 522 No user=bob"}},
		{"data elsewhere", say("PORT 10,9,9,9,0,25", "200 ok", "RETR a", "150 x\r\n226 x"),
			[]string{in, "PORT 10,9,9,9,0,25 > 200 ok user=bob data=10.9.9.9:25 odd=data go to another address", "RETR a > 226 x user=bob path=a data=10.9.9.9:25"}},
		{"bad addresses", say("PORT 1,2,3,4,5", "200 ok", "PASV", "227 (1,2,3,4,5,256)", "EPSV", "229 x", "EPRT |", "200 ok", "PASV", "227 (192,0,2,1,0,0)"),
			[]string{in, "PORT 1,2,3,4,5 > 200 ok user=bob odd=bad data address", "PASV  > 227 (1,2,3,4,5,256) user=bob odd=bad data address",
				"EPSV  > 229 x user=bob odd=bad data address", "EPRT | > 200 ok user=bob odd=bad data address",
				"PASV  > 227 (192,0,2,1,0,0) user=bob odd=bad data address"}},
		{"directories", say("CWD pub", "250 ok", "DELE a", "250 ok", "CWD /a/b", "250 ok", "CDUP", "250 ok", "mkd c", "257 made", "CWD x", "550 no", "RMD c", "250 ok"),
			[]string{in, "DELE a > 250 ok user=bob path=a", "MKD c > 257 made user=bob path=/a/c", "RMD c > 250 ok user=bob path=/a/c"}},
		{"rename", say("CWD /d", "250 ok", "RNFR a.txt", "350 go", "RNTO b.exe", "250 done"), []string{in, "RNTO b.exe > 250 done user=bob path=/d/b.exe from=/d/a.txt"}},
		{"restart", say("REST 100", "350 ok", "RETR /a", "150 for /a (23 bytes)\r\n226 ok", "RETR /a", "226 ok"),
			[]string{in, "RETR /a > 226 ok user=bob path=/a size=23 restart=100", "RETR /a > 226 ok user=bob path=/a"}},
		{"unique name", say("STOU", "150 FILE: u123\r\n226 ok"), []string{in, "STOU  > 226 ok user=bob path=u123"}},
		{"pipelined", []octets{clientSays("USER u\r\nPASS p\r\nDELE a\r\nDELE b\r\n"), serverSays("331 x\r\n230 x\r\n250 1\r\n550 2\r\n")},
			[]string{"login u success by USER/PASS password: 230 x", "DELE a > 250 1 user=u path=a", "DELE b > 550 2 user=u path=b"}},
		{"reply of several lines", say("DELE a", "250-x\r\n 250 y\r\n250-z\r\n251 w\r\n250 done"), []string{in, "DELE a > 250 done user=bob path=a"}},
		{"no blank after the code", say("DELE a", "250"), []string{in, "DELE a > 250  user=bob path=a"}},
		{"aborted", say("RETR a", "150 x", "\xff\xf4\xff\xf2ABOR", "426 cut\r\n226 aborted"), []string{in, "RETR a > 426 cut user=bob path=a"}},
		{"list is no file of its own", say("PASV", "227 (192,0,2,1,8,1)", "LIST", "150 x\r\n226 x"),
			[]string{in, "PASV  > 227 (192,0,2,1,8,1) user=bob data=192.0.2.1:2049 passive"}},
		{"client only", []octets{clientSays("USER u\r\nPASS p\r\nRETR a\r\nQUIT\r\n")}, []string{"RETR a > 0  user=u path=a", "login u unknown by USER password: "}},
		{"server only", []octets{serverSays("220 x\r\n331 x\r\n230 x\r\n")}, nil},
		{"gap in the answers", append(say("DELE a"), serverLoses(10), clientSays("DELE b\r\n"), serverSays("xx\r\n250 b\r\n")),
			[]string{in, "DELE a > 0  user=bob path=a", "DELE b > 250 b user=bob path=b"}},
		{"gap in the commands", append(say(), clientLoses(10), clientSays("ELE a\r\n", "DELE b\r\n"), serverSays("250 b\r\n")),
			[]string{in, "DELE b > 250 b user=bob path=b"}},
		{"Shift_JIS", say("DELE \x93\xfa\x96\x7b.txt", "250 ok"), []string{in, "DELE 日本.txt > 250 ok user=bob path=日本.txt"}},
		{"no commands", []octets{clientSays("\x01\x02\r\n", "toolongaverb x\r\n", "\r\n"), serverSays("500 ?\r\n500 ?\r\n")}, nil},
		{"too many commands", append(say(), clientSays(strings.Repeat("DELE a\r\n", maxFTPPending+1))),
			append([]string{in, "DELE a > 0  user=bob path=a odd=" + oddFTPPending}, repeated("DELE a > 0  user=bob path=a", maxFTPPending)...)},
	} {
		for _, n := range []int{1 << 20, 1, 5} {
			got, all := playFTP(sensor.NewTestFlow(packet.ProtoTCP), c.steps, n)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, in pieces of %d: got\n\t%s\nwant\n\t%s", c.name, n, strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
			for _, r := range all {
				if s := fmt.Sprintf("%+v", r); strings.Contains(s, "secret") || strings.Contains(s, "money") {
					t.Errorf("%s: a secret is told: %s", c.name, s)
				}
			}
		}
	}
}

func repeated(s string, n int) (out []string) {
	for range n {
		out = append(out, s)
	}
	return out
}

// What AUTH TLS protects is read as TLS.
func TestFTPOverTLS(t *testing.T) {
	inner := sensor.Protocol{Name: "tls", Transport: packet.ProtoTCP,
		Match: func(*sensor.Flow, packet.Side, []byte) sensor.Match { return sensor.FromClient },
		New:   func() sensor.Decoder { return labeller{} }}
	for _, n := range []int{1 << 20, 1} {
		f := sensor.NewTestFlow(packet.ProtoTCP, inner)
		got, _ := playFTP(f, []octets{clientSays("AUTH TLS\r\n"), serverSays("234 go\r\n"), clientSays("\x16\x03\x01\x00\x08DELE a\r\n"),
			serverSays("\x17\x03\x03\x00\x00"), clientSays("\x17\x03\x03\x00\x03CCCDELE b\r\n"), serverSays("\x15\x03\x03\x00\x02\x01\x00"), serverSays("250 ok\r\n"),
			clientSays("DELE c\r\n")}, n)
		if want := []string{"AUTH TLS > 234 go", "DELE b > 250 ok path=b", "DELE c > 0  path=c"}; !reflect.DeepEqual(got, want) || f.Service != "ftp" || f.Tunnel != "inner" {
			t.Errorf("got %q, %s in %s", got, f.Tunnel, f.Service)
		}
	}
	got, _ := playFTP(sensor.NewTestFlow(packet.ProtoTCP, inner), []octets{clientSays("AUTH TLS\r\n"), serverSays("504 no\r\n"),
		clientSays("DELE a\r\n"), serverSays("250 ok\r\n")}, 3)
	if want := []string{"AUTH TLS > 504 no", "DELE a > 250 ok path=a"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

// labeller says what it is.
type labeller struct{}

func (labeller) Data(f *sensor.Flow, _ packet.Side, _ []byte, _ sensor.Emit) sensor.Verdict {
	f.Label("inner", "")
	return sensor.More
}
func (labeller) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }
func (labeller) Close(*sensor.Flow, sensor.Emit)                   {}

func TestMatchFTP(t *testing.T) {
	for _, c := range []struct {
		side  packet.Side
		port  uint16
		first string
		want  sensor.Match
	}{
		{packet.FromB, 21, "220 Welcome\r\n", sensor.FromServer},
		{packet.FromB, 21, "2", sensor.Maybe}, {packet.FromB, 21, "220", sensor.Maybe},
		{packet.FromB, 21, "220 mail.example ESMTP\r\n", sensor.No},
		{packet.FromB, 21, "\x16\x03\x01\x00", sensor.No},
		{packet.FromB, 4000, "220 (vsFTPd 3.0.5)\r\n", sensor.FromServer},
		{packet.FromB, 4000, "220 Welcome\r\n", sensor.Maybe},
		{packet.FromB, 4000, "230 In\r\n", sensor.No},
		{packet.FromB, 4000, "200 OK", sensor.Maybe},
		{packet.FromB, 4000, "2000 x\r\n", sensor.No},
		{packet.FromA, 21, "USER x\r\n", sensor.FromClient}, {packet.FromA, 21, "USE", sensor.Maybe},
		{packet.FromA, 21, "GET / HTTP/1.1\r\n", sensor.FromClient}, // HTTP was asked before
		{packet.FromA, 4000, "AUTH TLS\r\n", sensor.FromClient}, {packet.FromA, 4000, "AUTH LOGIN\r\n", sensor.No},
		{packet.FromA, 4000, "pasv\r\n", sensor.FromClient}, {packet.FromA, 4000, "PAS", sensor.Maybe}, {packet.FromA, 4000, "PASS", sensor.No},
		{packet.FromA, 4000, "USER x\r\n", sensor.Maybe},
		{packet.FromA, 4000, "USER x\r\nPASS y\r\nSYST\r\n", sensor.FromClient},
		{packet.FromA, 4000, "USER x\r\nPASS y\r\nSTAT\r\n", sensor.No},
		{packet.FromA, 110, "USER x\r\n", sensor.No},
		{packet.FromA, 6667, "USER x +iw x :Name\r\nNICK x\r\n", sensor.No}, // IRC
	} {
		f := sensor.NewTestFlow(packet.ProtoTCP)
		f.Key.BPort = c.port
		if got := matchFTP(f, c.side, []byte(c.first)); got != c.want {
			t.Errorf("port %d, %q: %d, want %d", c.port, c.first, got, c.want)
		}
	}
	f := sensor.NewTestFlow(packet.ProtoTCP)
	f.TestSent(packet.FromB, 10, 1) // the server has spoken, and not as POP3
	if got := matchFTP(f, packet.FromA, []byte("USER x\r\n")); got != sensor.FromClient {
		t.Errorf("USER after a greeting: %d", got)
	}
}

// The data connection's file bears what the control connection said.
func TestFTPData(t *testing.T) {
	files := newFiles(Default().Files)
	move := func() *ftpMove {
		return &ftpMove{path: "/pub/a.exe", url: "ftp://192.0.2.1/pub/a.exe", user: "bob", size: -1}
	}
	play := func(c *ftpChannel, before, after *ftpMove, n int, gap bool) (*records.File, string) {
		f := sensor.NewTestFlow(packet.ProtoTCP)
		d := &ftpData{files: files, channel: c}
		var got *records.File
		emit := func(r records.Record) { got = r.(*records.File) }
		c.transfer = before
		for b := []byte("MZ" + lorem[:40]); len(b) > 0; b = b[min(n, len(b)):] {
			if d.Data(f, packet.FromB, b[:min(n, len(b))], emit) == sensor.Done {
				break
			}
		}
		if gap {
			d.Gap(f, packet.FromB, 7)
		}
		if after != nil {
			c.transfer = after
		}
		ref := c.ref()
		f.TestFinish()
		d.Close(f, emit)
		if c.ref() != ref {
			t.Errorf("%+v while it lasted, %+v after", ref, c.ref())
		}
		return got, f.Service
	}
	for _, n := range []int{1 << 20, 1} {
		r, service := play(&ftpChannel{control: "c0"}, move(), nil, n, false)
		want := "pe application/vnd.microsoft.portable-executable size=42 seen=42 class=program name=a.exe from=path complete"
		if told(r) != want || r.Path != "/pub/a.exe" || r.URL != "ftp://192.0.2.1/pub/a.exe" || r.User != "bob" || r.Control != "c0" || r.Source != "ftp" {
			t.Errorf("%s\n%+v", told(r), r)
		}
		if service != "ftp-data" {
			t.Errorf("service %q", service)
		}
		if late, _ := play(&ftpChannel{control: "c0"}, nil, move(), n, false); told(late) != want {
			t.Errorf("command seen late: %s", told(late))
		}
		if unknown, _ := play(&ftpChannel{}, nil, nil, n, false); unknown == nil || unknown.Name != "" {
			t.Errorf("command not seen: %s", told(unknown))
		}
		if list, _ := play(&ftpChannel{}, &ftpMove{listing: true}, nil, n, false); list != nil {
			t.Errorf("a list: %s", told(list))
		}
		if list, _ := play(&ftpChannel{}, nil, &ftpMove{listing: true}, n, false); list != nil {
			t.Errorf("a list, seen late: %s", told(list))
		}
		sized := move()
		sized.size, sized.octets = 50, true
		if short, _ := play(&ftpChannel{}, sized, nil, n, false); short.Complete || short.Size != 50 {
			t.Errorf("shorter than announced: %s", told(short))
		}
		if lost, _ := play(&ftpChannel{}, move(), nil, n, true); lost.Complete || lost.Missing != 7 || lost.SHA256 != "" {
			t.Errorf("gap: %s", told(lost))
		}
	}
	if files.room.taken.Load() != 0 {
		t.Error("room not given back")
	}
}

func FuzzFTP(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 21) {
		f.Add(c.said(packet.FromA), c.said(packet.FromB), uint16(i))
	}
	f.Add([]byte("USER u\r\nPASS p\r\nPORT 1,2,3,4,5,6\r\nREST 5\r\nRETR a\r\nAUTH TLS\r\n"), []byte("220 x\r\n331 x\r\n230-x\r\n230 y\r\n200 x\r\n350 x\r\n150 (5 bytes)\r\n226 x\r\n234 x\r\n"), uint16(3))
	f.Add([]byte("PWD\r\nEPSV\r\nEPRT |1|1.2.3.4|5|\r\nSTOU\r\nSIZE a\r\n"), []byte("257 \"/a\"\"\r\n229 (|||5|)\r\n200\r\n150 FILE: x\r\n226\r\n213 5\r\n"), uint16(1))
	f.Fuzz(func(t *testing.T, up, down []byte, cut uint16) {
		steps := []octets{{side: packet.FromA, data: string(up)}, {side: packet.FromB, data: string(down)}}
		one, _ := playFTP(sensor.NewTestFlow(packet.ProtoTCP), steps, 1<<20)
		other, _ := playFTP(sensor.NewTestFlow(packet.ProtoTCP), steps, int(cut)+1)
		if !reflect.DeepEqual(one, other) {
			t.Errorf("records depend on the pieces:\n%q\n%q", one, other)
		}
		if len(up) > 0 {
			matchFTP(sensor.NewTestFlow(packet.ProtoTCP), packet.FromA, up[:min(len(up), sensor.MatchLimit)])
		}
	})
}

func BenchmarkFTP(b *testing.B) {
	files := newFiles(Default().Files)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	emit := func(records.Record) {}
	up := []byte("TYPE I\r\nPASV\r\nRETR a.bin\r\n")
	down := []byte("200 ok\r\n227 Entering Passive Mode (192,0,2,1,8,1).\r\n150 Opening\r\n226 Done\r\n")
	d := ftpProtocol(files).New()
	b.ReportAllocs()
	for b.Loop() {
		d.Data(f, packet.FromA, up, emit)
		d.Data(f, packet.FromB, down, emit)
	}
}
