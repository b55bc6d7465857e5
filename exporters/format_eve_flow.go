package exporters

import (
	"kagami/packet"
	"kagami/records"
)

// flow is the event that Suricata writes at a flow's end.
func (f *eve) flow(r *records.Flow) {
	m := r.Meta()
	f.head(m, "flow")
	if m.Key.Proto == packet.ProtoICMP || m.Key.Proto == packet.ProtoICMPv6 {
		f.count("icmp_type", uint64(r.ICMPType))
		f.count("icmp_code", uint64(r.ICMPCode))
	}
	f.str("app_proto", r.Service)
	n := f.begin("flow")
	f.count("pkts_toserver", r.Orig.Packets)
	f.count("pkts_toclient", r.Resp.Packets)
	f.count("bytes_toserver", r.Orig.Bytes)
	f.count("bytes_toclient", r.Resp.Bytes)
	f.time("start", r.Start)
	f.time("end", r.End)
	f.int("age", max(0, r.End/1e9-r.Start/1e9))
	f.word("state", eveState(r, m.Key.Proto))
	f.word("reason", eveReason(r.EndReason))
	f.end(n)
	if m.Key.Proto == packet.ProtoTCP {
		f.tcp(r)
	}
}

// eveState is Suricata's state of a flow at its end.
func eveState(r *records.Flow, proto uint8) string {
	switch {
	case proto == packet.ProtoTCP && eveTCPState(r.ConnState) == "closed":
		return "closed"
	case r.Orig.Packets > 0 && r.Resp.Packets > 0:
		return "established"
	}
	return "new"
}

func eveReason(end string) string {
	switch end {
	case "fin", "rst", "timeout":
		return "timeout"
	case "end of capture":
		return "shutdown"
	}
	return "forced"
}

// tcp writes which flags the flow had, as far as its history tells.
func (f *eve) tcp(r *records.Flow) {
	var syn, fin, rst, ack bool
	for i := range len(r.History) {
		switch r.History[i] | 0x20 {
		case 's':
			syn = true
		case 'h':
			syn, ack = true, true
		case 'f':
			fin = true
		case 'r':
			rst = true
		case 'a', 'd':
			ack = true
		}
	}
	n := f.begin("tcp")
	f.flag("syn", syn)
	f.flag("fin", fin)
	f.flag("rst", rst)
	f.flag("ack", ack)
	f.word("state", eveTCPState(r.ConnState))
	f.flag("ts_gap", r.Orig.Missed > 0)
	f.flag("tc_gap", r.Resp.Missed > 0)
	f.end(n)
}

// eveTCPState is Suricata's name of what Zeek's conn_state says.
func eveTCPState(state string) string {
	switch state {
	case "S0", "SH":
		return "syn_sent"
	case "SHR":
		return "syn_recv"
	case "S1", "OTH":
		return "established"
	case "S2":
		return "close_wait"
	case "S3":
		return "fin_wait1"
	}
	return "closed"
}

// alert is a detector's finding. EVE numbers its signatures: the number here is
// made of the rule's name, in the range that is left to local rules.
func (f *eve) alert(r *records.Alert) {
	m := r.Meta()
	f.time("timestamp", m.At)
	f.count("flow_id", eveFlowID(m.UID))
	f.word("event_type", "alert")
	f.addr("src_ip", r.Source)
	f.addr("dest_ip", r.DestAddr)
	f.some("dest_port", uint64(r.DestPort))
	f.word("proto", eveProto(m.Key.Proto))
	f.str("community_id", m.CommunityID)
	n := f.begin("alert")
	f.word("action", "allowed")
	f.int("gid", 1)
	f.count("signature_id", eveSignature(r.Rule))
	f.int("rev", 1)
	f.str("signature", r.Title)
	f.str("category", r.Rule)
	f.int("severity", eveSeverity(r.Severity))
	metadata := f.begin("metadata")
	f.strs("mitre_technique_id", r.Technique)
	f.str("incident", r.Incident)
	f.some("update", uint64(r.Update))
	f.str("level", r.Level)
	source := sourceHost(r)
	f.str("source_host", source.host)
	f.str("source_user", source.user)
	f.strs("evidence", r.Evidence)
	f.strs("chain", r.Chain)
	f.str("benign", r.Benign)
	f.str("advice", r.Advice)
	f.str("destination", r.Destination)
	f.key("score")
	f.b = appendJSONFloat(f.b, r.Score)
	f.strs("flow_ids", r.Flows)
	f.strs("community_ids", r.Communities)
	f.window(&r.Window)
	f.end(metadata)
	f.end(n)
	if r.Since != 0 || r.Until != 0 {
		flow := f.begin("flow")
		f.time("start", r.Since)
		f.time("end", r.Until)
		f.end(flow)
	}
}

func (f *eve) window(w *records.Window) {
	n := f.begin("window")
	f.count("flows", w.Flows)
	f.count("one_sided", w.OneSided)
	f.count("missed_bytes", w.Missed)
	f.count("dropped", w.Dropped)
	f.count("duplicates", w.Duplicates)
	f.count("clock_steps", w.ClockSteps)
	f.end(n)
}

const (
	localSignatures     = 1000000 // the first number of local rules
	localSignatureRange = 1000000
)

func eveSignature(rule string) uint64 {
	return localSignatures + hashText(rule)%localSignatureRange
}

// eveSeverity counts the other way: 1 is the worst.
func eveSeverity(s records.Severity) int64 {
	switch {
	case s >= records.High:
		return 1
	case s == records.Medium:
		return 2
	}
	return 3
}

// eveTotals add up what stats records count since the last one: Suricata's
// counters run from its start.
type eveTotals struct {
	start                                        int64
	frames, dropped, bytes, notRead, flows, gaps uint64
}

func (f *eve) stats(r *records.Stats) {
	t := &f.totals
	if t.start == 0 {
		t.start = r.Start
	}
	t.frames += r.Frames
	t.dropped += r.Dropped
	t.bytes += r.Bytes
	t.notRead += r.NotRead
	t.flows += r.FlowsNew
	t.gaps += r.Gaps
	f.time("timestamp", r.Meta().At)
	f.word("event_type", "stats")
	n := f.begin("stats")
	f.int("uptime", max(0, r.End-t.start)/1e9)
	capture := f.begin("capture")
	f.count("kernel_packets", t.frames)
	f.count("kernel_drops", t.dropped)
	f.end(capture)
	decoder := f.begin("decoder")
	f.count("pkts", t.frames-min(t.frames, t.dropped))
	f.count("bytes", t.bytes)
	f.count("invalid", t.notRead)
	f.end(decoder)
	flow := f.begin("flow")
	f.count("total", t.flows)
	f.count("active", r.FlowsOpen)
	f.end(flow)
	tcp := f.begin("tcp")
	f.count("reassembly_gap", t.gaps)
	f.end(tcp)
	f.end(n)
}
