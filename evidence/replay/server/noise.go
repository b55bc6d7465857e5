package server

import (
	"slices"
	"strings"
)

// noise are hosts that browsers and systems ask by themselves, whatever page is open.
func noise() []string {
	return []string{
		// Chromium
		"accounts.google.com", "android.clients.google.com", "chromewebstore.googleapis.com", "clients1.google.com", "clients2.google.com",
		"clients2.googleusercontent.com", "clients3.google.com", "clients4.google.com", "clients5.google.com", "clients6.google.com",
		"clientservices.googleapis.com", "content-autofill.googleapis.com", "dl.google.com", "edgedl.me.gvt1.com", "mtalk.google.com",
		"optimizationguide-pa.googleapis.com", "passwordsleakcheck-pa.googleapis.com", "redirector.gvt1.com", "safebrowsing.google.com",
		"safebrowsing.googleapis.com", "safebrowsingohttpgateway.googleapis.com", "sb-ssl.google.com", "t0.gstatic.com",
		"tools.google.com", "update.googleapis.com",
		// Firefox
		"aus5.mozilla.org", "content-signature-2.cdn.mozilla.net", "contile.services.mozilla.com", "detectportal.firefox.com",
		"firefox-settings-attachments.cdn.mozilla.net", "firefox.settings.services.mozilla.com", "incoming.telemetry.mozilla.org",
		"location.services.mozilla.com", "normandy.cdn.mozilla.net", "push.services.mozilla.com", "shavar.services.mozilla.com",
		"tracking-protection.cdn.mozilla.net",
		// Edge, Internet Explorer, Windows
		"config.edge.skype.com", "ctldl.windowsupdate.com", "edge.microsoft.com", "msedge.api.cdp.microsoft.com",
		"nav.smartscreen.microsoft.com", "smartscreen.microsoft.com", "urs.microsoft.com", "www.msftconnecttest.com", "www.msftncsi.com",
	}
}

// isNoise tells such a request. Chromium also asks for hosts with names by chance, to
// find out whether somebody answers for all names.
func isNoise(q *request) bool {
	host := hostOf(q.host)
	if slices.Contains(noise(), host) {
		return true
	}
	const least, most = 7, 15 // letters (chrome/browser/intranet_redirect_detector.cc)
	return q.method == "HEAD" && q.path == "/" && q.query == "" && host == q.host && len(host) >= least && len(host) <= most &&
		strings.Trim(host, "abcdefghijklmnopqrstuvwxyz") == ""
}
