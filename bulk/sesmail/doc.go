// Package sesmail sends welcome emails by Amazon SES: a [bulk.Mailer].
//
//	mailer, err := sesmail.New(sesv2.NewFromConfig(cfg), sesmail.Options{
//		From:     "Ana <ana@example.com>",
//		Template: "welcome",
//	})
//
// Each email is made of an SES template and the data that [Options.TemplateData]
// returns for a user. Up to [bulk.MaxWelcomeBatch] are sent by one SendBulkEmail,
// paced by [Options.EmailsPerSecond].
//
// # Once or not at all
//
// SES has no idempotency keys. So what SES did not accept for sure is sent again, a
// few times: throttled calls and emails, transient failures, and calls that did
// not reach SES. A call whose outcome is not known, because its answer was lost or
// is a server error, is not: its emails count as failed, and may have been sent.
// The SDK's own retries are switched off, for they would not know the difference.
//
// The key of a message is sent as a message tag, so that whoever reads the
// events of SES can tell a message that a crash of the worker made it send twice.
//
// # Addresses
//
// SES takes ASCII only. An address with other characters, or one that a mail
// header would read as more than one plain address, fails and is not sent, so that
// it does not make the whole call fail.
package sesmail
