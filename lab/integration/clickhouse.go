package integration

import (
	_ "embed"
	"os/exec"
	"path/filepath"
	"testing"
)

// ClickHouse starts Debian's clickhouse-server, which is of 2018.
func ClickHouse(t testing.TB) *Server {
	t.Helper()
	Need(t, "clickhouse-server")
	dir, port := t.TempDir(), FreePort(t)
	config := filepath.Join(dir, "config.xml")
	save(t, config, `<yandex><logger><level>error</level><console>1</console></logger><listen_host>127.0.0.1</listen_host>
<http_port>`+port+`</http_port><path>`+dir+`/data/</path><tmp_path>`+dir+`/tmp/</tmp_path><mark_cache_size>100000000</mark_cache_size>
<users_config>`+dir+`/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database></yandex>`)
	save(t, filepath.Join(dir, "users.xml"), `<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>
<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>`)
	return Start(t, "http://127.0.0.1:"+port, func() *exec.Cmd { return Command("clickhouse-server", "--config-file="+config) })
}

//go:embed testdata/clickhouse.py
var chdbServer string

// ClickHouseEngine starts the engine of a current ClickHouse (the package chdb)
// behind the part of its HTTP interface that is used here.
func ClickHouseEngine(t testing.TB) *Server {
	t.Helper()
	Need(t, "chdb")
	dir, port := t.TempDir(), FreePort(t)
	script := filepath.Join(dir, "server.py")
	save(t, script, chdbServer)
	return Start(t, "http://127.0.0.1:"+port, func() *exec.Cmd { return Command("chdb", script, filepath.Join(dir, "db"), port) })
}
