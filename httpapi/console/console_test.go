package console

import "testing"

func TestSize(t *testing.T) {
	f, err := makeFiles(Config{API: DefaultAPI})
	if err != nil { t.Fatal(err) }
	n := 0
	for _, x := range f { n += len(x.content); t.Log(x.name, len(x.content)) }
	t.Log(n)
}
