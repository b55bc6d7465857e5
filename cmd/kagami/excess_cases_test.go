package main

// excessCase is what is expected of a run over an excess.
type excessCase struct {
	met    []string // which limits were met, as records and counters say
	flood  bool     // it fills tables that all flows share: much memory
	shares bool     // it meets a limit that all workers share: records depend on their number
}

func excessCases() map[string]excessCase { return map[string]excessCase{} }
