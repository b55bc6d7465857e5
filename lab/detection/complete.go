package detection

import "kagami/records"

// Missing names what an alert lacks of what a person needs to act on it.
func Missing(a *records.Alert) []string {
	var out []string
	check := func(ok bool, name string) {
		if !ok {
			out = append(out, name)
		}
	}
	check(a.Title != "", "title")
	check(a.TitleJA != "", "title in Japanese")
	check(len(a.Evidence) >= 2, "evidence")
	check(len(a.EvidenceJA) == len(a.Evidence), "evidence in Japanese")
	check(a.Benign != "", "why it may be benign")
	check(a.BenignJA != "", "why it may be benign, in Japanese")
	check(len(a.Technique) > 0, "ATT&CK id")
	check(len(a.Flows) > 0 || a.Rule == "lateral-scan", "sample flows") // a search by ARP alone has none
	check(a.Source.IsValid(), "source")
	check(a.Destination != "" || a.Rule == "lateral-scan", "destination") // of a scan they stand in the evidence
	check(a.Since > 0 && a.Until >= a.Since, "span of time")
	check(a.Severity != 0, "severity")
	check(a.Score > 0, "score")
	check(a.Incident != "", "incident id")
	check(a.Level != "", "level")
	if a.Rule == "beacon" {
		check(len(a.Histogram) > 0, "histogram of intervals")
	}
	return out
}
