package browser

import (
	"github.com/chromedp/cdproto/input"
)

// A key is what a keyboard sends.
type key struct {
	name, text string
	code       int64
}

var keys = map[string]key{
	"Tab":       {"Tab", "", 9},
	"Enter":     {"Enter", "\r", 13},
	"Escape":    {"Escape", "", 27},
	"Space":     {" ", " ", 32},
	"Delete":    {"Delete", "", 46},
	"ArrowDown": {"ArrowDown", "", 40},
	"ArrowUp":   {"ArrowUp", "", 38},
}

// press presses and releases a key, with Shift if it is said.
func (p *tab) press(name string, shift ...bool) {
	p.Helper()
	k, ok := keys[name]
	if !ok {
		p.Fatalf("there is no key %q", name)
	}
	event := input.DispatchKeyEventParams{Key: k.name, Code: name, WindowsVirtualKeyCode: k.code, Text: k.text}
	if len(shift) > 0 && shift[0] {
		event.Modifiers = 8 // the bit of Shift
	}
	event.Type = input.DispatchKeyEventTypeRawKeyDown
	if k.text != "" {
		event.Type = input.DispatchKeyEventTypeKeyDown
	}
	call(p, input.DispatchKeyEvent, event)
	event.Type, event.Text = input.DispatchKeyEventTypeKeyUp, ""
	call(p, input.DispatchKeyEvent, event)
}

// typeOver replaces the text of the field that has the focus.
func (p *tab) typeOver(text string) {
	p.Helper()
	eval[any](p, `() => document.activeElement.select()`)
	call(p, input.InsertText, input.InsertTextParams{Text: text})
}
