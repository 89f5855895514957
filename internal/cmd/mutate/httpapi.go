package main

// Faults of the handler: how it reads bodies, and what it counts of them.
var httpapiFaults = []mutation{
	{
		name: "the buffer of a body is not counted", file: "httpapi/body.go",
		old: `if err := b.held.buffer(size); err != nil {`, new: `if err := error(nil); err != nil {`,
		test: "^TestBodyBufferIsCounted$",
	},
	{
		name: "the buffer of a body grows though nothing comes", file: "httpapi/body.go",
		old: `if b.filled && len(b.buf) < lastBodyBuffer {`, new: `if len(b.buf) < lastBodyBuffer {`,
		test: "^TestBodyBufferGrowsWithWhatArrives$",
	},
	{
		name: "the buffer of a body never grows", file: "httpapi/body.go",
		old: `if b.filled && len(b.buf) < lastBodyBuffer {`, new: `if false {`,
		test: "^TestBodyBufferGrowsWithWhatArrives$",
	},
	{
		name: "a short body is buffered", file: "httpapi/body.go",
		old: `if 0 <= length && length < firstBodyBuffer {`, new: `if length == 0 {`,
		test: "^TestShortBodiesAreNotBuffered$",
	},
	{
		name: "an error hides what came before it", file: "httpapi/body.go",
		old: `	if len(b.unread) == 0 {
		return 0, b.err
	}`, new: `	if b.err != nil {
		return 0, b.err
	}`,
		test: "^TestBodyBufferIsAReader$",
	},
	{
		name: "the error of a body is forgotten", file: "httpapi/body.go",
		old: `if len(b.unread) == 0 && b.err == nil {`, new: `if len(b.unread) == 0 {`,
		test: "^TestBodyBufferIsAReader$",
	},
}
