package decoders

import "testing"

func TestConfig(t *testing.T) {
	if c := Default(); len(c.Validate()) != 0 {
		t.Errorf("the default is refused: %v", c.Validate())
	}
	for _, x := range []struct {
		change func(*FilesConfig)
		want   string
	}{
		{func(c *FilesConfig) { c.Hashes = []string{"sha256", "crc32"} }, `decode.files.hashes: got "crc32", want one of md5, sha1, sha256`},
		{func(c *FilesConfig) { c.RiskyHashes = []string{""} }, `decode.files.risky_hashes: got "", want one of md5, sha1, sha256`},
		{func(c *FilesConfig) { c.MaxHashed = 0 }, "decode.files.max_hashed: got 0, want 1024 to 1099511627776"},
		{func(c *FilesConfig) { c.MaxDecoded = -1 }, "decode.files.max_decoded: got -1, want 1024 to 1099511627776"},
		{func(c *FilesConfig) { c.MaxRatio = 9 }, "decode.files.max_ratio: got 9, want 10 to 100000"},
		{func(c *FilesConfig) { c.MaxMemory = 1 << 10 }, "decode.files.max_memory: got 1024, want 65536 to 1073741824"},
	} {
		c := Default()
		x.change(&c.Files)
		if errs := c.Validate(); len(errs) != 1 || errs[0].Error() != x.want {
			t.Errorf("got %v, want %s", errs, x.want)
		}
	}
}
