package bulktest

import "time"

// SetPatience changes how long the suite of job queues waits for what is slow.
func SetPatience(d time.Duration) { patience = d }
