package main

import "fmt"

func readExpected(path string) (map[string][]string, error) { return nil, nil }
func readResult(path string) (expectation, error)           { return expectation{}, fmt.Errorf("x") }
