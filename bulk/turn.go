package bulk

// A turn is a lock that is held during calls to a backend. Unlike a mutex it
// counts as blocking for testing/synctest, so that hosts can test in a bubble
// with backends that take time.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) lock()   { t <- struct{}{} }
func (t turn) unlock() { <-t }
