package tlskeys

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"testing"
)

// TestSuites decrypts every version and suite that crypto/tls speaks.
func TestSuites(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if !speaks(suite, version) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", tls.VersionName(version), suite.Name), func(t *testing.T) {
				k := newTalk(version, suite.ID)
				if version == tls.VersionTLS13 {
					k.client.CipherSuites = nil
				}
				log := k.run(t)
				out, r := replay(log, k.wire.parts, 0)
				k.check(t, out, r)
				if r.Version != version || version != tls.VersionTLS13 && (r.Suite != suite.ID || r.SuiteName() != suite.Name) {
					t.Errorf("negotiated %s %s", r.VersionName(), r.SuiteName())
				}
				small, r2 := replay(log, k.wire.parts, 1)
				if !reflect.DeepEqual(out, small) || !reflect.DeepEqual(r, r2) {
					t.Errorf("in pieces of one octet: %+v, whole: %+v", r2, r)
				}
			})
		}
	}
}

func speaks(s *tls.CipherSuite, version uint16) bool {
	for _, v := range s.SupportedVersions {
		if v == version {
			return true
		}
	}
	return false
}
