package exporters

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"kagami/records"
)

// The index templates are made of the records themselves. To make them anew:
//
//	UPDATE=1 go test ./exporters -run TestIndexTemplates
var indexTemplates = []struct {
	file      string
	lifecycle map[string]any // settings
	text, url map[string]any // types that the two products have under other names
}{
	{"../configs/siem/opensearch/index-template.json", nil,
		map[string]any{"type": "text"}, map[string]any{"type": "keyword", "ignore_above": 8191}},
	{"../configs/siem/elastic/index-template.json", map[string]any{"name": "kagami"},
		map[string]any{"type": "match_only_text"}, map[string]any{"type": "wildcard", "ignore_above": 8191}},
}

// TestIndexTemplates: every field that a record can have stands in the templates
// under the type of its values.
func TestIndexTemplates(t *testing.T) {
	for _, template := range indexTemplates {
		properties := map[string]any{}
		for name, typ := range fieldTypes(t) {
			m := mappingOf(typ)
			switch name {
			case "event.original": // a plain line with its stamp: there to be read, not to be searched
				m = map[string]any{"type": "keyword", "index": false, "doc_values": false}
			case "message", "kagami.alert.evidence", "kagami.alert.advice", "kagami.alert.benign", "kagami.alert.chain":
				m = template.text
			case "kagami.alert.advice_ja", "kagami.alert.evidence_ja", "kagami.alert.benign_ja", "kagami.alert.title_ja":
				m = map[string]any{"type": "text", "analyzer": "cjk"}
			case "url.full", "url.original", "url.path", "url.query":
				m = template.url
			}
			placeField(t, properties, name, m)
		}
		got := indent(t, indexTemplate(properties, template.lifecycle))
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(template.file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if b, err := os.ReadFile(template.file); err != nil || !bytes.Equal(b, got) {
			t.Errorf("%s is not up to date (%v): UPDATE=1 go test ./exporters -run TestIndexTemplates", template.file, err)
		}
	}
}

// fieldTypes are the types of all fields of all kinds of records; a name that has
// two is an error.
func fieldTypes(t *testing.T) map[string]records.Type {
	types := map[string]records.Type{}
	for _, r := range coverageRecords(t) {
		if r.Meta().NameSource = "dns"; r.Meta().Kind == records.KindHTTP {
			r.(*records.HTTP).URL = "http://www.example.com/a?b"
		}
		prefix := ""
		for _, f := range records.Plain(r.AppendFields(nil)) {
			switch f.Type {
			case records.Begin, records.Next:
				prefix = f.Name + "."
			case records.End:
				prefix = ""
			default:
				if was, seen := types[prefix+f.Name]; seen && mappingOf(was)["type"] != mappingOf(f.Type)["type"] {
					t.Errorf("%s has two types", prefix+f.Name)
				}
				types[prefix+f.Name] = f.Type
			}
		}
	}
	for _, name := range []string{"sensor", "boot", "name", "tag"} { // what an export stamps on each line
		types["kagami.export."+name] = records.String
	}
	types["kagami.export.seq"] = records.Int
	types["event.original"] = records.String
	if len(types) < 500 {
		t.Fatalf("only %d fields", len(types))
	}
	return types
}

func mappingOf(t records.Type) map[string]any {
	switch t {
	case records.Int:
		return map[string]any{"type": "long"}
	case records.Bool:
		return map[string]any{"type": "boolean"}
	case records.Float:
		return map[string]any{"type": "double"}
	case records.Time:
		return map[string]any{"type": "date"}
	case records.IP, records.IPs:
		return map[string]any{"type": "ip"}
	}
	return map[string]any{"type": "keyword", "ignore_above": 1024}
}

// placeField puts a mapping under its dotted name.
func placeField(t *testing.T, properties map[string]any, name string, mapping map[string]any) {
	head, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		if properties[head] != nil {
			t.Errorf("%s is a value and an object", name)
		}
		properties[head] = mapping
		return
	}
	o, _ := properties[head].(map[string]any)
	if o == nil {
		o = map[string]any{"properties": map[string]any{}}
		properties[head] = o
	}
	inner, isObject := o["properties"].(map[string]any)
	if !isObject {
		t.Fatalf("%s is a value and an object", head)
	}
	placeField(t, inner, rest, mapping)
}

func indexTemplate(properties, lifecycle map[string]any) map[string]any {
	index := map[string]any{
		"codec": "best_compression", "number_of_shards": 1, "refresh_interval": "5s",
		"mapping": map[string]any{"ignore_malformed": true, "total_fields": map[string]any{"limit": 2000}},
	}
	if lifecycle != nil { // Elastic
		index["lifecycle"] = lifecycle
		index["mode"] = "standard" // logs-*-* are "logsdb" otherwise: records would come back with their members sorted, and not verify
	}
	return map[string]any{
		"index_patterns": []string{"logs-kagami-*"}, "priority": 300, "data_stream": map[string]any{},
		"template": map[string]any{
			"settings": map[string]any{"index": index},
			"mappings": map[string]any{
				"date_detection": false,
				"dynamic_templates": []any{map[string]any{"text_as_keyword": map[string]any{
					"match_mapping_type": "string", "mapping": map[string]any{"type": "keyword", "ignore_above": 1024}}}},
				"properties": properties,
			},
		},
		"_meta": map[string]any{"description": "Records of Kagami: ECS " + records.ECSVersion + " and kagami.*"},
	}
}

func indent(t *testing.T, v any) []byte {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}
