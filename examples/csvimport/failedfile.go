package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A failedFile is where rows go that were not imported: a file that is there in full
// or not at all, or a pipe or device, which is written to. A nil one is none.
type failedFile struct {
	name   string
	stream *os.File // open, if it is a pipe or a device
}

var standard = map[string]*os.File{"/dev/stdout": os.Stdout, "/dev/stderr": os.Stderr}

// openFailed returns the file of a name, "" for none. It sees to it that the file can
// be written, before there is something to write, and that it is not the input.
func openFailed(name string, input os.FileInfo) (*failedFile, error) {
	if name == "" {
		return nil, nil
	}
	// A standard stream that leads to a file is written to where it has come to.
	if stream := standard[name]; stream != nil {
		return &failedFile{name, stream}, nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; it needs the name of a file", name)
	case os.SameFile(info, input):
		return nil, fmt.Errorf("%s is the file to import; it needs another name", name)
	default:
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return &failedFile{name, file}, nil
		}
		_ = file.Close() // nothing was written
		// Of a link, what it leads to is replaced.
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return nil, err
		}
	}
	f := &failedFile{name: name}
	temp, err := f.create()
	if err != nil {
		return nil, err
	}
	return f, discard(temp)
}

// create creates a file that can take the place of this one.
func (f *failedFile) create() (*os.File, error) {
	file, err := os.CreateTemp(filepath.Dir(f.name), ".csvimport-*")
	if path := (*fs.PathError)(nil); errors.As(err, &path) { // of a name that nobody has given
		err = fmt.Errorf("there can be no file in %s: %w", filepath.Dir(f.name), path.Err)
	}
	return file, err
}

func discard(temp *os.File) error {
	return errors.Join(temp.Close(), os.Remove(temp.Name()))
}

// write writes the file.
func (f *failedFile) write(text func(io.Writer) error) error {
	if f.stream != nil {
		return text(f.stream)
	}
	temp, err := f.create()
	if err != nil {
		return err
	}
	if err := text(temp); err != nil {
		return errors.Join(err, discard(temp))
	}
	if err := temp.Close(); err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return os.Rename(temp.Name(), f.name)
}

// clear removes a file of an earlier run.
func (f *failedFile) clear() error {
	if f == nil || f.stream != nil {
		return nil
	}
	if err := os.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close ends a pipe.
func (f *failedFile) close() {
	if f != nil && f.stream != nil && standard[f.name] == nil {
		_ = f.stream.Close() // the errors of writes are known
	}
}
