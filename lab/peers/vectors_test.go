package peers

// vector is a series made by a linear congruential generator and its score.
type vector struct {
	seed                      uint64
	n                         int
	base, spread, size, spare int64
	from, to                  int64
	want                      Score
}

func (v *vector) series() (times, sizes []int64) {
	x, t := v.seed, int64(1_700_000_000)
	for range v.n {
		x = x*6364136223846793005 + 1442695040888963407
		t += v.base + int64(x>>33)%(v.spread+1)
		if t >= v.from/3600*3600 {
			times, sizes = append(times, t), append(sizes, v.size+int64(x>>20)%(v.spare+1))
		}
	}
	return times, sizes
}

func vectors() []vector {
	return []vector{
		{1, 140, 540, 120, 400, 0, 1700000563, 1700083309, Score{Total: 0.963, Timestamps: 0.851, Sizes: 1, Duration: 1, Hourly: 1}},
		{2, 200, 10, 800, 300, 900, 1700000578, 1700082230, Score{Total: 0.838, Timestamps: 0.731, Sizes: 0.81, Duration: 1, Hourly: 0.811}},
		{3, 40, 1200, 2400, 60, 5, 1700018382, 1700104782, Score{Total: 0.95, Timestamps: 0.807, Sizes: 0.992, Duration: 1, Hourly: 1}},
		{4, 23, 1800, 3600, 1, 3, 1700003369, 1700082751, Score{Total: 0.9, Timestamps: 0.768, Sizes: 0.833, Duration: 1, Hourly: 1}},
		{5, 500, 1, 300, 0, 0, 1700000085, 1700075237, Score{Total: 0.778, Timestamps: 0.713, Sizes: 0.5, Duration: 1, Hourly: 0.897}},
		{6, 300, 250, 60, 1200, 300, 1700000299, 1700084174, Score{Total: 0.979, Timestamps: 0.973, Sizes: 0.943, Duration: 1, Hourly: 1}},
		{7, 60, 30, 90, 500, 40, 1700000110, 1700004676, Score{Total: 0.917, Timestamps: 0.763, Sizes: 0.904, Duration: 1, Hourly: 1}},
	}
}
