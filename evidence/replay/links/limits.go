package links

// Limits bound the work on one body. A zero field stands for its default.
type Limits struct {
	Input      int // octets of the body that are read; default 64 MiB
	Decoded    int // octets made by decoding or read again, in all; default 32 MiB
	Ratio      int // octets out of one octet compressed, above the first MiB; default 1000
	Nesting    int // texts within texts; default 12
	Passes     int // decodings of one string; default 8
	Literals   int // string literals of scripts; default 2,000,000
	LiteralLen int // octets of one string value; default 2 MiB
	Links      int // half of them for anchors, pictures and what is inferred; default 10,000
	URLLen     int // octets of one URL that is not data: or javascript:; default 16 KiB
	Members    int // members of a JAR, tags of a SWF, streams of a PDF; default 4096
}

// DefaultLimits are what zero fields stand for.
func DefaultLimits() Limits {
	return Limits{
		Input: 64 << 20, Decoded: 32 << 20, Ratio: 1000, Nesting: 12, Passes: 8,
		Literals: 2_000_000, LiteralLen: 2 << 20, Links: 10_000, URLLen: 16 << 10, Members: 4096,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, v := range []struct{ have, def *int }{
		{&l.Input, &d.Input}, {&l.Decoded, &d.Decoded}, {&l.Ratio, &d.Ratio}, {&l.Nesting, &d.Nesting},
		{&l.Passes, &d.Passes}, {&l.Literals, &d.Literals}, {&l.LiteralLen, &d.LiteralLen},
		{&l.Links, &d.Links}, {&l.URLLen, &d.URLLen}, {&l.Members, &d.Members},
	} {
		if *v.have <= 0 {
			*v.have = *v.def
		}
	}
	return l
}
