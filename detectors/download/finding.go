package download

import (
	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/records"
)

// finding puts a verdict into words.
func (d *Detector) finding(r *records.HTTP, k *census.Contact, g *goods, w *verdict) incident.Finding {
	f := incident.Finding{
		Source: k.Client, Destination: incident.Cut(k.Text()), DestAddr: k.Addr, DestPort: k.Port,
		Since: w.trail.first().at, Until: max(r.End, r.Start),
		Facts: []incident.Text{g.transaction(r)}, Reasons: w.reasons, Chain: w.trail.chain(),
	}
	f.Rule, f.Title, f.Benign = rule(g, w), title(k.Client.String(), incident.Quote(f.Destination), g, w), benign(g, w)
	f.Technique = techniques(f.Rule, g, &w.trail)
	return f
}

// rule is drive-by where the way was not the user's, and for what attacks the
// browser by being shown.
func rule(g *goods, w *verdict) string {
	if w.led >= driven || g.risk == exploit && !g.macros {
		return ruleDriveBy
	}
	return ruleExecutable
}

func title(who, where string, g *goods, w *verdict) incident.Text {
	switch {
	case w.led >= driven:
		return incident.Say("%s was led to %s and received %s", "%sが%sへ誘導され、%sを受信", who, where, g.describe())
	case g.pretends() || g.declared == "":
		return incident.Say("%s received %s in disguise from %s", "%[1]sが%[3]sから、種別を偽った%[2]sを受信", who, g.describe(), where)
	}
	return incident.Say("%s received %s from %s", "%[1]sが%[3]sから%[2]sを受信", who, g.describe(), where)
}

func benign(g *goods, w *verdict) incident.Text {
	check := incident.Say("Compare the file's hash and signature, and ask the user what was wanted.",
		"ファイルのハッシュと署名を確認し、何をしようとしていたかを利用者に聞いてください。")
	switch {
	case g.risk.attack():
		return incident.Say("An advertisement or game in Flash or Java, or a document of a small site. %s",
			"FlashやJavaの広告・ゲーム、または小規模サイトの文書の可能性があります。%s", check)
	case w.led >= driven:
		return incident.Say("A download that starts by itself behind a vendor's redirections. %s",
			"ベンダーのリダイレクト先で自動的に始まるダウンロードの可能性があります。%s", check)
	}
	return incident.Say("A vendor's download page that sends a program through a script or with a wrong type. %s",
		"ベンダーのダウンロードページがスクリプト経由や誤ったContent-Typeでプログラムを送った可能性があります。%s", check)
}

// techniques names the MITRE ATT&CK techniques, the most telling first.
func techniques(rule string, g *goods, t *trail) []string {
	ids := []string{"T1204.002"}
	if rule == ruleDriveBy && g.macros {
		ids = []string{"T1189", "T1204.002"}
	} else if rule == ruleDriveBy {
		ids[0] = "T1189"
	}
	if t.attacked == exploit || g.risk.attack() {
		ids = append(ids, "T1203")
	}
	if g.risk.payload() {
		ids = append(ids, "T1105")
	}
	if g.pretends() {
		ids = append(ids, "T1036.008")
	}
	if g.risk == opaque || g.encrypted {
		ids = append(ids, "T1027")
	}
	return ids
}
