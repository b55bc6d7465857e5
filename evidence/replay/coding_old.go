package replay

import (
	"errors"
	"io"
)

func newXZ(io.Reader) (io.ReadCloser, error)    { return nil, errors.New("x") }
func newLZMA([]byte) (io.ReadCloser, error)     { return nil, errors.New("x") }
func newCompress([]byte) (io.ReadCloser, error) { return nil, errors.New("x") }
