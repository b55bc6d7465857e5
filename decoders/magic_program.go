package decoders

import (
	"bytes"
	"encoding/binary"
)

var (
	traitsDLL    = []string{traitDLL}
	traitsDriver = []string{traitDriver}
)

// refine looks closer at a file whose first octets name its kind only.
func refine(t fileType, b []byte) fileType {
	switch t.word {
	case "pe":
		return refineMZ(t, b)
	case "elf":
		return refineELF(t, b)
	case "ar":
		if bytes.HasPrefix(b[8:], []byte("debian-binary")) {
			return fileType{word: "deb", mime: "application/vnd.debian.binary-package", class: classArchive}
		}
	case "ico":
		// A single icon directory begins so; zeros do, too.
		if len(b) < 6 || binary.LittleEndian.Uint16(b[4:]) == 0 {
			return fileType{}
		}
	case "matroska":
		if bytes.Contains(b[:min(len(b), 64)], []byte("webm")) {
			return fileType{word: "webm", mime: "video/webm", class: classVideo}
		}
	case "gzip", "bzip2":
		if t.word == "bzip2" && len(b) >= 4 && (b[3] < '1' || b[3] > '9') {
			return textOr(b)
		}
	case "mp3":
		if looksText(b) {
			return textType(b)
		}
	}
	return t
}

// textOr is the type of what has a binary file's first letters.
func textOr(b []byte) fileType {
	if looksText(b) {
		return textType(b)
	}
	return rare(b)
}

// refineMZ reads the PE header (Microsoft's PE Format, "COFF File Header").
// Without one it is a DOS program, or text that begins so.
func refineMZ(t fileType, b []byte) fileType {
	const (
		offsetAt        = 0x3c
		characteristics = 22
		subsystem       = 24 + 68
		isDLL           = 0x2000
		native          = 1 // drivers run without a subsystem
	)
	const surelyText = 64 // octets without one that no text has
	if len(b) < offsetAt+4 {
		return t
	}
	if len(b) >= surelyText && looksText(b) {
		return textType(b)
	}
	at := int64(binary.LittleEndian.Uint32(b[offsetAt:]))
	if at+subsystem+2 > int64(len(b)) || string(b[at:at+4]) != "PE\x00\x00" {
		return t
	}
	pe := b[at:]
	switch {
	case binary.LittleEndian.Uint16(pe[subsystem:]) == native:
		t.traits = traitsDriver
	case binary.LittleEndian.Uint16(pe[characteristics:])&isDLL != 0:
		t.traits = traitsDLL
	}
	return t
}

// refineELF tells programs, shared objects and object files by e_type.
func refineELF(t fileType, b []byte) fileType {
	const typeAt, relocatable, shared, core = 16, 1, 3, 4
	if len(b) < typeAt+2 {
		return t
	}
	kind := binary.LittleEndian.Uint16(b[typeAt:])
	if b[5] == 2 {
		kind = binary.BigEndian.Uint16(b[typeAt:])
	}
	switch kind {
	case relocatable:
		t.mime = "application/x-object"
	case shared:
		t.mime = "application/x-sharedlib" // most programs are, too
	case core:
		t.mime, t.class = "application/x-coredump", classData
	}
	return t
}
