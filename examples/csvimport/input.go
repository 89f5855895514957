package main

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/bulkops/bulkops/httpapi/client"
)

// An input is a CSV file that can be read as often as needed.
type input struct {
	file *os.File
	temp bool   // a copy of ours
	rows int    // without the header
	sum  []byte // of the content
}

// openInput opens a file, or a copy of standard input, and reads it once: so that
// what is not CSV is seen before anything is sent.
func openInput(ctx context.Context, name string, stdin io.Reader) (*input, error) {
	in := new(input)
	var err error
	if name == "-" {
		in.temp = true
		in.file, err = os.CreateTemp("", "csvimport-*.csv")
		if err == nil {
			_, err = io.Copy(in.file, &contextReader{ctx, stdin})
		}
	} else {
		in.file, err = os.Open(name)
	}
	if err == nil {
		err = in.unzip(ctx)
	}
	if err == nil {
		err = in.scan(ctx)
	}
	if err == nil && in.rows == 0 {
		err = errors.New("the file has no rows")
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// unzip puts a decompressed copy in the place of a file that is compressed.
func (in *input) unzip(ctx context.Context) error {
	if err := in.rewind(); err != nil {
		return err
	}
	magic := make([]byte, 2)
	if n, _ := io.ReadFull(in.file, magic); string(magic[:n]) != "\x1f\x8b" { // an error comes again
		return nil
	}
	if err := in.rewind(); err != nil {
		return err
	}
	zip, err := gzip.NewReader(&contextReader{ctx, in.file})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "csvimport-*.csv")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, zip)
	in.close()
	in.file, in.temp = file, true
	return err
}

// scan checks the grammar, counts the rows and hashes the content.
func (in *input) scan(ctx context.Context) error {
	if err := in.rewind(); err != nil {
		return err
	}
	content := sha256.New()
	in.rows = -1 // the header is none
	for _, err := range client.CSVRecords(&contextReader{ctx, &hashingReader{in.file, content}}) {
		if err != nil {
			return err
		}
		in.rows++
	}
	in.sum = content.Sum(nil)
	return nil
}

func (in *input) rewind() error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: a file that can be read once alone is imported with -", err)
	}
	return nil
}

func (in *input) close() {
	if in.file == nil {
		return
	}
	_ = in.file.Close() // it was read only
	if in.temp {
		_ = os.Remove(in.file.Name())
	}
}

// key names the import of this content with these options. It is what makes the
// same command continue an import, and not begin another.
func (in *input) key(opts *options) string {
	if opts.key != "" {
		return opts.key
	}
	api, err := json.Marshal(opts.api)
	if err != nil {
		panic(err) // options have nothing that JSON cannot hold
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "csvimport v1 %x %s %d", in.sum, api, opts.maxUsers))
	return "csvimport-" + hex.EncodeToString(sum[:16])
}

// A hashingReader hashes what is read.
type hashingReader struct {
	io.Reader
	hash hash.Hash
}

func (r *hashingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.hash.Write(p[:n])
	return n, err
}

// A contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
