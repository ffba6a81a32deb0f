//go:build !linux

package up

import (
	"errors"
	"testing"
)

func mountReadOnly(*testing.T, string) error { return errors.ErrUnsupported }
