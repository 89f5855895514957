// Package cputime measures what benchmarks take of the processor. What others do on the
// machine meanwhile counts less than with a clock on the wall, so it suits what waits for
// nobody. Only tests import it.
package cputime
