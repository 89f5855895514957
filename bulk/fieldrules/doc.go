// Package fieldrules checks custom fields and metadata by rules that a host
// declares:
//
//	rules, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{
//		"plan": "required,oneof=free pro",
//		"age":  "number,min=0,max=150",
//	}})
//	...
//	cfg.FieldRules = rules
//
// A row that breaks a rule fails with FIELD_RULE; its error names the field and says
// the rule in words. The HTTP API publishes the rules in its OpenAPI document.
//
// # What is checked
//
// A row is a change, so the fields that it gives are checked, and no others: a
// field that is not there stays as it is, and a null removes it. What users have
// already is not looked at. The one rule about more than that is required: a row
// that creates a user has to give the field, and no row may remove it.
//
// The fields with rules are those at the top; what is in an object or an array is
// not reached. Fields without a rule are free.
//
// # Rules
//
// A rule is a list of tags with commas between them, of which required and a kind
// come first:
//
//	required          see above; an empty string is a value like others
//	string            a JSON string; the kind, where none is named
//	number, integer   a JSON number, not the text of one; 1.0 is an integer too
//	boolean
//	array, object
//	any               of any kind; no other tags may follow
//
// Numbers are compared as they are, with all their digits: min=0 and gte=0, max, lte, gt,
// lt, eq, ne, and oneof=1 2.5 3. Of arrays and objects the elements are counted: min,
// max, len. Of strings the characters are: min, max, len. A string may have these
// tags of github.com/go-playground/validator too, with the meaning that they have
// there:
//
//	eq ne oneof oneofci contains containsany excludes excludesall
//	startswith endswith startsnotwith endsnotwith
//	alpha alphanum alphaunicode alphanumunicode ascii printascii lowercase uppercase
//	numeric hexadecimal hexcolor base64 base64url json jwt semver datetime=LAYOUT
//	email url http_url uri hostname fqdn ip ipv4 ipv6 cidr mac
//	uuid ulid e164 iso3166_1_alpha2 iso3166_1_alpha3 iso4217 bcp47_language_tag
//	postcode_iso3166_alpha2=COUNTRY credit_card bic latitude longitude isbn
//
// In the value of a tag a comma is written 0x2C and a bar 0x7C. Tags that look at files
// or at the network, or at other fields, are left out: a rule depends on the field
// alone. A host with other needs has a [bulk.FieldChecker] of its own.
//
// # Size
//
// Validator looks methods up by name, so the linker keeps all methods of all types: a
// program that imports this package is larger by 3 MB, or by 11 with the AWS SDK.
// Built with -tags validator_novalidatefn it is larger by one.
package fieldrules
