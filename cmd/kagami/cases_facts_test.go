package main

var dhcpFacts, namesFacts, ntpFacts, ssdpFacts, smtpFacts, mailboxFacts, ftpFacts, httpFacts, h2cFacts, tlsFacts, quicFacts, socksFacts, proxyFacts []fact
