package page

import "strings"

// phrase is an English sentence of the chain and its translation. In the English one a
// star stands for anything; $1 to $9 in the other for what it stood for.
type phrase struct{ from, to string }

// reason translates a sentence, and tells whether it could: one that is new stays
// English, and the page says that it is.
func (t *texts) reason(s string) (text string, translated bool) {
	if t.reasons == nil {
		return s, true
	}
	for _, said := range [...]string{s, plurals(s)} {
		for _, p := range t.reasons {
			if found, ok := match(p.from, said); ok {
				for i, x := range found {
					found[i], _ = t.nested(x)
				}
				return fill(p.to, found), true
			}
		}
	}
	return s, false
}

// nested translates what a star stood for, where that is a sentence itself.
func (t *texts) nested(s string) (string, bool) {
	for _, p := range t.reasons {
		if p.from[0] == '*' { // would match anything again
			continue
		}
		if found, ok := match(p.from, s); ok {
			return fill(p.to, found), true
		}
	}
	return s, false
}

// match takes a sentence apart. A star takes as little as it can, the last one the rest.
func match(pattern, s string) (found []string, ok bool) {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return nil, false
	}
	s = s[len(parts[0]):]
	for i, p := range parts[1:] {
		last := i == len(parts)-2
		at := strings.Index(s, p)
		if last {
			at = len(s) - len(p)
			if at < 0 || s[at:] != p {
				return nil, false
			}
		}
		if at < 0 {
			return nil, false
		}
		found = append(found, s[:at])
		s = s[at+len(p):]
	}
	return found, s == ""
}

// fill puts what was found in its places. What was found is not looked at again.
func fill(to string, found []string) string {
	var b strings.Builder
	for i := 0; i < len(to); i++ {
		if to[i] == '$' && i+1 < len(to) && to[i+1] >= '1' && int(to[i+1]-'1') < len(found) {
			i++
			b.WriteString(found[to[i]-'1'])
			continue
		}
		b.WriteByte(to[i])
	}
	return b.String()
}

var japaneseReasons = []phrase{
	{"*: a program", "$1: プログラムである"},
	{"*: such objects can attack", "$1: 攻撃に使われうる種類である"},
	{"*: can hold programs", "$1: プログラムを格納できる"},
	{"data of no known type", "種類の分からないデータである"},
	{"a script in it holds * octets that look like machine code", "含まれるスクリプトに機械語らしい $1 オクテットがある"},
	{"most of it is one encoded text", "大部分が符号化された一つの文字列である"},
	{"a script in it has what memory is filled with in attacks", "含まれるスクリプトに、攻撃でメモリーを埋めるのに使われる値がある"},
	{"it starts an ActiveX object", "ActiveX オブジェクトを起動する"},
	{"it claims to be *", "申告された種類は $1 で、中身と食い違う"},
	{"its name is not one of a program", "名前がプログラムのものではない"},
	{"from an address without a name", "名前のないアドレスから取得した"},
	{"from port *", "ポート $1 から取得した"},
	{"after *, which can attack", "攻撃に使われうる $1 の後である"},
	{"by way of * other sites", "ほかの $1 サイトを経由した"},
	{"* redirections on the way", "途中に $1 回の転送があった"},
	{"what leads there is encoded, or a script writes it", "そこに至る記述が符号化されているか、スクリプトが書き出した"},
	{"led there by a page of another site, which was not captured", "キャプチャされていない別サイトのページから来た"},
	{"by a link that users click", "利用者がクリックするリンクによる"},
	{"the browser did not fetch it", "取得したのはブラウザーではない"},
	{"* after what led there", "引き起こした応答の $1 後である"},
	{"requests with a User-Agent follow that was not seen before", "それまで見られなかった User-Agent のリクエストが続く"},

	{"not decrypted: *, for *", "復号できない: $1、$2 宛て"},
	{"not decrypted: *", "復号できない: $1"},
	{"no key", "鍵なし"},
	{"handshake not captured", "ハンドシェイクがキャプチャされていない"},
	{"no application data", "アプリケーションデータなし"},
	{"QUIC is not decrypted", "QUIC は復号しない"},
	{"unsupported version", "対応していないバージョン"},
	{"unsupported cipher suite", "対応していない暗号スイート"},
	{"gap in the capture", "キャプチャに抜けがある"},
	{"authentication failed", "認証タグの不一致"},
	{"the answer is 304: the client had the content, it was not sent", "応答は 304。内容は端末が保持しており、送られていない"},
	{"the request was not captured", "リクエストはキャプチャされていない"},
	{"no answer was captured", "応答はキャプチャされていない"},
	{"header section is not complete", "ヘッダーが途中で切れている"},
	{"part of the header section was not captured", "ヘッダーの一部がキャプチャされていない"},
	{"the beginning of the flow was not captured", "フローの冒頭がキャプチャされていない"},
	{"* octets were declared, * came before the next message", "申告は $1 オクテット、次のメッセージまでに届いたのは $2 オクテット"},
	{"* octets were declared, * came before the capture or the connection ended", "申告は $1 オクテット、キャプチャまたは接続の終わりまでに届いたのは $2 オクテット"},
	{"* octets were declared, * came before the connection was closed", "申告は $1 オクテット、接続が閉じられるまでに届いたのは $2 オクテット"},
	{"* octets of the client's stream were not captured", "端末からのストリームの $1 オクテットがキャプチャされていない"},
	{"* octets of the server's stream were not captured", "サーバーからのストリームの $1 オクテットがキャプチャされていない"},
	{"* packets were dropped at the sensor", "センサーで $1 パケットを取りこぼした"},
	{"decodes to more than * times its size", "展開すると元の $1 倍を超える"},
	{"decodes to more than * octets", "展開すると $1 オクテットを超える"},

	{"* in the end of a suspicious way", "不審な経路の終わりの $1"},
	{"the first requests after * with a User-Agent that was not seen before", "$1 の後、それまで見られなかった User-Agent による最初のリクエスト"},
	{"* that fetches another program", "別のプログラムを取得する $1"},
	{"* that seems to attack the browser by itself", "それ自体がブラウザーを攻撃すると見られる $1"},
	{"*, which can attack, on the way", "経路上の、攻撃に使われうる $1"},
	{"*, which can attack, of the landing page", "ランディングページの、攻撃に使われうる $1"},
	{"the page before the exploit or program", "エクスプロイトまたはプログラムの直前のページ"},
	{"between the page that was visited and the landing page", "閲覧されたページとランディングページの間"},

	{"* header field, in the body of frame *, which the client still had", "$1 ヘッダー（フレーム $2 の本文。端末が保持していたもの）"},
	{"*, in the body of frame *, which the client still had", "$1（フレーム $2 の本文。端末が保持していたもの）"},
	{"* header field", "$1 ヘッダー"},
	{"*, https of that host", "$1（そのホストの https）"},
	{"*, the beginning of the URL", "$1（URL の先頭部分）"},
	{"*, * became *", "$1（$2 が $3 に）"},
	{"Referer names a page of that host that was not captured", "Referer がキャプチャされていない同じホストのページを指す"},
	{"browsers ask for it by themselves", "ブラウザーが自動的に要求する"},
	{"no Referer, same server, * after *", "Referer なし、同じサーバー、$2 の $1 後"},
	{"no Referer, * after a page of the same server, *", "Referer なし、同じサーバーのページの $1 後、$2"},
	{"no Referer, * after a page of the same server", "Referer なし、同じサーバーのページの $1 後"},
	{"no Referer, to an address without a name, * after *", "Referer なし、名前のないアドレス宛て、$2 の $1 後"},
	{"sent to an address without a name after *", "$1 の後に名前のないアドレスへ送られた"},
	{"no Referer, * after *, *", "Referer なし、$2 の $1 後、$3"},
	{"User-Agent changes from * to *", "User-Agent が $1 から $2 に変わる"},
	{"no User-Agent any more, it was *", "User-Agent がなくなる（それまでは $1）"},
	{"* was looked up (frame *) * after this answer began, and asked * later", "応答の始まりから $3 後に $1 が名前解決され（フレーム $2）、その $4 後に要求された"},
	{"a browser that was given the answer again asked for it", "この応答を再び与えたブラウザーが要求した"},
	{"Referer names the origin *; this is the latest page from there", "Referer がオリジン $1 を指し、これはその最新のページである"},
	{"Referer names a page of that host that was not captured; this is the latest page from there", "Referer がキャプチャされていない同じホストのページを指し、これはその最新のページである"},
	{"Referer names https://*, which was fetched encrypted (frame *); * led there", "Referer が、暗号化されて取得された https://$1 を指す（フレーム $2）。$3 がそこに至る"},
	{"Referer, which is cut short", "途中で切れた Referer"},
	{"Referer names the origin *, of which this is the latest page", "Referer がオリジン $1 を指し、これはその最新のページである"},
	{"Referer names the origin *", "Referer がオリジン $1 を指す"},
}
