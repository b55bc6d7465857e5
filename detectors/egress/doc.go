// Package egress finds traffic that goes around what the place has for going
// outside: the web proxy, the name servers, the mail relay. A machine that goes
// outside through them as good as always has no business there by itself;
// programs that do not know them, and those that are not meant to be seen, try
// nevertheless. Attempts that the firewall stops count as well as those that
// succeed.
//
// What many machines do is an exception of the place, and what a machine did
// while the place was being learned is its habit.
//
// It imports packet, records, sensor, census, incident, and the leaves state and
// table.
package egress
