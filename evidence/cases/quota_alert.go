package cases

import (
	"fmt"
	"hash/fnv"

	"kagami/records"
)

// QuotaRule is the rule of the alert that the quota of cases is used up.
const QuotaRule = "evidence-quota"

// quotaAlert says that a case kept less than it ought to.
func quotaAlert(c *Case, quota, now int64) *records.Alert {
	h := fnv.New64a()
	h.Write([]byte(c.Name))
	r := records.NewAlert(records.Meta{At: now, UID: h.Sum64(), Sub: 1})
	r.Rule, r.Severity = QuotaRule, records.Medium
	r.Title = "evidence of new alerts is kept in part only: the cases take their quota"
	if c.Scope == ScopeNothing {
		r.Severity = records.High
		r.Title = "evidence of new alerts is not kept any more: the cases take their quota and its reserve"
	}
	r.Source = c.Host
	r.Since, r.Until = c.From, c.To
	r.Evidence = []string{
		fmt.Sprintf("case %s: %s", c.Name, c.Why),
		fmt.Sprintf("pin.quota_bytes is %d octets; old cases are never deleted: release those that are not needed any more", quota),
	}
	return r
}
