//go:build !unix

package cputime

import "time"

var began = time.Now()

// Used returns the time since the process began, for want of better.
func Used() time.Duration { return time.Since(began) }
