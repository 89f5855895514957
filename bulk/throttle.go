package bulk

import "context"

// A throttleKey is the key of who is told of throttles, in the context of a call.
type throttleKey struct{}

// WatchThrottles returns a context whose calls of backends tell report of throttles, as
// far as the backend does: see [ReportThrottle]. Importers and workers that have an
// [Observer] call theirs with one. report may be called by several goroutines at once,
// and after the call has returned.
func WatchThrottles(ctx context.Context, report func(parts int)) context.Context {
	return context.WithValue(ctx, throttleKey{}, report)
}

// ReportThrottle is for backends that repeat calls by themselves. It tells whoever
// watches, if anybody does, that so many parts of a call (items, statements, messages)
// were refused for coming too fast; of one that is refused again, it is told again. ctx
// is that of the backend's method, or derives from it.
func ReportThrottle(ctx context.Context, parts int) {
	if report, ok := ctx.Value(throttleKey{}).(func(int)); ok && parts > 0 {
		report(parts)
	}
}
