package bulk

// ability returns an optional interface of a backend: that of the backend itself, or
// else of what it wraps.
func ability[T any](backend any) (T, bool) {
	for backend != nil {
		if able, ok := backend.(T); ok {
			return able, true
		}
		switch wrapper := backend.(type) {
		case interface{ Unwrap() Store }:
			backend = wrapper.Unwrap()
		case interface{ Unwrap() BlobStore }:
			backend = wrapper.Unwrap()
		case interface{ Unwrap() JobQueue }:
			backend = wrapper.Unwrap()
		default:
			backend = nil
		}
	}
	var none T
	return none, false
}
