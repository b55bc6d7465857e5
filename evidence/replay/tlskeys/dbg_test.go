package tlskeys
import ("testing";"crypto/tls";"fmt")
func TestDbg(t *testing.T){
	k := newTalk(tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
	log := k.run(t)
	s:=k.wire.stream(client)
	for _,b:=range boundaries(s) { if b<len(s) {fmt.Println(b, s[b], int(s[b+3])<<8|int(s[b+4]))} }
	for f:=150;f<340;f++ {
	out,r:=replayHoles(log,k.wire.parts,0,hole{client,f,f+3})
	if len(out.plain[0])!=20300 {fmt.Println(f, len(out.plain[0]), out.lost[0], r.Sides[0])}
	}
}
