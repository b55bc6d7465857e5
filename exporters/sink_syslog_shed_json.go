package exporters

import "bytes"

// jsonShape is where an object's line keeps the marker.
type jsonShape struct {
	flat  bool // dotted names instead of nested objects, as Zeek writes them
	tiers func(path []byte) tier
}

func shapeOf(text []byte) jsonShape {
	switch {
	case bytes.HasPrefix(text, []byte(`{"_path":`)):
		return jsonShape{true, zeekTier}
	case bytes.HasPrefix(text, []byte(`{"@timestamp":`)):
		return jsonShape{false, ecsTier}
	}
	return jsonShape{false, eveTier}
}

func ecsTier(path []byte) tier {
	switch string(path) {
	case "@timestamp", "ecs.version", "event.id", "event.kind", "event.dataset", "event.action", "source.ip", "destination.ip", "kagami.alert.incident":
		return vital
	case "event.category", "event.type", "event.module", "event.start", "event.end", "event.severity", "source.port", "destination.port",
		"network.transport", "rule.id", "rule.name", "message", "observer.product", "observer.type", "observer.vendor":
		return important
	case "kagami.heartbeat.text":
		return precious
	}
	if bytes.HasPrefix(path, []byte("kagami.")) {
		return optional
	}
	return usual
}

func eveTier(path []byte) tier {
	switch string(path) {
	case "timestamp", "event_type", "src_ip", "dest_ip", "alert.signature_id":
		return vital
	case "flow_id", "src_port", "dest_port", "proto", "ip_v", "alert.signature", "alert.severity", "alert.category", "alert.action", "alert.gid", "alert.rev":
		return important
	case "engine.message":
		return precious
	}
	return usual
}

func zeekTier(path []byte) tier {
	switch string(path) {
	case "_path", "ts", "uid", "id.orig_h", "id.resp_h", "note":
		return vital
	case "id.orig_p", "id.resp_p", "proto", "src", "dst":
		return important
	case "text": // the heartbeat's
		return precious
	}
	return usual
}

// jsonOverhead is what the marker has besides names: a comma, a nested object.
const jsonOverhead = len(`,"kagami":{"shed":[]},`)

func (s *shedder) appendJSON(dst, text []byte, room int) ([]byte, bool) {
	shape := shapeOf(text)
	s.parts = s.parts[:0]
	s.paths = s.paths[:0]
	if end := s.members(text, 0, nil, shape); end != len(text) {
		return dst, false
	}
	s.shorten(text, s.choose(len(text)-room, jsonOverhead, 3))
	n := len(s.parts)
	var stamp []byte // stays the last member
	if n > 0 && isStampMember(s.parts[n-1].path) {
		n--
		stamp = text[s.parts[n].from:s.parts[n].to]
	}
	dst = s.appendMembers(append(dst, '{'), text, 0, n, shape)
	if shape.flat || !s.keepsKagami() { // else the marker stands there
		dst = s.appendMarker(dst, shape)
	}
	if stamp != nil {
		dst = append(append(dst, ','), stamp...)
	}
	return append(dst, '}'), true
}

// isStampMember tells the member that says which sensor and which of its lines this is;
// an object, and the last one (in EVE among other metadata). It is taken as a whole.
func isStampMember(path []byte) bool {
	return string(path) == "kagami.export" || string(path) == "metadata"
}

// appendMarker appends a member that says what is gone.
func (s *shedder) appendMarker(dst []byte, shape jsonShape) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	if shape.flat {
		return append(s.appendNames(append(dst, `"kagami.shed":[`...), `"`), ']')
	}
	return append(s.appendNames(append(dst, `"kagami":{"shed":[`...), `"`), "]}"...)
}

// members notes the members of the object that begins at text[at], and returns
// where it ends; -1: that is no object.
func (s *shedder) members(text []byte, at int, prefix []byte, shape jsonShape) int {
	at++
	for at < len(text) && text[at] != '}' {
		from := at
		if text[at] == ',' {
			from, at = at+1, at+1
		}
		end := skipString(text, at)
		if end < 0 || end >= len(text) || text[end] != ':' {
			return -1
		}
		path := text[at+1 : end-1]
		if len(prefix) > 0 {
			began := len(s.paths)
			s.paths = append(append(append(s.paths, prefix...), '.'), path...)
			path = s.paths[began:len(s.paths):len(s.paths)]
		}
		i := len(s.parts)
		s.parts = append(s.parts, part{path: path, from: from, value: end + 1, tier: tierOf(shape, path, text[end+1:])})
		if at = end + 1; at < len(text) && text[at] == '{' && !isStampMember(path) {
			at = s.members(text, at, path, shape)
			s.parts[i].last = len(s.parts)
		} else {
			at = skipValue(text, at)
		}
		if at < 0 {
			return -1
		}
		s.parts[i].to = at
	}
	return at + 1
}

func tierOf(shape jsonShape, path, value []byte) tier {
	if isStampMember(path) {
		return vital
	}
	t := shape.tiers(path)
	if t == usual && len(value) > 0 && value[0] == '[' {
		return optional
	}
	return t
}

// skipString returns where the string that begins at text[at] ends; -1: none does.
func skipString(text []byte, at int) int {
	if at >= len(text) || text[at] != '"' {
		return -1
	}
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue returns where the value that begins at text[at] ends; -1: nowhere.
func skipValue(text []byte, at int) int {
	depth := 0
	for at < len(text) {
		switch text[at] {
		case '"':
			if at = skipString(text, at); at < 0 {
				return -1
			}
			if depth == 0 {
				return at
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',':
			if depth == 0 {
				return at
			}
		}
		at++
	}
	return -1
}

// shorten gives the last array that went its first elements back, as many as
// slack has room for.
func (s *shedder) shorten(text []byte, slack int) {
	if slack < 0 || len(s.order) == 0 {
		return
	}
	p := &s.parts[s.order[len(s.order)-1]]
	if text[p.value] != '[' {
		return
	}
	room := slack - (p.value - p.from) - len("[],")
	for at := p.value + 1; ; at++ { // behind a comma
		end := skipValue(text, at)
		if end < 0 || end-p.value-1 > room {
			return
		}
		p.keep, p.gone = end, false
		if text[end] != ',' {
			return
		}
		at = end
	}
}

// keepsKagami tells whether something of the kagami object is left, within which
// the marker then stands.
func (s *shedder) keepsKagami() bool {
	for i := 0; i < len(s.parts); i++ {
		if p := &s.parts[i]; p.last > 0 && string(p.path) == "kagami" {
			return s.someLeft(i+1, p.last)
		}
	}
	return false
}

func (s *shedder) someLeft(from, to int) bool {
	for i := from; i < to; i++ {
		if p := &s.parts[i]; p.last == 0 && !p.gone {
			return true
		}
	}
	return false
}

// appendMembers appends what is left of the members from to to.
func (s *shedder) appendMembers(dst, text []byte, from, to int, shape jsonShape) []byte {
	some := false
	for i := from; i < to; i++ {
		p := &s.parts[i]
		if p.last > 0 && !s.someLeft(i+1, p.last) {
			i = p.last - 1
			continue
		}
		if p.gone {
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		switch {
		case p.last > 0:
			dst = append(dst, text[p.from:p.value+1]...)
			dst = s.appendMembers(dst, text, i+1, p.last, shape)
			if string(p.path) == "kagami" && !shape.flat {
				dst = append(s.appendNames(append(dst, `,"shed":[`...), `"`), ']')
			}
			dst = append(dst, '}')
			i = p.last - 1
		case p.keep > 0:
			dst = append(append(dst, text[p.from:p.keep]...), ']')
		default:
			dst = append(dst, text[p.from:p.to]...)
		}
	}
	return dst
}
