package exporters

import "kagami/records"

func (f *cef) quic(r *records.QUIC) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "quic", peer{}, peer{host: r.ServerName})
	f.word("outcome", outcome(r.Established || r.CloseFrom != "", !r.Established))
	f.str("reason", r.CloseReason, cefLong)
	f.str("requestClientApplication", r.UserAgent, cefLong)
	f.custom(1, "QUIC version", r.Version)
	f.custom(2, "Packet history", r.History)
	f.custom(3, "JA3", r.JA3)
	f.customList(4, "ALPN", r.ClientALPN)
	f.custom(5, "Client DCID", r.ClientDCID)
	f.custom(6, "Violation", r.Odd)
	if r.JA4 != "" {
		f.str("flexString2", r.JA4, cefLong)
		f.word("flexString2Label", "JA4")
	}
}

func (f *cef) socks(r *records.SOCKS) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "socks", peer{user: r.User}, peer{})
	f.word("outcome", outcome(r.Status != "" || r.UserRefused, !r.Granted()))
	f.str("reason", r.Status, cefLong)
	f.str("act", r.Command, cefShort)
	f.str("destinationDnsDomain", r.RequestName, 255)
	f.some("destinationTranslatedPort", uint64(r.RequestPort))
	if r.RequestAddr.Is4() {
		f.addr("destinationTranslatedAddress", r.RequestAddr)
	} else {
		f.customAddr(6, "Requested address", r.RequestAddr)
	}
	f.volume("in", r.TunnelFromOrig)
	f.volume("out", r.TunnelFromResp)
	f.custom(1, "SOCKS version", r.Version)
	f.custom(2, "Method", r.Method)
	f.custom(3, "Tunnelled protocol", r.Tunnel)
	f.custom(4, "Tunnelled name", r.TunnelName)
	f.custom(5, "Violation", r.Odd)
}

func (f *cef) webSocket(r *records.WebSocket) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "websocket", peer{}, peer{host: withoutPort(r.Host)})
	f.str("request", r.URL, cefLong)
	f.str("requestContext", r.Origin, 2048)
	f.str("requestClientApplication", r.UserAgent, cefLong)
	f.volume("in", int64(r.Client.Bytes))
	f.volume("out", int64(r.Server.Bytes))
	f.str("reason", r.ClosedBy, cefLong)
	f.custom(1, "Subprotocol", r.Subprotocol)
	f.customList(2, "Extensions", r.ServerExtensions)
	f.custom(3, "Client's reason", r.Client.Reason)
	f.custom(4, "Server's reason", r.Server.Reason)
	f.custom(6, "Violation", r.Odd)
	f.number(1, "Frames in", int64(r.Client.Frames))
	f.number(2, "Frames out", int64(r.Server.Frames))
}

func (f *cef) dhcp(r *records.DHCP) {
	f.time("start", r.Time)
	f.connection(r.Meta(), r.Protocol(), peer{host: dhcpName(r)}, peer{})
	f.str("reason", r.Message, cefLong)
	f.word("outcome", dhcpOutcome(r))
	f.custom(1, "Message type", r.Type)
	if r.MAC != ([6]byte{}) {
		f.mac("cs2", r.MAC)
		f.word("cs2Label", "Client MAC")
	}
	f.customAddr(3, "Assigned address", r.AssignedIP)
	f.custom(4, "Vendor class", r.VendorClass)
	f.custom(5, "Domain", r.Domain)
	f.custom(6, "Violation", r.Odd)
	f.number(1, "Transaction id", int64(r.XID))
	if r.LeaseTime != 0 {
		f.number(2, "Lease time s", int64(r.LeaseTime))
	}
}

func (f *cef) ntp(r *records.NTP) {
	f.time("start", r.Time)
	f.connection(r.Meta(), "ntp", peer{}, peer{})
	f.str("act", r.Operation, cefShort)
	f.number(1, "NTP mode", int64(r.Mode))
	f.number(2, "NTP version", int64(r.Version))
	if !r.Control() {
		f.number(3, "Stratum", int64(r.Stratum))
		f.key("cs1")
		f.b = appendHexOctets(f.b, r.RefID[:], ':', lowerHex)
		f.word("cs1Label", "Reference id")
	}
}

func (f *cef) ssdp(r *records.SSDP) {
	f.time("start", r.Time)
	f.connection(r.Meta(), "ssdp", peer{host: r.Name}, peer{})
	f.str("request", r.Location, cefLong)
	f.str("requestMethod", r.Method, 40)
	f.str("requestClientApplication", r.UserAgent, cefLong)
	f.custom(1, "Type", r.Type)
	f.custom(2, "Event", r.Event)
	f.custom(3, "USN", r.USN)
	f.custom(4, "Server", r.Server)
	f.custom(6, "Violation", r.Odd)
}

func (f *cef) ftp(r *records.FTP) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "ftp", peer{user: r.User}, peer{})
	f.str("act", r.Command, cefShort)
	f.str("request", r.URL, cefLong)
	f.str("msg", r.Argument, cefMessage)
	f.str("filePath", r.Path, cefLong)
	f.str("oldFilePath", r.From, cefLong)
	f.str("fname", r.File.Name, cefFile)
	f.str("fileType", r.File.MIME, cefLong)
	f.str("fileId", r.File.ID, cefLong)
	if r.Size >= 0 {
		f.volume("fsize", r.Size)
	}
	f.word("outcome", outcome(r.Code >= 200, r.Code >= 400))
	f.str("reason", r.Reply, cefLong)
	if r.Code > 0 {
		f.number(1, "Reply code", int64(r.Code))
	}
	if r.Data.IsValid() {
		f.customAddr(1, "Data address", r.Data.Addr())
		f.number(2, "Data port", int64(r.Data.Port()))
	}
	f.custom(6, "Violation", r.Odd)
}
