package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// The contents of files that cross the network. The test makes them again, and
// holds the digests that Kagami says against theirs.

// reportPDF looks like a document.
func reportPDF() string {
	return "%PDF-1.4\n" + strings.Repeat("% lab report, nothing in it\n", 60) + "%%EOF\n"
}

// scheduleText is a text in Shift_JIS.
func scheduleText() string {
	return sjis(strings.Repeat("予定表 会議 10:00 第一会議室\r\n", 30))
}

// executable looks like a program for Windows and does nothing.
func executable() string { return "MZ" + strings.Repeat("\x00", 510) }

// invoiceZip is an archive with a program inside.
func invoiceZip() (string, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "invoice.exe", Method: zip.Store})
	if err == nil {
		_, err = w.Write([]byte(executable()))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return "", fmt.Errorf("make archive: %w", err)
	}
	return b.String(), nil
}

func sjis(s string) string { return encoded(japanese.ShiftJIS, s) }
func jis(s string) string  { return encoded(japanese.ISO2022JP, s) }

// encoded panics where a text has no form in an encoding: both are constants here.
func encoded(e encoding.Encoding, s string) string {
	out, err := e.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

// word is an encoded word (RFC 2047 section 2).
func word(charset, octets string) string {
	return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(octets)) + "?="
}

// folded is base64 in lines as mail has it.
func folded(s string) string {
	var b strings.Builder
	text := base64.StdEncoding.EncodeToString([]byte(s))
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text + "\r\n"
}

// plainMail is a short text in UTF-8.
func plainMail() string {
	return crlf(`From: ` + word("UTF-8", "経理部 花子") + ` <hanako@corp.example>
To: taro@corp.example
Cc: "Suzuki, Ichiro" <ichiro@corp.example>
Reply-To: keiri@corp.example
Subject: ` + word("UTF-8", "請求書のご確認") + `
Date: Sun, 22 Nov 2026 09:00:00 +0900
Message-ID: <plain-1@corp.example>
X-Mailer: Lab Mailer 1.0
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

ご確認ください。 http://portal.example/invoice?id=7
.a line with a dot
`)
}

// richMail has attachments named in each of the ways that Japanese mailers use,
// and a message inside.
func richMail() (string, error) {
	archive, err := invoiceZip()
	if err != nil {
		return "", err
	}
	head := crlf(`Received: from pc7.corp.example ([10.4.0.7]) by gw.corp.example with ESMTP id LAB7; Sun, 22 Nov 2026 09:05:00 +0900
From: ` + word("ISO-2022-JP", jis("山田太郎")) + ` <yamada@partner.example>
To: taro@corp.example, hanako@corp.example
Subject: ` + word("ISO-2022-JP", jis("見積書の送付")) + `
Date: Sun, 22 Nov 2026 09:05:00 +0900
Message-ID: <rich-1@partner.example>
In-Reply-To: <plain-1@corp.example>
User-Agent: Lab Mailer 2.0
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer=_1"

preamble
--outer=_1
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=ISO-2022-JP
Content-Transfer-Encoding: 7bit

` + jis("添付をご覧ください。") + `
--inner
Content-Type: text/html; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

<a href=3D"http://partner.example/quote">=E8=A6=8B=E7=A9=8D</a>
--inner--
--outer=_1
Content-Type: application/pdf
Content-Disposition: attachment; filename*0*=UTF-8''%E5%A0%B1%E5%91%8A%E6%9B%B8; filename*1*=%202026.pdf
Content-Transfer-Encoding: base64

`)
	return head + folded(reportPDF()) + crlf(`--outer=_1
Content-Type: application/zip; name="`+word("ISO-2022-JP", jis("請求書.zip"))+`"
Content-Disposition: attachment; filename="`+word("ISO-2022-JP", jis("請求書.zip"))+`"
Content-Transfer-Encoding: base64

`) + folded(archive) + crlf("--outer=_1\nContent-Type: text/plain; charset=Shift_JIS\nContent-Disposition: attachment; filename=\""+sjis("予定表.txt")+"\"\nContent-Transfer-Encoding: base64\n\n") +
		folded(scheduleText()) + crlf("--outer=_1\nContent-Type: message/rfc822\n\n") + forwarded() + crlf("--outer=_1--\n"), nil
}

// forwarded is a message inside another.
func forwarded() string {
	return crlf("From: boss@partner.example\nTo: yamada@partner.example\nSubject: =?UTF-8?Q?=E8=BB=A2=E9=80=81?=\nMessage-ID: <inner-1@partner.example>\nContent-Type: text/plain\n\nPlease send the quote.\n")
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
