package exporters

import "kagami/records"

// eventOf is the identity of a kind of event: what CEF and LEEF have in their
// headers. The id is ECS's event.action; where that leaves it to the outcome whether
// somebody got what he wanted, refusals have an id of their own, since SIEMs map
// events and write rules by id.
func eventOf(rec records.Record) (id, name string) {
	switch r := rec.(type) {
	case *records.Flow:
		if r.Action == "Deny" {
			return "flow-denied", "Network flow denied"
		}
		return "flow-end", "Network flow"
	case *records.DNS:
		if r.Response {
			return "dns-answer", "DNS answer"
		}
		return "dns-query", "DNS query"
	case *records.HTTP:
		switch {
		case !r.RequestSeen:
			return "http-response", "HTTP response"
		case deniedByProxy(r):
			return "http-denied", "HTTP request denied by the proxy"
		case r.Method == "CONNECT":
			return "connect", "HTTP tunnel"
		}
		return "http-request", "HTTP request"
	case *records.TLS:
		return "tls-handshake", "TLS handshake"
	case *records.Mail:
		if mailRefused(r) {
			return "mail-refused", "Mail refused"
		}
		return r.State.String(), "Mail"
	case *records.Auth:
		switch r.Result {
		case records.AuthFailure:
			return "login-failed", "Login failed"
		case records.AuthUnknown:
			return "login-unknown", "Login, its answer not seen"
		}
		return "login", "Login"
	case *records.FTP:
		return ftpAction(r.Command), "FTP command"
	case *records.File:
		if r.FromClient {
			return "file-sent", "File sent"
		}
		return "file-received", "File received"
	case *records.WebSocket:
		return "websocket", "WebSocket connection"
	case *records.QUIC:
		return "quic-handshake", "QUIC handshake"
	case *records.SOCKS:
		if r.UserRefused || r.Status != "" && !r.Granted() {
			return "socks-refused", "SOCKS request refused"
		}
		return "socks-request", "SOCKS request"
	case *records.DHCP:
		return dhcpAction(r), "DHCP message"
	case *records.NTP:
		return ntpActions[r.Mode&7], "NTP message"
	case *records.SSDP:
		return ssdpAction(r), "SSDP message"
	case *records.Identity:
		if r.Old == "" {
			return "identity-learned", "Identity learned"
		}
		return "identity-changed", "Identity changed"
	case *records.Alert:
		return r.Rule, r.Title
	case *records.Stats:
		return "sensor-stats", "Sensor statistics"
	case *records.Heartbeat:
		return "sensor-heartbeat", "Sensor heartbeat"
	}
	return rec.Meta().Kind.String(), rec.Meta().Kind.String()
}

// deniedByProxy tells whether the proxy itself said 403: to a CONNECT, or without
// asking the origin. That it wants credentials first (407) is no refusal.
func deniedByProxy(r *records.HTTP) bool {
	return r.Proxied && r.Status == 403 && (r.Method == "CONNECT" || r.Cache == records.CacheLocal)
}

// mailRefused tells whether nobody got a mail: the server did not take its sender, its
// message, or any of its recipients.
func mailRefused(r *records.Mail) bool {
	if r.Status != 0 {
		return r.Status >= 400
	}
	for i := range r.Envelope.Recipients {
		if !r.Envelope.Recipients[i].Refused() {
			return false
		}
	}
	return len(r.Envelope.Recipients) > 0
}

// dhcpAction names the usual message types; the rest are all one.
func dhcpAction(r *records.DHCP) string {
	switch r.Type {
	case "":
		if r.Response {
			return "bootp-reply"
		}
		return "bootp-request"
	case "DISCOVER":
		return "dhcp-discover"
	case "OFFER":
		return "dhcp-offer"
	case "REQUEST":
		return "dhcp-request"
	case "DECLINE":
		return "dhcp-decline"
	case "ACK":
		return "dhcp-ack"
	case "NAK":
		return "dhcp-nak"
	case "RELEASE":
		return "dhcp-release"
	case "INFORM":
		return "dhcp-inform"
	case "SOLICIT":
		return "dhcp-solicit"
	case "ADVERTISE":
		return "dhcp-advertise"
	case "CONFIRM":
		return "dhcp-confirm"
	case "RENEW":
		return "dhcp-renew"
	case "REBIND":
		return "dhcp-rebind"
	case "REPLY":
		return "dhcp-reply"
	case "INFORMATION-REQUEST":
		return "dhcp-information-request"
	}
	return "dhcp-message"
}

// ftpAction names the commands that move or change something; the rest are all one.
func ftpAction(command string) string {
	switch command {
	case "RETR":
		return "ftp-retr"
	case "STOR":
		return "ftp-stor"
	case "STOU":
		return "ftp-stou"
	case "APPE":
		return "ftp-appe"
	case "DELE":
		return "ftp-dele"
	case "RNTO":
		return "ftp-rnto"
	case "MKD":
		return "ftp-mkd"
	case "RMD":
		return "ftp-rmd"
	case "LIST":
		return "ftp-list"
	case "NLST":
		return "ftp-nlst"
	case "MLSD":
		return "ftp-mlsd"
	case "PASV":
		return "ftp-pasv"
	case "EPSV":
		return "ftp-epsv"
	case "PORT":
		return "ftp-port"
	case "EPRT":
		return "ftp-eprt"
	}
	return "ftp-command"
}

var ntpActions = [8]string{"ntp-reserved", "ntp-symmetric-active", "ntp-symmetric-passive", "ntp-client", "ntp-server", "ntp-broadcast", "ntp-control", "ntp-private"}

func ssdpAction(r *records.SSDP) string {
	switch r.Method {
	case "NOTIFY":
		return "ssdp-notify"
	case "M-SEARCH":
		return "ssdp-search"
	}
	return "ssdp-response"
}

// dhcpName is what a DHCP client calls itself.
func dhcpName(r *records.DHCP) string {
	if r.HostName != "" {
		return r.HostName
	}
	return r.FQDN
}

// dhcpOutcome is ECS's event.outcome of a server's last word, "" for other messages.
func dhcpOutcome(r *records.DHCP) string {
	switch {
	case r.Type == "NAK" || r.Status != "":
		return "failure"
	case r.Type == "ACK" || r.Type == "REPLY":
		return "success"
	}
	return ""
}

// withoutPort is the host of an authority, without brackets.
func withoutPort(authority string) string {
	if port := hostPort(authority); port != "" || (authority != "" && authority[len(authority)-1] == ':') {
		authority = authority[:len(authority)-len(port)-1]
	}
	if n := len(authority); n > 1 && authority[0] == '[' && authority[n-1] == ']' {
		authority = authority[1 : n-1]
	}
	return authority
}
