package rowio

import (
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/canon"
)

// An option is one of [bulk.Options] by its name on the wire. One of its pointers
// leads to where it is kept.
type option struct {
	flag   *bool
	merge  *bulk.MergeMode
	text   *string
	number **int // nil for none
}

// OptionNames are the names of the options, as requests give them.
var OptionNames = []string{
	"upsert", "skipDuplicates", "sendWelcomeEmail", "dryRun", "updateOnly", "merge", "maxFailed", "label",
}

// optionOf returns the option of that name, and whether there is one.
func optionOf(options *bulk.Options, name string) (option, bool) {
	switch name {
	case "upsert":
		return option{flag: &options.Upsert}, true
	case "skipDuplicates":
		return option{flag: &options.SkipDuplicates}, true
	case "sendWelcomeEmail":
		return option{flag: &options.SendWelcomeEmail}, true
	case "dryRun":
		return option{flag: &options.DryRun}, true
	case "updateOnly":
		return option{flag: &options.UpdateOnly}, true
	case "merge":
		return option{merge: &options.Merge}, true
	case "maxFailed":
		return option{number: &options.MaxFailed}, true
	case "label":
		return option{text: &options.Label}, true
	default:
		return option{}, false
	}
}

// what says for people which values the option takes.
func (o option) what() string {
	switch {
	case o.flag != nil:
		return "true or false"
	case o.merge != nil:
		return `"merge", "fill" or "replace"`
	case o.text != nil:
		return "a string"
	default:
		return "a whole number that is not negative"
	}
}

// other names the kind of a value that the option does not take.
func (o option) other(kind jsontext.Kind) string {
	switch {
	case o.merge != nil && kind == '"':
		return "another string"
	case o.number != nil && kind == '0':
		return "another number"
	default:
		return canon.KindName(kind)
	}
}

// setToken sets the option to a JSON value, and reports whether it is one that the
// option takes.
func (o option) setToken(value jsontext.Token) bool {
	kind := value.Kind()
	switch {
	case o.flag != nil && (kind == 't' || kind == 'f'):
		*o.flag = kind == 't'
		return true
	case o.merge != nil && kind == '"':
		return o.merge.UnmarshalText([]byte(value.String())) == nil
	case o.text != nil && kind == '"':
		*o.text = value.String()
		return true
	case o.number != nil && kind == 'n': // as the options of a job show that there is none
		*o.number = nil
		return true
	case o.number != nil && kind == '0':
		return o.setNumber(value.String())
	default:
		return false
	}
}

// maxNumber bounds the number of an option: every JSON decoder can hold it.
const maxNumber = 1<<53 - 1

// setNumber sets an option that is a number. 1e2 is a whole number too.
func (o option) setNumber(text string) bool {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f > maxNumber || f != float64(int(f)) {
		return false
	}
	*o.number = new(int(f))
	return true
}

// SetOption sets the option of that name to a text, as query parameters have it.
func SetOption(options *bulk.Options, name, text string) error {
	o, ok := optionOf(options, name)
	switch {
	case !ok:
		return errors.New("is not an option")
	case o.flag != nil && (text == "true" || text == "false"):
		*o.flag = text == "true"
		return nil
	case o.merge != nil && o.merge.UnmarshalText([]byte(text)) == nil:
		return nil
	case o.text != nil:
		*o.text = text
		return nil
	case o.number != nil && text != "" && strings.Trim(text, "0123456789") == "" && o.setNumber(text):
		return nil
	default:
		return errors.New("must be " + o.what())
	}
}
