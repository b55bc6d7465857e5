package main

import "maps"

// excessCase is what is expected of a run over an excess.
type excessCase struct {
	met    []string // which limits were met, as records and counters say; none: nothing is kept of what comes
	flood  bool     // it fills tables that all flows share
	shares bool     // it meets a limit that all workers share: records depend on their number
}

// excessCases are the expectations by the names of the excesses.
func excessCases() map[string]excessCase {
	all := map[string]excessCase{}
	for _, group := range []map[string]excessCase{excessWeb(), excessMail(), excessNames(), excessOpen()} {
		maps.Copy(all, group)
	}
	return all
}

func excessWeb() map[string]excessCase {
	return map[string]excessCase{
		"http: request line without end":          {met: []string{"kagami.http.odd: header section too long"}},
		"http: request line, octet by octet":      {met: []string{"kagami.http.odd: header section too long"}},
		"http: header line without end":           {met: []string{"kagami.http.odd: header section too long"}},
		"http: header lines without end":          {met: []string{"kagami.http.odd: too many header fields"}},
		"http: header lines, octet by octet":      {met: []string{"kagami.http.odd: too many header fields"}},
		"http: folded header without end":         {met: []string{"kagami.http.odd: header section too long"}},
		"http: requests of long headers":          {met: []string{"kagami.http.odd: too many outstanding requests"}},
		"http: empty lines without end":           {},
		"http: requests without answers":          {met: []string{"kagami.http.odd: too many outstanding requests", "site: legs_evicted"}},
		"http: answers without requests":          {},
		"http: 1xx answers without end":           {met: []string{"kagami.http.odd: too many interim responses"}},
		"http: chunk extension without end":       {met: []string{"kagami.http.odd: bad chunk size"}},
		"http: chunks of one octet":               {},
		"http: trailers without end":              {met: []string{"kagami.http.odd: too many trailer fields"}},
		"http: CONNECT never answered":            {met: []string{"kagami.http.odd: too much before the answer to CONNECT"}},
		"http: CONNECT in CONNECT":                {},
		"websocket: a million tiny frames":        {met: []string{"kagami.websocket.cut"}},
		"websocket: empty fragments without end":  {met: []string{"kagami.websocket.cut"}},
		"unknown: segments of one octet":          {},
		"body: gzip bomb":                         {met: []string{"kagami.file.odd: decompression bomb"}},
		"body: br bomb":                           {met: []string{"kagami.file.odd: decompression bomb"}},
		"body: zstd bomb":                         {met: []string{"kagami.file.odd: decompression bomb"}},
		"body: gzip in gzip in gzip":              {met: []string{"kagami.file.odd: decompression bomb"}},
		"body: br in zstd in gzip":                {met: []string{"kagami.file.odd: decompression bomb"}},
		"body: fifty codings":                     {met: []string{"kagami.file.odd: too many content codings"}},
		"body: empty gzip members without end":    {},
		"body: never ends":                        {},
		"body: a thousand files at once":          {met: []string{"kagami.file.odd: too many files under way"}, flood: true, shares: true},
		"form: 100,000 parts":                     {met: []string{"kagami.http.odd: too many parts"}},
		"form: part header line without end":      {met: []string{"kagami.http.odd: header field too long"}},
		"form: part header lines without end":     {met: []string{"kagami.http.odd: header section too long"}},
		"form: parameters without end":            {met: []string{"kagami.http.odd: header field too long"}},
		"form: nearly boundaries":                 {},
		"form: nested 1,000 deep":                 {},
		"http2: CONTINUATION flood":               {met: []string{"kagami.http.odd: header section too long"}},
		"http2: empty CONTINUATION flood":         {met: []string{"kagami.http.odd: header block without end"}},
		"http2: CONTINUATION, octet by octet":     {met: []string{"kagami.http.odd: header section too long"}},
		"http2: HPACK index bomb":                 {met: []string{"kagami.http.odd: header section too long", "kagami.http.odd: too many open streams"}},
		"http2: HPACK table filled over and over": {met: []string{"kagami.http.odd: too many open streams"}},
		"http2: HPACK table of a gigabyte":        {met: []string{"kagami.http.odd: bad header block"}},
		"http2: 100,000 streams opened":           {met: []string{"kagami.http.odd: too many open streams", "site: legs_evicted"}},
		"http2: streams with open uploads":        {met: []string{"kagami.http.odd: too many open streams", "site: legs_evicted"}},
		"http2: rapid reset":                      {met: []string{"kagami.http.odd: too many open streams", "site: legs_evicted"}},
		"http2: promises without end":             {met: []string{"kagami.http.odd: too many open streams", "site: legs_evicted"}},
		"http2: SETTINGS flood":                   {},
		"http2: PING flood":                       {},
		"http2: trailers without end":             {met: []string{"kagami.http.odd: too many trailer fields"}},
	}
}

func excessMail() map[string]excessCase {
	return map[string]excessCase{
		"smtp: command line without end":              {met: []string{"kagami.mail.odd: line too long"}},
		"smtp: lines that are no commands":            {met: []string{"kagami.mail.odd: too many commands without an answer"}},
		"smtp: recipients without end":                {met: []string{"kagami.mail.dropped", "kagami.mail.odd: too many recipients"}},
		"smtp: long recipients, never answered":       {met: []string{"kagami.mail.dropped", "kagami.mail.odd: too many recipients"}},
		"smtp: commands without answers":              {met: []string{"kagami.mail.odd: too many commands without an answer"}},
		"smtp: lines of a login without end":          {},
		"smtp: answer without end":                    {},
		"smtp: answers without commands":              {},
		"smtp: 10,000 transactions":                   {},
		"smtp: chunks without end":                    {met: []string{"kagami.mail.odd: too many commands without an answer"}},
		"smtp: sessions in TLS in a session":          {met: []string{"kagami.mail.odd: too many commands without an answer"}},
		"smtp: octet by octet":                        {met: []string{"kagami.mail.odd: line too long"}},
		"pop3: answer line without end":               {met: []string{"kagami.mail.odd: line too long"}},
		"pop3: commands without answers":              {met: []string{"kagami.mail.odd: too many commands without an answer"}},
		"pop3: list without end":                      {},
		"imap: answer line without end":               {met: []string{"kagami.mail.odd: line too long"}},
		"imap: huge literals announced":               {met: []string{"kagami.mail.odd: header field too long"}},
		"imap: literals of a login without end":       {},
		"imap: words of a login without end":          {},
		"imap: literals to be stored without end":     {met: []string{"kagami.mail.odd: too many messages in a command"}},
		"imap: tags without end":                      {met: []string{"kagami.mail.odd: too many commands without an answer"}},
		"imap: pieces of a message without end":       {},
		"mime: header line without end":               {met: []string{"kagami.mail.odd: header field too long"}},
		"mime: header line, octet by octet":           {met: []string{"kagami.mail.odd: header field too long"}},
		"mime: 100,000 header lines":                  {met: []string{"kagami.mail.odd: header section too long"}},
		"mime: folded header without end":             {met: []string{"kagami.mail.odd: header field too long"}},
		"mime: addresses without end":                 {met: []string{"kagami.mail.dropped", "kagami.mail.odd: too many header fields"}},
		"mime: addresses that never end":              {met: []string{"kagami.mail.odd: header field too long"}},
		"mime: parameters without end":                {met: []string{"kagami.mail.dropped", "kagami.mail.odd: header field too long"}},
		"mime: nested 1,000 deep":                     {met: []string{"kagami.mail.odd: parts nested too deep"}},
		"mime: messages nested 1,000 deep":            {met: []string{"kagami.mail.odd: parts nested too deep"}},
		"mime: 100,000 parts":                         {met: []string{"kagami.mail.dropped", "kagami.mail.odd: too many header fields"}},
		"mime: parts of long names, never answered":   {met: []string{"kagami.mail.dropped", "kagami.mail.odd: too many parts"}},
		"mime: base64 line without end":               {},
		"mime: quoted-printable of blanks":            {},
		"mime: URLs without end":                      {met: []string{"kagami.mail.dropped"}},
		"mime: one URL without end":                   {},
		"mime: dots and line ends":                    {},
		"mime: dashes":                                {met: []string{"kagami.mail.odd: multipart without its end"}},
		"ftp: commands without answers":               {met: []string{"kagami.ftp.odd: too many commands without an answer"}},
		"ftp: answer without end":                     {},
		"ftp: answer line without end":                {met: []string{"kagami.ftp.odd: neither commands nor replies"}},
		"ftp: command line without end":               {met: []string{"kagami.ftp.odd: neither commands nor replies"}},
		"ftp: directories without end":                {},
		"ftp: data connections announced without end": {met: []string{"announcements forgotten"}},
	}
}

func excessNames() map[string]excessCase {
	return map[string]excessCase{
		"dns: 65,535 records claimed":                      {met: []string{"kagami.dns.malformed"}},
		"dns: pointers in a circle":                        {met: []string{"kagami.dns.forgotten_queries", "kagami.dns.malformed"}},
		"dns: pointers to pointers":                        {met: []string{"kagami.dns.malformed"}},
		"dns: queries without answers":                     {met: []string{"kagami.dns.forgotten_queries"}},
		"dns: half a megabyte of text in each TCP message": {met: []string{"kagami.dns.dropped_answers", "kagami.dns.malformed"}},
		"dns: TCP message, octet by octet":                 {met: []string{"kagami.dns.malformed"}},
		"dns: TXT record of many strings":                  {},
		"dhcp: options without end":                        {},
		"dhcpv6: relays in relays":                         {met: []string{"kagami.dhcp.odd: too many relays"}},
		"nbns: records claimed":                            {met: []string{"kagami.dns.malformed"}},
		"ssdp: lines without end":                          {met: []string{"kagami.ssdp.odd: too many lines"}},
		"ntp: extension fields without end":                {},
		"site: 100,000 DHCP clients":                       {met: []string{"flows evicted", "site: hosts_evicted"}, flood: true, shares: true},
		"site: mDNS names without end":                     {met: []string{"flows evicted", "site: hosts_evicted"}, flood: true, shares: true},
		"site: names of one machine without end":           {met: []string{"site: identity_changes_muted"}},
		"site: addresses looked up without end":            {met: []string{"site: names_evicted"}},
		"site: clients that look up without end":           {met: []string{"site: names_evicted"}, flood: true},
		"site: 100,000 requests through a proxy":           {met: []string{"decoding given up"}, flood: true, shares: true},
		"site: 100,000 tunnels through a proxy":            {flood: true},
		"site: 100,000 requests that a proxy passes on":    {met: []string{"decoding given up", "flows evicted", "site: held_too_many", "site: legs_evicted"}, flood: true, shares: true},
		"site: users without end":                          {met: []string{"site: identity_changes_muted", "site: legs_evicted"}},
	}
}

func excessOpen() map[string]excessCase {
	return map[string]excessCase{
		"tls: handshake message without end":             {met: []string{"kagami.tls.odd: handshake message too long"}},
		"tls: handshake messages without end":            {met: []string{"kagami.tls.odd: handshake too long"}},
		"tls: 1,000 certificates":                        {met: []string{"kagami.tls.odd: certificate chain too long"}},
		"tls: hello in records of one octet":             {},
		"tls: hello of 60 KiB, octet by octet":           {},
		"tls: alerts without end":                        {},
		"tls: empty records without end":                 {met: []string{"kagami.tls.odd: handshake too long"}},
		"tls: hellos without end":                        {met: []string{"kagami.tls.odd: handshake too long"}},
		"dtls: fragments with holes":                     {met: []string{"kagami.tls.odd: too many octets held"}},
		"dtls: messages far ahead":                       {met: []string{"kagami.tls.odd: too many messages ahead"}},
		"socks: greetings without end":                   {met: []string{"kagami.socks.odd: unknown address type"}},
		"socks: user without end":                        {},
		"socks: all methods, all names":                  {},
		"quic: hello in octets, in reverse":              {},
		"quic: hello in pieces that overlap, in reverse": {},
		"quic: CRYPTO stream of holes":                   {met: []string{"kagami.quic.odd: crypto stream too long"}},
		"quic: connection ids without end":               {met: []string{"kagami.quic.odd: too many keys"}},
		"quic: packets in a datagram without end":        {met: []string{"kagami.quic.odd: too many keys"}},
		"quic: half hellos":                              {met: []string{"decoding given up", "flows evicted"}, flood: true, shares: true},
		"open: half requests":                            {met: []string{"decoding given up", "flows evicted", "site: legs_evicted"}, flood: true, shares: true},
		"open: requests without answers":                 {met: []string{"decoding given up", "flows evicted", "site: legs_evicted"}, flood: true, shares: true},
		"open: requests without end":                     {met: []string{"decoding given up"}, flood: true, shares: true},
		"open: half uploads":                             {met: []string{"decoding given up", "site: legs_evicted"}, flood: true, shares: true},
		"open: half HTTP/2 header blocks":                {met: []string{"decoding given up", "kagami.http.odd: header block without end"}, flood: true, shares: true},
		"open: half mails":                               {met: []string{"decoding given up", "flows evicted"}, flood: true, shares: true},
		"open: half hellos":                              {met: []string{"decoding given up", "flows evicted"}, flood: true, shares: true},
		"open: hellos without end":                       {met: []string{"decoding given up"}, flood: true, shares: true},
		"open: half DNS messages":                        {met: []string{"decoding given up"}, flood: true, shares: true},
		"open: half logins":                              {met: []string{"decoding given up"}, flood: true, shares: true},
		"open: segments that never come":                 {met: []string{"decoding given up", "flows evicted", "site: legs_evicted", "too much held"}, flood: true, shares: true},
		"open: octets behind a hole":                     {met: []string{"too much held"}, shares: true},
		"open: octets behind a hole, in reverse":         {met: []string{"too much held"}, shares: true},
		"open: SYNs":                                     {met: []string{"flows evicted"}, flood: true, shares: true},
		"open: datagrams of no protocol":                 {met: []string{"flows evicted"}, flood: true, shares: true},
	}
}
