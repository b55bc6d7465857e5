package decoders

import (
	"encoding/base64"
	"encoding/binary"
	"testing"
)

// ntlmAuthenticate is an AUTHENTICATE_MESSAGE for domain EX and user aiko.
func ntlmAuthenticate() string {
	b := make([]byte, 64, 80)
	copy(b, "NTLMSSP\x00")
	b[8] = 3
	put := func(at, n, from int) {
		binary.LittleEndian.PutUint16(b[at:], uint16(n))
		binary.LittleEndian.PutUint32(b[at+4:], uint32(from))
	}
	put(28, 4, 64)
	put(36, 8, 68)
	b[60] = 1
	return string(append(b, "E\x00X\x00a\x00i\x00k\x00o\x00"...))
}

func TestSASL(t *testing.T) {
	for _, c := range []struct {
		mechanism          string
		answers            []string
		user, domain, acts string
	}{
		{"PLAIN", []string{"\x00aiko\x00geheim"}, "aiko", "", ""},
		{"PLAIN", []string{"aiko\x00aiko\x00geheim"}, "aiko", "", ""},
		{"PLAIN", []string{"adm\x00aiko\x00geheim"}, "aiko", "", "adm"},
		{"PLAIN", []string{"no zeros"}, "", "", ""},
		{"LOGIN", []string{"aiko", "geheim"}, "aiko", "", ""},
		{"CRAM-MD5", []string{"aiko@x 0123"}, "aiko@x", "", ""},
		{"DIGEST-MD5", []string{`username="aiko",realm="example.jp",response=00`, ""}, "aiko", "example.jp", ""},
		{"NTLM", []string{"NTLMSSP\x00\x01", ntlmAuthenticate()}, "aiko", "EX", ""},
		{"NTLM", []string{ntlmAuthenticate()[:70]}, "", "EX", ""},
		{"XOAUTH2", []string{"user=aiko@x\x01auth=Bearer t\x01\x01"}, "aiko@x", "", ""},
		{"OAUTHBEARER", []string{"n,a=aiko@x,\x01host=h\x01"}, "aiko@x", "", ""},
		{"SCRAM-SHA-1", []string{"n,,n=ai=2Cko,r=x", "c=biws,p=x"}, "ai,ko", "", ""},
		{"EXTERNAL", []string{"aiko"}, "aiko", "", ""},
		{"ANONYMOUS", []string{"trace"}, "trace", "", ""},
		{"X-OTHER", []string{"geheim"}, "", "", ""},
	} {
		var s saslExchange
		s.begin([]byte(c.mechanism))
		for _, a := range c.answers {
			s.answer([]byte(base64.StdEncoding.EncodeToString([]byte(a))))
		}
		if s.user != c.user || s.domain != c.domain || s.actingFor != c.acts {
			t.Errorf("%s %q: got user %q domain %q acting %q", c.mechanism, c.answers, s.user, s.domain, s.actingFor)
		}
	}
}

func FuzzSASL(f *testing.F) {
	f.Add("NTLM", base64.StdEncoding.EncodeToString([]byte(ntlmAuthenticate())))
	f.Add("PLAIN", "AGFpa28AZ2VoZWlt")
	f.Add("SCRAM-SHA-1", "bixhPWFkbSxuPWFpa28scj14")
	f.Add("DIGEST-MD5", "dXNlcm5hbWU9ImEi")
	f.Fuzz(func(t *testing.T, mechanism, answer string) {
		var s saslExchange
		s.begin([]byte(mechanism))
		s.answer([]byte(answer))
		s.answer([]byte(answer))
		if len(s.user) > maxMailValue || len(s.mechanism) > 4*maxMechanism {
			t.Errorf("not bounded: %d, %d", len(s.user), len(s.mechanism))
		}
	})
}
