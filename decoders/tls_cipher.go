package decoders

import (
	"fmt"

	"kagami/records"
)

// cipherName is the IANA name of a cipher suite, "0x1305" form when unknown.
func cipherName(id uint16) string {
	if s, ok := records.CipherSuite(id); ok {
		return s
	}
	return fmt.Sprintf("0x%04X", id)
}
