package page

import "strings"

// plurals writes what there is one of as if there were many: one phrase serves for both.
func plurals(s string) string {
	words := strings.Split(s, " ")
	for i := range len(words) - 1 {
		if words[i] != "1" {
			continue
		}
		noun, mark := words[i+1], ""
		if n := len(noun) - 1; n > 0 && (noun[n] == ':' || noun[n] == ',') {
			noun, mark = noun[:n], noun[n:]
		}
		switch noun {
		case "octet", "frame", "packet", "place", "range", "redirection", "site":
			words[i+1] = noun + "s" + mark
		case "other":
			if i+2 < len(words) && words[i+2] == "site" {
				words[i+2] = "sites"
			}
		}
	}
	return strings.NewReplacer(" was declared", " were declared", " was not captured", " were not captured", " was not kept", " were not kept", " was not decrypted", " were not decrypted",
		" was not transferred", " were not transferred", " was dropped", " were dropped", " was refused", " were refused").Replace(strings.Join(words, " "))
}

// japaneseHoles are what the reader says of holes and limits.
var japaneseHoles = []phrase{
	{"* octets at * were not captured", "$2 オクテット目から $1 オクテットがキャプチャされていない"},
	{"* octets at * were not kept", "$2 オクテット目から $1 オクテットが上限のため保持されていない"},
	{"* octets at * were not decrypted", "$2 オクテット目から $1 オクテットが復号できない"},
	{"* octets of the client's stream were not kept", "端末からのストリームの $1 オクテットが上限のため保持されていない"},
	{"* octets of the server's stream were not kept", "サーバーからのストリームの $1 オクテットが上限のため保持されていない"},
	{"* octets of the client's stream were not decrypted", "端末からのストリームの $1 オクテットが復号できない"},
	{"* octets of the server's stream were not decrypted", "サーバーからのストリームの $1 オクテットが復号できない"},
	{"* octets of the client's stream outside of any message", "端末からのストリームに、どのメッセージにも属さない $1 オクテットがある"},
	{"* octets of the server's stream outside of any message", "サーバーからのストリームに、どのメッセージにも属さない $1 オクテットがある"},
	{"* octets of the client's stream from before the first whole message", "端末からのストリームのうち、最初の完全なメッセージより前の $1 オクテット"},
	{"* octets of the server's stream from before the first whole message", "サーバーからのストリームのうち、最初の完全なメッセージより前の $1 オクテット"},
	{"* octets of frames were not captured", "HTTP/2 フレームの $1 オクテットがキャプチャされていない"},
	{"* octets of early data (0-RTT) were refused by the server, or nobody knows: the client sends that again", "早期データ（0-RTT）の $1 オクテットはサーバーが拒否したか、受理が確認できない。端末が送り直している"},
	{"the end of the client's stream was not decrypted: *", "端末からのストリームの終わりが復号できない: $1"},
	{"the end of the server's stream was not decrypted: *", "サーバーからのストリームの終わりが復号できない: $1"},
	{"the client's stream ends within a record of TLS", "端末からのストリームが TLS レコードの途中で終わっている"},
	{"the server's stream ends within a record of TLS", "サーバーからのストリームが TLS レコードの途中で終わっている"},
	{"the ClientHello is encrypted (ECH): the server's name is that of its provider", "ClientHello が暗号化されている（ECH）。サーバー名は提供者のものである"},
	{"the connection, and with it the body, was ended without TLS saying so: it may have been cut off", "接続とともに本文が終わったが、TLS の終了通知がない。途中で切られた可能性がある"},
	{"not TLS", "TLS ではない"},
	{"compressed", "TLS 圧縮"},
	{"malformed", "形式の誤り"},
	{"limit reached", "上限に達した"},

	{"* octets were declared, * came: *", "申告は $1 オクテット、届いたのは $2 オクテット: $3"},
	{"* octets were declared, * came", "申告は $1 オクテット、届いたのは $2 オクテット"},
	{"a chunk of * octets was announced, * came before the next message", "申告 $1 オクテットのチャンクのうち、次のメッセージまでに届いたのは $2 オクテット"},
	{"a chunk of * octets was announced, * came before the capture or the connection ended", "申告 $1 オクテットのチャンクのうち、キャプチャまたは接続の終わりまでに届いたのは $2 オクテット"},
	{"a chunk of * octets was announced, * came before the connection was closed", "申告 $1 オクテットのチャンクのうち、接続が閉じられるまでに届いたのは $2 オクテット"},
	{"a chunk's size is 2^64 octets or more", "チャンクの大きさが 2^64 オクテット以上とされている"},
	{"a chunk's size is * octets", "チャンクの大きさが $1 オクテットとされている"},
	{"a chunk is longer than its size says", "チャンクが申告された大きさより長い"},
	{"a gap took the size of a chunk", "チャンクの大きさの行が抜けている"},
	{"no chunk size where one should be", "チャンクの大きさがあるべき所にない"},
	{"the line before a chunk is too long", "チャンクの前の行が長すぎる"},
	{"the last chunk is missing before the capture or the connection ended", "キャプチャまたは接続の終わりまでに最後のチャンクが届いていない"},
	{"the last chunk is missing before the connection was closed", "接続が閉じられるまでに最後のチャンクが届いていない"},
	{"the last chunk is missing*", "最後のチャンクがない$1"},
	{"an unknown number of octets is missing", "何オクテットか分からない欠落がある"},
	{"the connection's end, which is that of the body, was not captured", "本文の終わりとなる接続の終わりがキャプチャされていない"},
	{"the last transfer coding is not chunked: there is no telling how long the body is", "最後の転送符号化が chunked でなく、本文の長さが分からない"},
	{"Content-Length is no number", "Content-Length が数値でない"},
	{"there are several Content-Length", "Content-Length が複数ある"},
	{"not sent: the server was asked first whether it wants it", "送られていない（送信の可否を先にサーバーへ問い合わせた）"},
	{"the head of the answer is missing", "応答のヘッダーが抜けている"},
	{"header section is longer than * octets", "ヘッダーが $1 オクテットを超える"},
	{"the capture holds no answer", "応答がキャプチャにない"},
	{"the answer was not captured", "応答がキャプチャされていない"},
	{"answers were lost while several requests waited: it is not certain which answer is whose", "複数のリクエストの応答待ち中に欠落があり、応答の対応が確かでない"},
	{"too many requests wait for an answer", "応答待ちのリクエストが多すぎる"},
	{"too many tunnels within each other", "トンネルの入れ子が多すぎる"},

	{"* codings on top of each other, more than *", "符号化が $1 重で、上限の $2 を超える"},
	{"too much was decoded already: this is not", "復号の総量が上限に達したため、展開していない"},
	{"the content is not in the coding * that was declared", "内容が申告された符号化 $1 になっていない"},
	{"the content ends before that of its coding * does", "内容が符号化 $1 の途中で終わっている"},
	{"the content does not decode by * to its end", "内容を符号化 $1 で最後まで展開できない"},
	{"the coding * is not known", "符号化 $1 は未知である"},
	{"the coding * asks for too much memory", "符号化 $1 の展開に必要なメモリーが多すぎる"},
	{"no more octets are kept in all: the rest of the connection is not told", "保持する総量の上限に達した。接続の残りは記していない"},
	{"no more octets are kept in all", "保持する総量の上限に達した"},
	{"more than * octets were to be kept: some were not", "保持すべき量が $1 オクテットを超え、一部は保持していない"},
	{"more than * DNS answers", "DNS 応答が $1 件を超える"},
	{"more than * parts", "パートが $1 個を超える"},
	{"more than * streams", "ストリームが $1 本を超える"},
	{"more than * times no frame where one should be: the rest is not read", "フレームのあるべき所にない箇所が $1 を超えたため、残りは読んでいない"},
	{"more than * programs and objects that can attack: only the first are judged", "プログラムや攻撃に使われうるオブジェクトが $1 個を超えるため、先頭のものだけを評価した"},
	{"bodies that were not searched for links: *, as there are more than * octets of text in all", "リンクを調べていない本文: $1 件（テキストの総量が $2 オクテットを超えるため）"},
	{"links of a body: more than * *", "本文のリンクの抽出: $2 が $1 を超える"},

	{"no frame where one should be", "フレームがあるべき所にない"},
	{"a malformed HEADERS frame", "HEADERS フレームの形式が誤っている"},
	{"a malformed PUSH_PROMISE frame", "PUSH_PROMISE フレームの形式が誤っている"},
	{"a header block is not complete", "ヘッダーブロックが完全でない"},
	{"a header block does not decode to its end", "ヘッダーブロックを最後まで復号できない"},
	{"a header block of more than * octets was not read", "$1 オクテットを超えるヘッダーブロックは読んでいない"},
	{"a header block was interrupted by another frame", "ヘッダーブロックが別のフレームで中断された"},
	{"part of a header block is missing", "ヘッダーブロックの一部が抜けている"},
	{"part of the header section is missing", "ヘッダーの一部が抜けている"},
	{"header fields of more than * octets were left out", "$1 オクテットを超えるヘッダーフィールドを省いた"},
	{"header fields that are not known, as they refer to what was not captured: *", "キャプチャされていないものを参照するため不明なヘッダーフィールド: $1 個"},
	{"*: header fields that refer to it are not known", "$1。これを参照するヘッダーフィールドは不明"},
	{"the client's beginning was not captured", "端末側の冒頭がキャプチャされていない"},
	{"the server's beginning was not captured", "サーバー側の冒頭がキャプチャされていない"},
	{"the stream ends within a frame's header", "ストリームがフレームのヘッダーの途中で終わっている"},
	{"the stream ends within a frame", "ストリームがフレームの途中で終わっている"},
	{"the end of the stream was not captured", "ストリームの終わりがキャプチャされていない"},
	{"the client reset the stream: code *", "端末がストリームを打ち切った（コード $1）"},
	{"the server reset the stream: code *", "サーバーがストリームを打ち切った（コード $1）"},

	{"a part of multipart/byteranges without a range that makes sense", "multipart/byteranges のパートの範囲が意味をなさない"},
	{"a partial answer without a range that makes sense", "部分応答の範囲が意味をなさない"},
	{"multipart/byteranges without a boundary", "multipart/byteranges に境界がない"},
	{"*: * octets in * ranges were not transferred or not captured", "$1: $3 か所、計 $2 オクテットが転送されていないか、キャプチャされていない"},

	{"captured without all of the headers: * frames", "ヘッダーの途中までしかキャプチャされていないフレーム: $1"},
	{"with headers that contradict themselves: * frames", "ヘッダーに矛盾のあるフレーム: $1"},
	{"of a link type that is not read: * frames", "対応していないリンク種別のフレーム: $1"},
	{"the capture is damaged in * places: *", "キャプチャが $1 か所で壊れている: $2"},
}
