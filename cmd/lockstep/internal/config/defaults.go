package config

import (
	"errors"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/host"
)

// defaults is the lowest layer.
func defaults() host.Config { return host.Default() }

// Validate checks the values against their bounds and each other. The error is an *Error that says where the value came from.
func (e Effective) Validate() error {
	err := e.Config.Validate()
	var wrong *host.ConfigError
	if !errors.As(err, &wrong) {
		return err
	}
	key, _, _ := strings.Cut(wrong.Field, "[")
	return &Error{Place: e.Origins[key].Place, Reason: err.Error()}
}
