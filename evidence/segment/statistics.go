package segment

import "strconv"

// AppendStatistics writes an Interface Statistics Block (section 4.6) of interface
// id at a time (ns since the epoch). c are the totals of the whole writer; the
// comment tells what each counter holds, since the format's own words fit a plain
// capture only.
func AppendStatistics(b []byte, id uint32, at int64, c *Counters) []byte {
	b, start := begin(b, blockStatistics)
	b = le.AppendUint32(b, id)
	b = le.AppendUint32(b, uint32(uint64(at)>>32))
	b = le.AppendUint32(b, uint32(at))
	b = appendStatisticsComment(b, c)
	lost := c.LostSlow + c.LostFull + c.LostError
	b = appendCounter(b, optRecv, c.Seen+c.KernelDropped)
	b = appendCounter(b, optDrop, c.KernelDropped+lost)
	b = appendCounter(b, optAccept, c.Seen-c.LeftOut-c.Ignored)
	b = appendCounter(b, optOSDrop, c.KernelDropped)
	b = appendCounter(b, optDelivered, c.Stored)
	return end(appendEnd(b), start)
}

func appendStatisticsComment(b []byte, c *Counters) []byte {
	b = le.AppendUint16(b, optComment)
	b = le.AppendUint16(b, 0)
	at := len(b)
	b = append(b, "Totals of this writer's packets, all interfaces, since the recording process began. "+
		"ifrecv: seen and dropped by the kernel; ifdrop: dropped by the kernel and lost by the disk; "+
		"filteraccept: seen without those left out or ignored; osdrop: dropped by the kernel; usrdeliv: stored. Seen "...)
	b = strconv.AppendUint(b, c.Seen, 10)
	for _, p := range []struct {
		text string
		n    uint64
	}{
		{" = stored ", c.Stored},
		{" + lost (disk slow ", c.LostSlow},
		{", full ", c.LostFull},
		{", error ", c.LostError},
		{") + left out ", c.LeftOut},
		{" + ignored ", c.Ignored},
		{" + waiting ", c.Waiting},
		{". Of the stored, cut to headers ", c.Cut},
		{" (octets missing ", c.CutBytes},
		{"). Dropped by the kernel ", c.KernelDropped},
		{". Pressure level ", uint64(c.Level)},
	} {
		b = append(b, p.text...)
		b = strconv.AppendUint(b, p.n, 10)
	}
	b = append(b, '.')
	n := len(b) - at
	le.PutUint16(b[at-2:], uint16(n))
	return appendPadding(b, n)
}
