// Package detection measures Kagami's detectors, and what other tools would have
// said, on the worlds of lab/events: which attacks are found and how soon, how
// often something harmless is told, what it costs. It compares the result with
// the targets and writes it as text and plots.
//
// Everything but Cost depends on the plan alone: the same plan gives the same
// report to the octet.
package detection
