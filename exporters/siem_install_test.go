package exporters

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestInstallScripts runs install.sh of OpenSearch and Elasticsearch against a server
// that only takes note: which calls come, with whose name, and that each body is JSON.
func TestInstallScripts(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	for _, c := range []struct {
		product string
		there   []string // what the server has already
		refuses string
		want    []string
		says    string
		good    bool
	}{
		{"elastic", nil, "", []string{"PUT /_ilm/policy/kagami", "PUT /_index_template/kagami", "PUT /_security/role/kagami"}, "role.json", true},
		{"elastic", nil, "/_index_template/kagami", []string{"PUT /_ilm/policy/kagami", "PUT /_index_template/kagami"}, "no such setting", false},
		{"opensearch", []string{"/_plugins/_security/api/roles"}, "", []string{"PUT /_index_template/kagami", "GET /_plugins/_security/api/roles",
			"PUT /_plugins/_security/api/roles/kagami", "GET /_plugins/_ism/policies/kagami", "PUT /_plugins/_ism/policies/kagami"}, "ism-policy.json", true},
		{"opensearch", []string{"/_plugins/_ism/policies/kagami"}, "", []string{"PUT /_index_template/kagami", "GET /_plugins/_security/api/roles",
			"GET /_plugins/_ism/policies/kagami"}, "left as it is", true},
	} {
		var calls []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls = append(calls, r.Method+" "+r.URL.Path)
			if user, password, _ := r.BasicAuth(); user != "admin" || password != "secret:1" {
				t.Errorf("%s %s comes from %q", r.Method, r.URL.Path, user)
			}
			body, _ := io.ReadAll(r.Body)
			switch {
			case r.URL.Path == c.refuses:
				http.Error(w, `{"error":"no such setting"}`, http.StatusBadRequest)
			case r.Method == "GET" && !slices.Contains(c.there, r.URL.Path):
				http.Error(w, "{}", http.StatusNotFound)
			case r.Method == "PUT" && (!json.Valid(body) || r.Header.Get("Content-Type") != "application/json"):
				t.Errorf("%s %s: no JSON: %.100q", r.Method, r.URL.Path, body)
			}
		}))
		config := t.TempDir() + "/curl"
		writeText(t, config, "user = \"admin:secret:1\"\n")
		out, err := exec.Command("sh", "../configs/siem/"+c.product+"/install.sh", server.URL+"/", config).CombinedOutput()
		server.Close()
		if (err == nil) != c.good || !slices.Equal(calls, c.want) || !bytes.Contains(out, []byte(c.says)) {
			t.Errorf("%s: %v, calls %q, want %q; it says:\n%s", c.product, err, calls, c.want, out)
		}
	}
	for _, product := range []string{"elastic", "opensearch"} { // without arguments: what to give
		out, err := exec.Command("sh", "../configs/siem/"+product+"/install.sh").CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "Installs Kagami's") || strings.Contains(string(out), "set -eu") {
			t.Errorf("%s: %v: %s", product, err, out)
		}
	}
}

// TestSIEMPolicies: what a role allows, and that policies and the monitor mean our
// indices.
func TestSIEMPolicies(t *testing.T) {
	var role struct {
		Index []struct {
			Patterns []string `json:"index_patterns"`
			Allowed  []string `json:"allowed_actions"`
		} `json:"index_permissions"`
	}
	if err := json.Unmarshal([]byte(shipped(t, "opensearch/role.json")), &role); err != nil || len(role.Index) != 1 {
		t.Fatal(err)
	}
	for _, a := range role.Index[0].Allowed {
		if strings.Contains(a, "read") || strings.Contains(a, "delete") || a == "*" {
			t.Errorf("the role allows %s", a)
		}
	}
	// Without it a record with a field that the template does not have is never taken: OpenSearch answers 403.
	if !slices.Contains(role.Index[0].Allowed, "indices:admin/mapping/put") {
		t.Error("the role does not allow new fields")
	}
	for _, name := range []string{"opensearch/ism-policy.json", "opensearch/monitor-silent.json", "opensearch/index-template.json", "elastic/role.json", "elastic/index-template.json"} {
		if text := shipped(t, name); !json.Valid([]byte(text)) || !strings.Contains(text, `"logs-kagami-*"`) {
			t.Errorf("%s: no JSON, or not of our indices", name)
		}
	}
	for _, dir := range []string{"elastic", "opensearch", "kafka", "nats", "wazuh"} {
		files, err := os.ReadDir("../configs/siem/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if path := "../configs/siem/" + dir + "/" + f.Name(); strings.HasSuffix(path, ".sh") {
				if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", path, err, out)
				}
			}
		}
	}
}
