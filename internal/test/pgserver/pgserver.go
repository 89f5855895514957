// Package pgserver runs Postgres servers from a folder of programs: for the command
// testservers, and for tests that stop and start a server of their own.
package pgserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// superuser and database are what Init makes.
const (
	superuser = "postgres"
	database  = "postgres"
)

// Init makes a cluster with initdb of the folder bin in data, which is an empty folder. Its
// superuser is postgres with that password. The folders above bin and data must be open to
// the user that the server runs as: whoever calls, or nobody if root does, as which no
// server runs.
func Init(ctx context.Context, bin, data, password string) error {
	if err := hand(data); err != nil {
		return err
	}
	secret, err := os.CreateTemp("", "pgserver-")
	if err != nil {
		return err
	}
	defer os.Remove(secret.Name())
	_, err = secret.WriteString(password)
	if err := errors.Join(err, secret.Close(), hand(secret.Name())); err != nil {
		return err
	}
	// Every machine has the locale C.
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+data, "--username="+superuser,
		"--auth=scram-sha-256", "--pwfile="+secret.Name(), "--encoding=UTF8", "--locale=C")
	cmd.Dir = data
	if err := unprivileged(cmd); err != nil {
		return err
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

// Command is a server on 127.0.0.1:port with the cluster in data. It is as durable as
// servers are by default. SIGTERM ends it when its clients have left, SIGINT at once, SIGQUIT
// without care: it recovers when it starts again.
func Command(bin, data string, port int) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200")
	cmd.Dir = data
	return cmd, unprivileged(cmd)
}

// URL is the connection string of the superuser.
func URL(port int, password string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Ready returns nil if the server of that URL takes connections: if it goes on to ask for
// the password. While it starts or recovers it refuses.
func Ready(ctx context.Context, dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write(startup(u.User.Username())); err != nil {
		return err
	}
	kind := make([]byte, 1)
	if _, err := io.ReadFull(conn, kind); err != nil {
		return err
	}
	if kind[0] != 'R' { // AuthenticationSASL; an error is 'E'
		return errors.New("the server takes no connections yet")
	}
	return nil
}

// startup is the first message of a connection. Source: PostgreSQL documentation,
// "Message Formats", StartupMessage.
func startup(user string) []byte {
	const version3 = 3 << 16
	message := binary.BigEndian.AppendUint32(make([]byte, 4), version3)
	message = append(message, "user\x00"+user+"\x00database\x00"+database+"\x00\x00"...)
	binary.BigEndian.PutUint32(message, uint32(len(message)))
	return message
}

// hand gives a file or a folder to the user that the server runs as.
func hand(name string) error {
	uid, gid, err := account()
	if err != nil || uid == os.Geteuid() {
		return err
	}
	return os.Chown(name, uid, gid)
}
