// Package events makes weeks of labelled records: what the sensor would say of
// three kinds of site, with everything harmless that looks like an attack, and
// attacks on all axes planted among it. Detectors are tuned and measured on it.
//
// A World is a heap of small generators, one for each thing that a machine or a
// person keeps doing; they play conversations, and a sink shows each conversation
// as records at once (Events) or as frames (WritePcap), so that both tell the
// same. Nothing is kept of what was told: weeks cost no more memory than hours.
//
// Output depends on the site, the seed and the options alone: there is no clock,
// no map iteration and no floating point in what is drawn, so a world is the same
// on every machine. Everything in it is made up: names end in .example, addresses
// outside are those of the benchmark range (RFC 2544).
package events
