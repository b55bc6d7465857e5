package main

// The facts of the captures that carry files and messages; see
// cases_facts_test.go.

func smtpFacts() []fact {
	report, schedule := reportPDF(), schedule()
	rich := []string{"email.message_id=rich-1@partner.example", "email.subject=見積書の送付", "email.from.address=yamada@partner.example", "email.to.address=taro@corp.example|hanako@corp.example",
		"kagami.mail.mail_from=<yamada@partner.example>", "kagami.mail.rcpt_to=taro@corp.example", "user_agent.original=Lab Mailer 2.0",
		"email.attachments.file.name=報告書 2026.pdf|請求書.zip|予定表.txt", "kagami.mail.parts.path=1.1|1.2|2|3|4|5.1", "kagami.mail.header.in_reply_to=<plain-1@corp.example>", "kagami.mail.urls=http://partner.example/quote", "event.outcome=success"}
	message := func(id string, more ...string) fact {
		return is(1, "mail", append(more, "email.message_id="+id, "kagami.mail.complete=true", "kagami.mail.status=250")...)
	}
	return []fact{
		is(7, "mail", "email.message_id"), // the eighth is behind STARTTLS
		message("plain-1@corp.example", "kagami.mail.rcpt_to=taro@corp.example|ichiro@corp.example", "email.subject=請求書のご確認", "email.x_mailer=Lab Mailer 1.0", "email.reply_to.address=keiri@corp.example",
			"email.cc.address=ichiro@corp.example", "kagami.mail.urls=http://portal.example/invoice?id=7", "email.from.address=hanako@corp.example"),
		message("plain-1@corp.example", "kagami.mail.rcpt_to=outside@partner.example", "user.name=taro"),
		message("curl-1@corp.example", "email.attachments.file.name=見積.pdf", "email.attachments."+report.digest),
		message("pipe-1@corp.example", "email.subject=生のシフトJIS 表示", "kagami.mail.rcpt_to=taro@corp.example|ichiro@corp.example", "kagami.mail.rcpt_refused=nobody@corp.example", "kagami.mail.pipelined=true"),
		message("pipe-2@corp.example", "email.subject=second", "kagami.mail.mail_from=<>"),
		is(1, "mail", append(rich, "source.ip=2001:db8:4::10", "!kagami.mail.chunked", "email.attachments."+report.digest, "email.attachments."+schedule.digest)...),
		is(1, "mail", append(rich, "source.ip=10.4.0.10", "kagami.mail.chunked=true", "kagami.mail.helo=chunk.partner.example")...),
		is(1, "mail", "kagami.mail.mail_from=<spam@partner.example>", "kagami.mail.rcpt_refused=nobody@corp.example", "!kagami.mail.rcpt_to", "!email.message_id"),
		is(1, "mail", "kagami.mail.rcpt_refused=taro@elsewhere.example", "!kagami.mail.rcpt_to"),
		is(1, "mail", "kagami.mail.tls=true", "!email.message_id"),
		is(1, "tls", "kagami.tls.via=STARTTLS", "destination.port=25", "tls.established=true"),
		is(1, "auth", "user.name=taro", "event.outcome=success", "kagami.auth.mechanism=LOGIN"), is(1, "auth", "user.name=taro", "event.outcome=failure", "kagami.auth.mechanism=PLAIN"),
		is(1, "auth", "user.name=hanako", "event.outcome=success", "kagami.auth.mechanism=PLAIN"), is(1, "auth", "user.name=hanako", "event.outcome=failure"),
		is(2, "file", "file.name=報告書 2026.pdf", report.digest, report.size, "file.mime_type=application/pdf", "kagami.file.complete=true", "kagami.file.source=smtp"),
		is(1, "file", "file.name=見積.pdf", report.digest),
		is(2, "file", "file.name=予定表.txt", schedule.digest, schedule.size),
		is(2, "file", "file.name=請求書.zip", invoiceSize, "file.mime_type=application/zip", "kagami.file.listed=invoice.exe", "kagami.file.traits=lists-program"),
		is(9, "flow", "network.protocol=smtp", "source.ip=10.4.0.10"), is(1, "flow", "network.protocol=smtp", "source.ip=2001:db8:4::10"),
	}
}

func mailboxFacts() []fact {
	report, schedule := reportPDF(), schedule()
	login := func(n int, protocol, user, outcome, mechanism string) fact {
		return is(n, "auth", "network.protocol="+protocol, "user.name="+user, "event.outcome="+outcome, "kagami.auth.mechanism="+mechanism)
	}
	whole := func(n int, protocol, id string) fact {
		return is(n, "mail", "network.protocol="+protocol, "email.message_id="+id, "kagami.mail.complete=true", "user.name=taro", "source.ip=10.4.0.10")
	}
	return []fact{
		login(1, "pop3", "taro", "failure", "USER"), login(1, "pop3", "taro", "success", "USER"), login(2, "pop3", "taro", "success", "CRAM-MD5"), login(1, "pop3", "hanako", "failure", "PLAIN"),
		login(1, "imap", "taro", "failure", "LOGIN"), login(2, "imap", "taro", "success", "LOGIN"), login(2, "imap", "taro", "success", "CRAM-MD5"), login(1, "imap", "hanako", "failure", "CRAM-MD5"),
		whole(2, "pop3", "plain-1@corp.example"), whole(2, "pop3", "rich-1@partner.example"), // in exact octets, by curl
		whole(2, "imap", "plain-1@corp.example"), // fetched once, stored once
		whole(2, "imap", "rich-1@partner.example"), whole(1, "imap", "draft-1@corp.example"),
		is(1, "mail", "network.protocol=pop3", "email.message_id=rich-1@partner.example", "kagami.mail.complete=false"), // TOP
		is(2, "mail", "kagami.mail.tls=true"), is(2, "tls", "tls.established=true"),
		is(4, "file", report.digest, "file.name=報告書 2026.pdf", "kagami.file.sender=server"), is(4, "file", schedule.digest, "file.name=予定表.txt"),
		is(4, "file", "file.name=請求書.zip", invoiceSize, "kagami.file.listed=invoice.exe"),
		is(1, "identity", "host.ip=10.4.0.10", "kagami.identity.what=user", "kagami.identity.new=taro"),
	}
}

func ftpFacts() []fact {
	report, tool, schedule := reportPDF(), harmlessProgram(), schedule()
	rest := of(report.octets[1000:])
	command := func(n int, name string, more ...string) fact {
		return is(n, "ftp", append(more, "kagami.ftp.command="+name)...)
	}
	return []fact{
		is(9, "auth", "user.name=taro", "event.outcome=success"), is(1, "auth", "user.name=taro", "event.outcome=failure"), is(1, "auth", "user.name=anonymous", "event.outcome=success"),
		command(6, "EPSV", "kagami.ftp.reply_code=229", "kagami.ftp.data.passive=true"), command(2, "PASV", "kagami.ftp.reply_code=227"),
		command(1, "EPRT", "kagami.ftp.data.passive=false", "kagami.ftp.data.ip=10.4.0.10"), command(1, "PORT", "kagami.ftp.data.passive=false"), command(1, "AUTH", "kagami.ftp.reply_code=234"),
		command(1, "RETR", "file.path=/report.pdf", "!kagami.ftp.restart", "user.name=taro"), command(1, "RETR", "file.path=/report.pdf", "kagami.ftp.restart=1000"),
		command(1, "RETR", "file.path=/予定表.txt", "kagami.ftp.reply_code=226"), command(1, "RETR", "file.path=/in/nothing", "kagami.ftp.reply_code=550", "event.outcome=failure"),
		command(1, "STOR", "file.path=/in/invoice.zip"), command(1, "STOR", "file.path=/in/upload.zip", "source.ip=2001:db8:4::10"),
		command(1, "MKD", "kagami.ftp.argument=日本"), command(1, "RNTO", "kagami.ftp.argument=tool.old", "kagami.ftp.from=tool.exe"), command(1, "DELE", "kagami.ftp.argument=tool.old"),
		is(7, "file", "kagami.file.source=ftp", "kagami.file.complete=true"),
		is(1, "file", "file.name=report.pdf", report.digest, "user.name=taro"), is(1, "file", "file.name=report.pdf", rest.digest, rest.size),
		is(1, "file", "file.name=tool.exe", tool.digest, "kagami.file.class=program", "file.mime_type=application/vnd.microsoft.portable-executable"),
		is(1, "file", "file.name=予定表.txt", schedule.digest), is(1, "file", "file.name=invoice.zip", invoiceSize, "kagami.file.listed=invoice.exe"),
		is(1, "file", "file.name=upload.zip", invoiceSize, "kagami.file.traits=lists-program"), is(1, "file", "file.name=motd.txt", of("welcome\n").digest, "user.name=anonymous"),
		is(8, "flow", "network.protocol=ftp-data"), is(2, "flow", "source.port=20", "network.protocol=ftp-data"), is(1, "tls", "kagami.tls.via=STARTTLS", "destination.port=21"),
	}
}

func httpFacts() []fact {
	report, tool, schedule, page := reportPDF(), harmlessProgram(), schedule(), portalPage()
	const at = "url.full=http://portal.corp.example"
	visit := func(n int, method, path, status string, more ...string) fact {
		return is(n, "http", append(more, "http.request.method="+method, at+path, "http.response.status_code="+status)...)
	}
	return []fact{
		visit(3, "GET", "/index.html", "200"), visit(1, "GET", "/nothing.html", "404", "user_agent.original=curl/7.88.1"),
		visit(1, "GET", "/index.html", "200", "kagami.http.encoding=gzip", "user_agent.original=Mozilla/5.0 (Windows NT 10.0; Win64; x64) Lab/1.0", "http.request.referrer=http://search.example/?q=lab"),
		visit(1, "GET", "/app/br", "200", "kagami.http.encoding=br"), visit(1, "GET", "/app/chunked", "200", "http.response.body.bytes=40"),
		visit(1, "GET", "/report.pdf", "206", "kagami.http.range=bytes=100-199", "http.response.body.bytes=100"), visit(1, "GET", "/report.pdf", "206", "http.response.mime_type=multipart/byteranges"),
		visit(1, "HEAD", "/report.pdf", "200"), visit(1, "GET", "/report.pdf", "304"), visit(1, "GET", "/old/page", "302", "kagami.http.location=http://portal.corp.example/index.html"),
		visit(1, "POST", "/app/form", "200", "http.request.body.bytes=16"), visit(1, "PUT", "/app/put", "200", "http.request.body.bytes=900", "kagami.http.informational=100"),
		visit(1, "POST", "/app/stream", "200", "http.request.body.bytes=900"), visit(1, "POST", "/app/upload", "200", "kagami.http.request_files.name=予定表.txt|tool.exe"),
		visit(1, "GET", "/private/plan.txt", "401", "!user.name"), visit(1, "GET", "/private/plan.txt", "401", "user.name=hanako"),
		visit(1, "GET", "/private/plan.txt", "200", "user.name=hanako", "kagami.http.auth.scheme=basic"), visit(1, "GET", "/app/digest", "200", "user.name=ichiro", "kagami.http.auth.scheme=digest"),
		visit(1, "GET", "/app/api", "200", "kagami.http.auth.scheme=bearer"), visit(1, "PROPFIND", "/app/dav", "200", "kagami.http.forwarded_for=192.0.2.7, 192.0.2.8", "kagami.http.via=1.1 gw.corp.example"),
		visit(1, "GET", "/app/1", "200"), visit(1, "GET", "/app/2", "200"), visit(1, "GET", "/app/3", "200"), visit(1, "GET", "/app/absolute", "200"), visit(1, "GET", "/app/socket", "101", "kagami.http.tunnel.protocol=websocket"),
		is(1, "http", "http.response.status_code=400"), is(1, "http", at+"/app/cut", "http.request.body.bytes=100", "kagami.http.request_complete=false", "!http.response.status_code"),
		is(1, "http", "url.full=http://[2001:db8:4::80]/style.css", "http.version=1.0"),
		is(1, "websocket", "url.full=http://portal.corp.example/app/socket", "kagami.websocket.subprotocol=chat", "kagami.websocket.client.text_messages=1", "kagami.websocket.client.binary_messages=1", "kagami.websocket.client.frames=5",
			"kagami.websocket.client.close_code=1000", "kagami.websocket.server.text_messages=1", "kagami.websocket.server.pings=1", "kagami.websocket.closed_by=client"),
		is(4, "file", page.digest, page.size, "file.mime_type=text/html"), // plain twice, gzip, brotli
		is(1, "file", page.digest, "kagami.file.codings=gzip"), is(1, "file", page.digest, "kagami.file.codings=br"),
		is(1, "file", of(report.octets[100:200]).digest), is(1, "file", report.digest, "file.name=報告書.pdf", "kagami.file.name_from=disposition"),
		is(1, "file", schedule.digest, "file.name=予定表.txt", "kagami.file.sender=client"), is(3, "file", schedule.digest, "kagami.file.sender=client"),
		is(1, "file", tool.digest, "file.name=tool.exe", "kagami.file.sender=client"),
		is(1, "file", tool.digest, "file.name=logo.gif", "kagami.file.declared_type=image/gif", "file.mime_type=application/vnd.microsoft.portable-executable", "kagami.file.mismatch=declared type|name"),
		is(1, "identity", "kagami.identity.what=user", "kagami.identity.new=hanako", "host.ip=10.4.0.10"), is(2, "dns", "dns.type=answer", "dns.answers.data=10.4.0.80"),
		is(28, "flow", "network.protocol=http", "source.ip=10.4.0.10", "kagami.name.source=host"),
	}
}

func h2cFacts() []fact {
	report, tool, page := reportPDF(), harmlessProgram(), portalPage()
	const at = "url.full=http://portal.corp.example"
	return []fact{
		is(13, "http", "http.version=2"), is(3, "http", "http.version=1.1"),
		is(2, "http", "http.response.status_code=101", "kagami.http.tunnel.protocol=h2c"),
		is(1, "http", "http.version=2", at+"/nothing.html", "http.response.status_code=404", "user.name=hanako", "http.request.referrer=http://search.example/"),
		is(1, "http", "http.version=2", "http.request.method=POST", "http.request.body.bytes=900", at+"/report.pdf"),
		is(1, "http", "http.version=2", "http.request.method=HEAD", at+"/report.pdf", "http.response.body.bytes=0"),
		is(1, "http", "http.version=1.1", at+"/style.css", "http.response.status_code=200"),
		is(1, "http", "kagami.http.pushed=true", at+":8000/style.css"), is(1, "http", "http.version=2", at+":8000/style.css", "!kagami.http.pushed"),
		is(3, "file", page.digest, "file.name=index.html"), is(3, "file", report.digest, "file.name=report.pdf"), is(1, "file", tool.digest, "file.name=tool.exe", "kagami.file.class=program"),
		is(1, "file", schedule().digest, "kagami.file.sender=client"),
		is(10, "flow", "network.protocol=http", "destination.domain=portal.corp.example"),
	}
}

func socksFacts() []fact {
	report := reportPDF()
	request := func(version, status string, more ...string) fact {
		return is(1, "socks", append(more, "kagami.socks.version="+version, "kagami.socks.status="+status)...)
	}
	return []fact{
		is(10, "socks"), is(8, "socks", "destination.port=1080"),
		request("4", "succeeded", "kagami.socks.request.ip=198.51.100.80", "kagami.socks.request.port=80"), is(1, "socks", "kagami.socks.version=4a", "kagami.socks.request.name=portal.example", "event.outcome=failure"),
		request("5", "succeeded", "kagami.socks.request.ip=198.51.100.80"), request("5", "succeeded", "kagami.socks.request.name=portal.example", "kagami.socks.method=none"),
		request("5", "succeeded", "kagami.socks.request.name=portal.example", "kagami.socks.method=password", "user.name=taro", "destination.port=1081"),
		is(1, "socks", "kagami.socks.user_refused=true", "user.name=taro"), is(1, "auth", "user.name=taro", "event.outcome=success"), is(1, "auth", "user.name=taro", "event.outcome=failure"),
		request("5", "connection not allowed by ruleset", "kagami.socks.request.ip=198.51.100.66"), request("5", "Connection refused", "kagami.socks.request.port=81"),
		is(1, "socks", "kagami.socks.version=4", "kagami.socks.request.port=81", "event.outcome=failure"), request("5", "succeeded", "kagami.socks.command=udp_associate"),
		is(4, "http", "source.ip=10.4.0.10", "url.full=http://portal.example/report.pdf", "http.response.status_code=200"), is(4, "http", "source.ip=198.51.100.3", "url.full=http://portal.example/report.pdf"),
		is(8, "file", report.digest, "file.name=report.pdf"), is(4, "socks", "kagami.socks.tunnel.protocol=http", "kagami.socks.tunnel.name=portal.example"),
	}
}

func proxyFacts() []fact {
	report := reportPDF()
	visit := func(n int, from, url, status string, more ...string) fact {
		return is(n, "http", append(more, "source.ip="+from, "destination.ip=10.4.0.6", "url.full="+url, "http.response.status_code="+status, "kagami.http.proxied=true")...)
	}
	const origin, keiri, eigyo = "kagami.proxy.origin.ip=198.51.100.80", "10.4.0.10", "10.4.0.11"
	return []fact{
		visit(1, keiri, "http://origin.example/index.html", "200", origin), visit(1, keiri, "http://origin.example/style.css", "200", origin), visit(1, keiri, "http://origin.example/style.css", "200", "kagami.proxy.cache=hit", "!kagami.proxy.origin.ip"),
		visit(1, keiri, "http://origin.example/report.pdf", "200", origin, "http.request.referrer=http://origin.example/index.html"), visit(1, keiri, "http://origin.example/nothing.html?q=1", "404", origin),
		visit(1, keiri, "http://denied.example/", "403", "!kagami.proxy.origin.ip"), visit(1, keiri, "http://nowhere.example/", "502", "!kagami.proxy.origin.ip"), visit(1, keiri, "http://198.51.100.80:81/", "503", origin),
		visit(1, keiri, "secure.example:443", "200", origin, "http.request.method=CONNECT", "kagami.http.tunnel.protocol=tls", "kagami.http.tunnel.name=secure.example"), visit(1, keiri, "secure.example:22", "403", "!kagami.proxy.origin.ip"),
		visit(1, eigyo, "http://origin.example/index.html", "407", "!user.name"), visit(1, eigyo, "http://origin.example/index.html", "200", "user.name=hanako", "kagami.proxy.cache=revalidated", origin),
		visit(1, eigyo, "secure.example:443", "200", "user.name=hanako", origin),
		is(5, "http", "source.ip=198.51.100.6", "kagami.workstation.ip"), is(1, "http", "source.ip=198.51.100.6", "kagami.workstation.ip=10.4.0.11", "http.response.status_code=304"),
		is(2, "tls", "kagami.tls.via=CONNECT", "tls.client.server_name=secure.example"), is(1, "tls", "source.ip=198.51.100.6", "kagami.workstation.ip=10.4.0.10"), is(1, "tls", "source.ip=198.51.100.6", "kagami.workstation.ip=10.4.0.11"),
		is(1, "flow", "destination.port=443", "kagami.workstation.ip=10.4.0.11"), is(1, "flow", "destination.port=81", "kagami.workstation.ip=10.4.0.10"),
		is(2, "file", report.digest, "file.name=report.pdf"), is(1, "identity", "host.ip=10.4.0.6", "kagami.identity.what=role", "kagami.identity.new=proxy"), is(1, "identity", "host.ip=10.4.0.11", "kagami.identity.what=user", "kagami.identity.new=hanako"),
	}
}
