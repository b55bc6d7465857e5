package incident

// Advice is what to do first about an alert of a rule; zero for rules that are
// not known here.
func Advice(rule string) Text {
	switch rule {
	case "beacon":
		return Text{
			"find the program on the machine that connects there (EDR, Sysmon event 3, netstat -b), and look for the destination in older proxy logs. " +
				"If only this machine knows it, treat the machine as compromised until it is explained: take it off the network, keep it switched on",
			"端末上でこの宛先に接続しているプログラムを特定し（EDR、Sysmonイベント3、netstat -b）、過去のプロキシログでも宛先を検索する。" +
				"この端末だけの宛先なら、説明がつくまで侵害されたものとして扱い、電源は切らずにネットワークから切り離す"}
	case "direct-egress":
		return Text{
			"ask whether this way out is meant to be open; find the program (EDR, Sysmon event 3); see what else the machine contacted since then. If it was answered and nobody knows it, block the destination at the firewall",
			"この経路を開けておく予定だったかを確認し、プログラムを特定する（EDR、Sysmonイベント3）。以後の他の通信先も調べる。応答があり心当たりがなければ、ファイアウォールで宛先を遮断する"}
	case "lateral-scan", "port-scan":
		return Text{
			"ask who runs it. If nobody does, isolate the machine, then look at the targets that answered for logons from it (Windows events 4624, 4625, 5140)",
			"実施者がいるかを確認する。いなければ端末を隔離し、応答した対象でこの端末からのログオンを調べる（Windowsイベント4624、4625、5140）"}
	case "executable-download", "drive-by":
		return Text{
			"ask the user what was wanted, and find out whether the file was run (EDR, Sysmon event 1). If it was, isolate the machine. Search the other machines for the file's hash; kagami replay rebuilds the way there from the packets",
			"利用者に意図を確認し、ファイルが実行されたかを調べる（EDR、Sysmonイベント1）。実行済みなら端末を隔離し、他の端末でも同じハッシュを検索する。経路はkagami replayでパケットから再現できる"}
	}
	return Text{}
}
