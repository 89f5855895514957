package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bulkops/bulkops/httpapi/client"
)

// An input is a CSV file that can be read as often as needed.
type input struct {
	file *os.File
	temp bool        // a copy of ours
	info os.FileInfo // of what it was copied from, or of the file
	rows int         // without the header
}

// openInput opens a file, or a copy of standard input, and reads it once: so that
// what is not CSV is seen before anything is sent.
func openInput(ctx context.Context, opts *options, stdin io.Reader) (*input, error) {
	in := new(input)
	err := in.open(ctx, opts.file, stdin)
	if err == nil {
		err = in.unzip(ctx)
	}
	if err == nil {
		err = in.scan(ctx, opts.format)
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *input) open(ctx context.Context, name string, stdin io.Reader) error {
	var err error
	if name != "-" {
		if in.file, err = os.Open(name); err != nil {
			return err
		}
		if in.info, err = in.file.Stat(); err == nil && in.info.IsDir() {
			err = fmt.Errorf("%s is a folder", name)
		}
		return err
	}
	if file, ok := stdin.(*os.File); ok {
		if in.info, err = file.Stat(); err != nil {
			return err
		}
	}
	return in.copy(ctx, stdin)
}

// copy makes a copy of what is read, and puts it in the place of the file.
func (in *input) copy(ctx context.Context, r io.Reader) error {
	file, err := os.CreateTemp("", "csvimport-*.csv")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, &contextReader{ctx, r})
	in.close()
	in.file, in.temp = file, true
	return err
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
	zip, err := gzip.NewReader(in.file)
	if err == nil {
		err = in.copy(ctx, zip)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file is compressed with gzip, and cut off")
	}
	return err
}

// scan checks the grammar and counts the rows.
func (in *input) scan(ctx context.Context, format client.CSVFormat) error {
	if err := in.rewind(); err != nil {
		return err
	}
	in.rows = -1 // the header is none
	for _, err := range format.Records(&contextReader{ctx, in.file}) {
		if err != nil {
			return err
		}
		in.rows++
	}
	switch in.rows {
	case -1:
		return errors.New("the file is empty")
	case 0:
		return errors.New("the file has a header and no rows")
	default:
		return nil
	}
}

func (in *input) rewind() error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: what can be read only once is imported as standard input, with - for the file", err)
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
