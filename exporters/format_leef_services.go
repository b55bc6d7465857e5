package exporters

import "kagami/records"

func (f *leef) quic(r *records.QUIC) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "quic", peer{}, peer{host: r.ServerName})
	f.str("quicVersion", r.Version, leefText)
	f.str("ja3", r.JA3, leefText)
	f.str("ja4", r.JA4, leefText)
	f.list("alpn", r.ClientALPN, leefText)
	f.str("clientDcid", r.ClientDCID, leefText)
	f.str("userAgent", r.UserAgent, leefText)
	f.flag("established", r.Established)
	f.str("history", r.History, leefText)
	f.str("closeReason", r.CloseReason, leefText)
	f.str("violation", r.Odd, leefText)
}

func (f *leef) socks(r *records.SOCKS) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "socks", peer{user: r.User}, peer{})
	f.str("socksVersion", r.Version, leefText)
	f.str("method", r.Method, leefText)
	f.str("command", r.Command, leefText)
	f.str("requestName", r.RequestName, leefText)
	f.addr("requestAddress", r.RequestAddr)
	f.some("requestPort", uint64(r.RequestPort))
	f.str("socksStatus", r.Status, leefText)
	f.int("srcBytes", max(0, r.TunnelFromOrig))
	f.int("dstBytes", max(0, r.TunnelFromResp))
	f.str("tunnel", r.Tunnel, leefText)
	f.str("tunnelName", r.TunnelName, leefText)
	f.str("violation", r.Odd, leefText)
}

func (f *leef) webSocket(r *records.WebSocket) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "websocket", peer{}, peer{host: withoutPort(r.Host)})
	f.str("url", r.URL, leefLong)
	f.str("userAgent", r.UserAgent, leefText)
	f.str("origin", r.Origin, leefText)
	f.str("subprotocol", r.Subprotocol, leefText)
	f.list("extensions", r.ServerExtensions, leefText)
	f.int("srcBytes", int64(r.Client.Bytes))
	f.int("dstBytes", int64(r.Server.Bytes))
	f.int("srcFrames", int64(r.Client.Frames))
	f.int("dstFrames", int64(r.Server.Frames))
	f.str("closedBy", r.ClosedBy, leefText)
	f.str("srcReason", r.Client.Reason, leefText)
	f.str("dstReason", r.Server.Reason, leefText)
	f.str("violation", r.Odd, leefText)
}

func (f *leef) dhcp(r *records.DHCP) {
	f.time("start", r.Time)
	f.connection(r.Meta(), r.Protocol(), peer{host: dhcpName(r)}, peer{})
	f.str("messageType", r.Type, leefText)
	f.int("transactionId", int64(r.XID))
	f.mac("clientMac", r.MAC)
	f.addr("clientAddress", r.ClientIP)
	f.addr("requestedAddress", r.RequestedIP)
	f.addr("assignedAddress", r.AssignedIP)
	f.addr("serverAddress", r.ServerIP)
	f.addr("relayAddress", r.RelayIP)
	f.some("leaseSeconds", uint64(r.LeaseTime))
	f.str("vendorClass", r.VendorClass, leefText)
	f.str("networkDomain", r.Domain, leefText)
	f.str("message", r.Message, leefText)
	f.word("outcome", dhcpOutcome(r))
	f.str("violation", r.Odd, leefText)
}

func (f *leef) ntp(r *records.NTP) {
	f.time("start", r.Time)
	f.connection(r.Meta(), "ntp", peer{}, peer{})
	f.int("ntpVersion", int64(r.Version))
	f.int("ntpMode", int64(r.Mode))
	if r.Control() {
		f.str("operation", r.Operation, leefText)
		return
	}
	f.int("stratum", int64(r.Stratum))
	f.key("referenceId")
	f.b = appendHexOctets(f.b, r.RefID[:], ':', lowerHex)
}

func (f *leef) ssdp(r *records.SSDP) {
	f.time("start", r.Time)
	f.connection(r.Meta(), "ssdp", peer{host: r.Name}, peer{})
	f.str("method", r.Method, leefText)
	f.str("type", r.Type, leefText)
	f.str("event", r.Event, leefText)
	f.str("usn", r.USN, leefText)
	f.str("url", r.Location, leefLong)
	f.str("server", r.Server, leefText)
	f.str("userAgent", r.UserAgent, leefText)
	f.str("violation", r.Odd, leefText)
}

func (f *leef) ftp(r *records.FTP) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "ftp", peer{user: r.User}, peer{})
	f.str("command", r.Command, leefText)
	f.str("argument", r.Argument, leefText)
	f.str("url", r.URL, leefLong)
	f.str("filePath", r.Path, leefText)
	f.str("oldFilePath", r.From, leefText)
	f.str("fileName", r.File.Name, leefText)
	f.str("fileId", r.File.ID, leefText)
	f.str("mime", r.File.MIME, leefText)
	if r.Size >= 0 {
		f.int("fileSize", r.Size)
	}
	f.some("status", uint64(max(0, r.Code)))
	f.str("reply", r.Reply, leefText)
	if r.Data.IsValid() {
		f.addr("dataAddress", r.Data.Addr())
		f.int("dataPort", int64(r.Data.Port()))
		f.flag("passive", r.Passive)
	}
	f.str("violation", r.Odd, leefText)
}
