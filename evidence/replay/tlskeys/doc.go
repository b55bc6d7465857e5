// Package tlskeys decrypts recorded TLS 1.0 to 1.3 with a key log: the secrets
// that a browser or server wrote down in SSLKEYLOGFILE format (RFC 9850), as a
// text file or in the Decryption Secrets Blocks of a pcapng file.
//
// A Log holds the secrets. A Session takes the TCP payload of both directions of
// one connection and gives the application data to a Sink. Nothing is given that
// its own record does not authenticate: what cannot be opened is told as Loss,
// or, once a direction is beyond hope, as the Reason in the Report.
//
// Everything is bounded: octets that wait, handshake messages, and the trials
// that find the sequence number again after a gap. The package knows neither
// flows nor files; it imports of Kagami only packet, for the name of a side.
package tlskeys
