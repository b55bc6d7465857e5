package lab

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// words is what pages are written with.
func words() []string {
	return strings.Fields(`market report today meeting price season travel station garden
		kitchen recipe weather morning evening company project budget team player match league
		ticket hotel review camera battery update phone screen power design paper school student
		teacher river mountain island harbour bridge train express line platform museum gallery
		artist music concert festival summer autumn winter spring rice tea noodle soup bread
		fruit vegetable market index yen stock growth quarter result forecast policy office
		ニュース 天気 東京 大阪 京都 価格 旅行 駅前 料理 会議 資料 更新 速報 経済 社会 地域 健康 教育 特集 一覧`)
}

// sentence writes n words.
func sentence(r *Rand, n int) string {
	list := words()
	out := make([]string, n)
	for i := range out {
		out[i] = Pick(r, list)
	}
	return strings.Join(out, " ") + "."
}

// htmlPage writes a page with the given tags in its head and n paragraphs.
func htmlPage(r *Rand, title string, head []string, n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta charset=\"utf-8\">\n<title>%s</title>\n", title)
	for _, tag := range head {
		b.WriteString(tag + "\n")
	}
	b.WriteString("</head>\n<body>\n")
	for i := range n {
		fmt.Fprintf(&b, "<h2 id=\"s%d\">%s</h2>\n<p class=\"lead\">%s</p>\n", i, sentence(r, 4), sentence(r, r.Int(20, 70)))
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

// styleSheet writes n rules.
func styleSheet(r *Rand, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, ".c%d, #s%d > p { margin: %dpx %dpx; color: #%06x; font-size: %d%%; }\n",
			i, i, r.Below(40), r.Below(40), r.Below(1<<24), r.Int(60, 180))
	}
	return b.Bytes()
}

// script writes n small functions.
func script(r *Rand, n int) []byte {
	var b bytes.Buffer
	b.WriteString("(function (w, d) {\n  'use strict';\n")
	for i := range n {
		fmt.Fprintf(&b, "  function f%d(a, b) { var x = a * %d + (b || %d); return x %% %d ? d.getElementById('s' + x) : w.app%d; }\n",
			i, r.Below(1000), r.Below(1000), r.Int(2, 99), r.Below(9))
	}
	b.WriteString("}(window, document));\n")
	return b.Bytes()
}

// jsonList writes n records.
func jsonList(r *Rand, n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"status":"ok","items":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":%q,"score":%d}`, r.Int(1000, 99999), sentence(r, 5), r.Below(100))
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

// picture writes a valid grey-scale PNG whose pixels are stored, not
// compressed (RFC 2083, RFC 1951 section 3.2.4), so no encoder can change it.
func picture(r *Rand, width, height int) []byte {
	var raw bytes.Buffer
	step := byte(r.Int(1, 9))
	for y := range height {
		raw.WriteByte(0) // filter: none
		for x := range width {
			raw.WriteByte(byte(x)*step ^ byte(y))
		}
	}
	data := raw.Bytes()[:min(raw.Len(), 0xffff)]
	z := []byte{0x78, 0x01, 0x01}
	z = binary.LittleEndian.AppendUint16(z, uint16(len(data)))
	z = binary.LittleEndian.AppendUint16(z, ^uint16(len(data)))
	z = append(z, data...)
	z = binary.BigEndian.AppendUint32(z, adler32.Checksum(data))
	ihdr := binary.BigEndian.AppendUint32(nil, uint32(width))
	ihdr = binary.BigEndian.AppendUint32(ihdr, uint32(height))
	out := []byte("\x89PNG\r\n\x1a\n")
	out = pngChunk(out, "IHDR", append(ihdr, 8, 0, 0, 0, 0))
	out = pngChunk(out, "IDAT", z)
	return pngChunk(out, "IEND", nil)
}

func pngChunk(out []byte, kind string, data []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	body := append([]byte(kind), data...)
	out = append(out, body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

// pixelGIF is the one-pixel transparent GIF that counts visits.
func pixelGIF() []byte {
	b, _ := hex.DecodeString("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
	return b
}

// zipped compresses with gzip. The module is pinned in go.sum, unlike the
// toolchain's own encoder, so the bytes change only on purpose.
func zipped(body []byte) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	zw.Write(body) // a bytes.Buffer does not fail
	zw.Close()
	return b.Bytes()
}

// unzipped is the inverse of zipped.
func unzipped(body []byte) []byte {
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		return nil
	}
	return plain
}

// program writes the headers of a Windows program around random bytes: DOS
// header and stub text, PE signature, COFF header, one data section. There is
// no code section and no entry point: no system will run it.
func program(r *Rand, size int) []byte {
	b := make([]byte, 0x80, size+0x400)
	copy(b, "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8")
	b[0x3c] = 0x80 // e_lfanew
	copy(b[0x4e:], "This program cannot be run in DOS mode.\r\r\n$")
	b = append(b, "PE\x00\x00"...)
	b = append(b, 0x4c, 0x01, 1, 0)       // i386, one section
	b = append(b, make([]byte, 12)...)    // no time, no symbols
	b = append(b, 0xe0, 0x00, 0x02, 0x21) // optional header size, characteristics
	opt := make([]byte, 0xe0)             // entry point 0
	copy(opt, "\x0b\x01")                 // PE32
	b = append(b, opt...)                 //
	b = append(b, ".data\x00\x00\x00"...) //
	b = append(b, make([]byte, 28)...)    // sizes and places: none
	b = append(b, 0x40, 0x00, 0x00, 0x40) // initialised data, read only
	b = append(b, "INERT TEST FILE: RANDOM BYTES, NOT A PROGRAM\n"...)
	return append(b, r.Bytes(max(0, size-len(b)))...)
}

// cabinet writes a cabinet file's signature and header around random bytes.
func cabinet(r *Rand, size int) []byte {
	b := make([]byte, 36)
	copy(b, "MSCF")
	binary.LittleEndian.PutUint32(b[8:], uint32(size))
	b[24], b[25] = 3, 1 // version 1.3
	return append(b, r.Bytes(max(0, size-len(b)))...)
}

// flash writes the signature of a compressed Flash file before random bytes:
// it does not decompress to anything.
func flash(r *Rand, size int) []byte {
	b := []byte("CWS\x0b")
	b = binary.LittleEndian.AppendUint32(b, uint32(size*2))
	return append(b, r.Bytes(size-len(b))...)
}
