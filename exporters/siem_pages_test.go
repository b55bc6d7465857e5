package exporters

import (
	"regexp"
	"strings"
	"testing"
)

// TestSIEMPages: what docs/siem/{qradar,sentinel,splunk}.md name of ours is there.
func TestSIEMPages(t *testing.T) {
	page := func(name string) string { return readText(t, "../docs/siem/"+name+".md") }
	tried := 0
	want := func(name, what string, ok bool) {
		t.Helper()
		tried++
		if !ok {
			t.Errorf("%s.md: there is no %q", name, what)
		}
	}

	properties := map[string]bool{}
	for _, r := range siemTable(t, qradarDir+"properties.csv") {
		properties[r[1]] = true
	}
	for _, m := range regexp.MustCompile(`[*"](Kagami [a-z ]+)[*"]`).FindAllStringSubmatch(page("qradar"), -1) {
		want("qradar", m[1], properties[m[1]])
	}
	events := siemTable(t, qradarDir+"events.csv")
	for _, m := range regexp.MustCompile("`((?:sensor|flow|dns|drive|http|socks|mail|login)-[a-z]+|login|connect)`").FindAllStringSubmatch(page("qradar"), -1) {
		want("qradar", m[1], events[m[1]] != nil)
	}

	columns := map[string]bool{"StartTime": true, "EndTime": true, "ExternalID": true} // said to stay empty
	for _, r := range siemTable(t, sentinelDir+"columns.csv") {
		columns[r[1]] = true
	}
	for _, c := range []string{"DeviceEventClassID", "Activity", "LogSeverity", "DeviceVendor"} { // of the header
		columns[c] = true
	}
	function := readText(t, sentinelDir+"kagami.kql")
	for _, word := range regexp.MustCompile(`\b(?:Device|Source|Destination|Flex|Request|Event|Sent|Received|Receipt|Start|End|Ext|External|Additional|Log)[A-Z]\w*`).FindAllString(page("sentinel"), -1) {
		want("sentinel", word, columns[word] || columns[strings.TrimSuffix(word, "s")] || strings.Contains(function, word+" ="))
	}

	props := splunkConf(t, "props.conf")["kagami:ecs"]
	for _, row := range strings.Split(page("splunk"), "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " kagami_") {
			continue
		}
		want("splunk", cells[1], splunkConf(t, "eventtypes.conf")[strings.TrimSpace(cells[1])] != nil)
		for _, field := range strings.Split(regexp.MustCompile(` \([^)]*\)|…`).ReplaceAllString(cells[3], ""), ",") {
			want("splunk", field, props["EVAL-"+strings.TrimSpace(field)] != "")
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (Kagami: [^|]+) \|`).FindAllStringSubmatch(page("splunk"), -1) {
		want("splunk", row[1], splunkConf(t, "savedsearches.conf")[row[1]] != nil)
	}
	if tried < 90 {
		t.Errorf("only %d names were tried", tried)
	}
}
