// Package openapitest checks requests and answers of the HTTP API against its
// OpenAPI document, so that the document is the truth: an answer that it does
// not describe fails the test, and so does a request that was taken although
// the document forbids it.
//
// Wherever a test has the handler, it is one line:
//
//	handler = openapitest.Check(t, handler)
//
// or, for a client of a server that runs elsewhere:
//
//	client.Transport = openapitest.Transport(t, http.DefaultTransport)
//
// What is checked of an answer: that the document has its status for the
// operation, its error code for the status, its content type and all its
// headers; that no required header is missing; that headers and body are of
// their schemas; and what schemas cannot say: that the six counts of a summary
// add up and are those of the results, and that results are in order. A path or
// a method that the document does not have must be answered with the responses
// PathNotFound and MethodNotAllowed of its components.
//
// What is checked of a request that was taken (2xx): that its parameters and its
// body are of their schemas, and, where the answer has the results, that
// exactly the rows failed validation that are no users by the schema.
package openapitest
