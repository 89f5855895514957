// Package section keeps the parts of documents that programs make: each stands between
// the lines "<!-- made by make NAME -->" and "<!-- end of what make NAME made -->".
package section

import (
	"fmt"
	"os"
	"strings"
)

// Put puts the text into the file in place of the part that "make NAME" made before.
func Put(file, name, text string) error {
	was, now, err := replaced(file, name, text)
	if err != nil || now == was {
		return err
	}
	return os.WriteFile(file, []byte(now), 0o644)
}

// Check returns an error if Put would change the file.
func Check(file, name, text string) error {
	was, now, err := replaced(file, name, text)
	if err == nil && now != was {
		err = fmt.Errorf("%s has something else than\n%s\nIf that is meant: make %s", file, text, name)
	}
	return err
}

func replaced(file, name, text string) (was, now string, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	begin, end := "<!-- made by make "+name+" -->\n", "<!-- end of what make "+name+" made -->\n"
	before, rest, ok1 := strings.Cut(string(content), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return "", "", fmt.Errorf("%s has no lines %q and %q to put the text between", file, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return string(content), before + begin + text + end + after, nil
}
