// Package audit decides whether what users look like can be explained by the
// results that imports were given.
//
// It knows nothing of how imports work. Each row that is sent sets a custom field
// that no other row sets, its witness, and one field that all rows set, the
// register, to the name of its witness. An [Auditor] is told of everything that is
// sent, answered and seen:
//
//   - A witness that was seen on a user proves that the row was applied to it.
//     Whether it had to be follows from the row's result.
//   - A row may erase the witnesses of other rows once they were seen. One that
//     is seen again afterwards proves that its row was applied a second time, over
//     a newer value.
//   - A register that names a row although a later one was applied proves the
//     same. Later is a row whose request was sent after the other row's witness
//     was seen, or that stands behind it in the same request and names the same id
//     or address.
//
// Times are measured by one clock from the start of the run. What is seen in a
// read was so at some time between its begin and its end, so only events that are
// apart by whole reads and requests are put in order: nothing that is reported
// depends on luck with clocks.
package audit
