// Package segment is the file format of the evidence store.
package segment
