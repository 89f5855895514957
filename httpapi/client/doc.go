// Package client imports users through the API of package httpapi.
//
//	c, err := client.New(client.Config{BaseURL: "https://example.com/api", Token: token})
//	imported, err := c.Import(ctx, client.CSV(file), nil)
//	for result, err := range imported.Failed(ctx) { … }
//
// [Client.Import] takes any number of users: it sends them in as many requests as
// the limits of the service need, one after the other, and waits for each to be
// applied before it sends the next, so that rows of the same user apply in the
// order given. [Client.Submit] does not wait. Results have the indexes and lines
// of what was given, whatever requests it was sent in.
//
// # Repeating
//
// Each request has an idempotency key, made of [Options.IdempotencyKey] and the
// number of the request. So whatever fails in between is sent again, by the client
// itself and by whoever runs the same import again under the same key: the
// service answers what it has done already as it did the first time. It remembers
// keys for 24 hours ([bulk.IdempotencyKeyRetention]). With [Options.ContentKeys] the
// same goes for a text that was mended: it continues at the first part that differs.
// [Import.WriteRest] writes the rows of a CSV text that are left, in a file of their
// own. A dry run has no keys.
//
// The client sends again after 429, 502, 503, 504, 409 IDEMPOTENCY_IN_PROGRESS and
// failures of the connection: with a backoff that grows, half of it random, never
// before the service's Retry-After, and no more often than [Config.MaxAttempts].
//
// # Memory
//
// One request's body is in memory at a time, and of each request what
// [Import.Parts] has. That has the results of requests which the service answered
// at once, below 100 users by default; those of jobs are streamed.
//
// # Credentials
//
// [Config.Token] and [Config.Authorize] are for requests to the API alone. Results
// files are downloaded with a bare GET, from wherever the service says, without
// them. No redirect is followed. Errors hold no credentials, no download link and
// no address but the host's.
package client
