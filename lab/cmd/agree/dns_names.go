package main

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// typeName is the mnemonic of a DNS type number, "TYPE65280" (RFC 3597) if it has none.
func typeName(number string) string {
	n, err := strconv.ParseUint(number, 0, 16)
	if err != nil {
		return number
	}
	if n == 11 {
		return "WKS" // RFC 1035: not in the table
	}
	if name, ok := dns.TypeToString[uint16(n)]; ok && n != 0 {
		return name
	}
	return "TYPE" + strconv.FormatUint(n, 10)
}

// rcodeName is the mnemonic of a response code.
func rcodeName(number string) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return number
	}
	if name, ok := dns.RcodeToString[n]; ok {
		return name
	}
	return number
}

// headerRCode is the part of a response code that stands in the header: its
// lower four bits. The rest is in the OPT record (RFC 6891 section 6.1.3).
func headerRCode(name string) string {
	if name == "BADVERS" { // 16, for which the table has TSIG's BADSIG
		return "NOERROR"
	}
	if n, ok := dns.StringToRcode[name]; ok {
		return dns.RcodeToString[n&0xf]
	}
	return name
}

// tsharkName is a name as tshark writes it, made raw: the root is "<Root>", and
// unprintable octets are escaped in octal.
func tsharkName(s string) string {
	if s == "<Root>" {
		return "."
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return legible(b.String())
}

// legible puts one "?" for each run of octets beyond ASCII, which programs write
// in different ways or replace.
func legible(s string) string {
	var b strings.Builder
	beyond := false
	for i := range len(s) {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
		} else if !beyond {
			b.WriteByte('?')
		}
		beyond = s[i] >= 0x80
	}
	return b.String()
}

// rawName undoes the escapes of presentation format (RFC 1035 section 5.1), as
// other programs write names raw.
func rawName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}
