//go:build !race

package rowio_test

const raceEnabled = false
