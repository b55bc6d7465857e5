package links
import "bytes"
func (f *finder) readSWF(t *text) { _ = bytes.MinRead }
func (f *finder) readZIP(t *text) {}
func (f *finder) readPDF(t *text) {}
