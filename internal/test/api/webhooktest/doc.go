// Package webhooktest lets receivers of httpapi/webhook verify what they get with the
// library of the specification's own authors. It has tests only.
package webhooktest
