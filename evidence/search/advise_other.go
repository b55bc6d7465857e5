//go:build !linux

package search

import "os"

func sequential(*os.File)           {}
func forget(*os.File, int64, int64) {}
func cached(*os.File, int64) bool   { return true }
