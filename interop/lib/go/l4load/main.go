// l4load: the load and the upstream of scripts/bench where there is no HTTP.
//
//	l4load serve PORT                            the upstream: streams to and from, or echoes, as the first byte says
//	l4load stream PORT CONNECTIONS SECONDS       bytes both ways at once on each connection, like iperf3 --bidir
//	l4load connect PORT CONNECTIONS SECONDS      connect, one small exchange, close; so many at a time
//	l4load handshake PORT CONNECTIONS SECONDS    TLS 1.3: connect, shake hands in full, close
//	l4load resume PORT CONNECTIONS SECONDS       the same with a ticket
//
// With -tls the first two speak TLS 1.3 too. Nobody looks at the certificate. With -count N instead of SECONDS 0: so many connections in all, or pieces of 256 KiB each way (stream). A load prints one
// line of JSON: requests, bytes, seconds, p50_us, p99_us and errors by kind.
package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	echoes  = 'E'
	streams = 'S'
	// A message of an exchange, its first byte among them.
	message = 32
	// Bytes of one write or read of a stream.
	piece = 256 << 10
	// No connection lasts so long: a proxy that stalls ends the run.
	patience = 30 * time.Second
)

var (
	count   = flag.Int64("count", 0, "connections in all, or pieces of a stream each way")
	withTLS = flag.Bool("tls", false, "speak TLS")
	load    tally
	silent  = net.Dialer{KeepAlive: -1}
	// One key share, so that all servers agree at once; the cipher suite is the server's choice among Go's.
	secure = tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
	}
)

// What a run has seen.
type tally struct {
	lock             sync.Mutex
	times            []int64
	bytes            int64
	dial, cut, wrong int64
}

func main() {
	// One thread that runs Go, as the other drivers have: the machine is shared with the proxy.
	runtime.GOMAXPROCS(1)
	flag.Parse()
	words := flag.Args()
	if len(words) == 2 && words[0] == "serve" {
		fail(serve("127.0.0.1:" + words[1]))
	}
	if len(words) != 4 {
		fail(errors.New("serve PORT, or one of the loads with PORT CONNECTIONS SECONDS"))
	}
	address := "127.0.0.1:" + words[1]
	connections, err := strconv.Atoi(words[2])
	fail(err)
	seconds, err := strconv.Atoi(words[3])
	fail(err)
	works := map[string]func(string, func() bool){
		"stream": stream, "connect": connect, "handshake": handshake, "resume": resume,
	}
	work, known := works[words[0]]
	if !known {
		fail(fmt.Errorf("no load %q", words[0]))
	}
	started := time.Now()
	run(func(more func() bool) { work(address, more) }, connections, time.Duration(seconds)*time.Second)
	report(time.Since(started))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "l4load:", err)
		os.Exit(1)
	}
}

// Runs `work` on so many goroutines; it asks `more` before each step.
func run(work func(more func() bool), connections int, length time.Duration) {
	var left atomic.Int64
	left.Store(*count)
	var over atomic.Bool
	if *count == 0 {
		time.AfterFunc(length, func() { over.Store(true) })
	}
	more := func() bool { return !over.Load() && (*count == 0 || left.Add(-1) >= 0) }
	var all sync.WaitGroup
	for range connections {
		all.Add(1)
		go func() {
			defer all.Done()
			work(more)
		}()
	}
	all.Wait()
}

func report(took time.Duration) {
	slices.Sort(load.times)
	percentile := func(percent int) int64 {
		if len(load.times) == 0 {
			return 0
		}
		return load.times[min(len(load.times)-1, len(load.times)*percent/100)]
	}
	line, err := json.Marshal(map[string]any{
		"requests": len(load.times), "bytes": load.bytes, "seconds": took.Seconds(),
		"p50_us": percentile(50), "p99_us": percentile(99),
		"errors": map[string]int64{"connect": load.dial, "cut": load.cut, "wrong": load.wrong},
	})
	fail(err)
	fmt.Println(string(line))
}

// One connection is done: since when, with what, and which counter is raised if it failed.
func (t *tally) done(since time.Time, bytes int64, failed *int64) {
	took := time.Since(since).Microseconds()
	t.lock.Lock()
	defer t.lock.Unlock()
	if failed != nil {
		*failed++
		return
	}
	t.times = append(t.times, took)
	t.bytes += bytes
}

// ---- the loads

// A connection of which one direction can be ended.
type duplex interface {
	net.Conn
	CloseWrite() error
}

func dial(address string) (duplex, error) {
	plain, err := dialPlain(address)
	if err != nil || !*withTLS {
		return plain, err
	}
	connection := tls.Client(plain, &secure)
	if err := connection.Handshake(); err != nil {
		plain.Close()
		return nil, err
	}
	return connection, nil
}

func dialPlain(address string) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	connection, err := silent.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	connection.SetDeadline(time.Now().Add(patience))
	return connection.(*net.TCPConn), nil
}

func connect(address string, more func() bool) {
	var sent, got [message]byte
	sent[0] = echoes
	for number := uint64(0); more(); number++ {
		binary.BigEndian.PutUint64(sent[1:], number)
		started := time.Now()
		connection, err := dial(address)
		if err != nil {
			load.done(started, 0, &load.dial)
			continue
		}
		_, err = connection.Write(sent[:])
		if err == nil {
			_, err = io.ReadFull(connection, got[:])
		}
		connection.Close()
		switch {
		case err != nil:
			load.done(started, 0, &load.cut)
		case got != sent:
			load.done(started, 0, &load.wrong)
		default:
			load.done(started, message, nil)
		}
	}
}

// One connection that both ends fill for as long as there is `more`. This end stops first; the other answers with its own
// end, behind the number of bytes that have come: so what is counted has gone all the way, and nothing was lost.
func stream(address string, more func() bool) {
	started := time.Now()
	connection, err := dial(address)
	if err != nil {
		load.done(started, 0, &load.dial)
		return
	}
	defer connection.Close()
	received := make(chan struct{})
	var last [8]byte
	var got int64
	go func() {
		defer close(received)
		got, err = drain(connection, &last)
	}()
	sent, failed := fill(connection, more)
	if failed == nil {
		failed = connection.CloseWrite()
	}
	<-received
	switch {
	case failed != nil || err != nil || got < 8:
		load.done(started, 0, &load.cut)
	case binary.BigEndian.Uint64(last[:]) != uint64(sent):
		load.done(started, 0, &load.wrong)
	default:
		load.done(started, sent+got, nil)
	}
}

// Writes a piece, and further ones while there is `more`.
func fill(connection duplex, more func() bool) (sent int64, err error) {
	data := make([]byte, piece)
	data[0] = streams
	for first := true; err == nil && (first || more()); first = false {
		// A stream's deadline is for a stall, not for the whole.
		connection.SetWriteDeadline(time.Now().Add(patience))
		var wrote int
		wrote, err = connection.Write(data)
		sent += int64(wrote)
	}
	return sent, err
}

// Reads to the end, and keeps the last bytes.
func drain(connection duplex, last *[8]byte) (got int64, err error) {
	data := make([]byte, piece)
	for {
		connection.SetReadDeadline(time.Now().Add(patience))
		n, err := connection.Read(data)
		got += int64(n)
		if n >= len(last) {
			copy(last[:], data[n-len(last):n])
		} else {
			copy(last[:], append(last[n:], data[:n]...))
		}
		if err == io.EOF {
			return got, nil
		} else if err != nil {
			return got, err
		}
	}
}

func handshake(address string, more func() bool) {
	for more() {
		shake(address, &secure, false)
	}
}

func resume(address string, more func() bool) {
	config := secure.Clone()
	config.ServerName = "bench.example"
	config.ClientSessionCache = &ticket{}
	// For its ticket: the first is not counted.
	if connection, err := dialPlain(address); err == nil {
		client := tls.Client(connection, config)
		if client.Handshake() == nil {
			client.CloseWrite()
			connection.CloseWrite()
			io.Copy(io.Discard, client)
		}
		connection.Close()
	}
	for more() {
		shake(address, config, true)
	}
}

// One handshake. The end is orderly and the server's has been seen: so it has done all that it does.
func shake(address string, config *tls.Config, resumed bool) {
	started := time.Now()
	connection, err := dialPlain(address)
	if err != nil {
		load.done(started, 0, &load.dial)
		return
	}
	defer connection.Close()
	client := tls.Client(connection, config)
	if err = client.Handshake(); err == nil {
		client.CloseWrite()
		connection.CloseWrite()
		_, err = io.Copy(io.Discard, connection)
	}
	switch {
	case err != nil:
		load.done(started, 0, &load.cut)
	case client.ConnectionState().DidResume != resumed:
		load.done(started, 0, &load.wrong)
	default:
		load.done(started, 0, nil)
	}
}

// One ticket for ever: all the servers take one more than once.
type ticket struct{ state *tls.ClientSessionState }

func (t *ticket) Get(string) (*tls.ClientSessionState, bool) { return t.state, t.state != nil }

func (t *ticket) Put(_ string, state *tls.ClientSessionState) {
	if t.state == nil {
		t.state = state
	}
}

// ---- the upstream

func serve(address string) error {
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go answer(connection.(*net.TCPConn))
	}
}

func answer(connection *net.TCPConn) {
	defer connection.Close()
	first := make([]byte, message)
	connection.SetDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(connection, first); err != nil {
		return
	}
	switch first[0] {
	case echoes:
		if _, err := connection.Write(first); err == nil {
			connection.Read(first)
		}
	case streams:
		answerStream(connection, int64(len(first)))
	}
}

func answerStream(connection *net.TCPConn, got int64) {
	var over atomic.Bool
	sent := make(chan error)
	go func() {
		_, err := fill(connection, func() bool { return !over.Load() })
		sent <- err
	}()
	var last [8]byte
	more, err := drain(connection, &last)
	over.Store(true)
	if failed := <-sent; failed != nil || err != nil {
		connection.SetLinger(0)
		return
	}
	connection.Write(binary.BigEndian.AppendUint64(nil, uint64(got+more)))
	connection.CloseWrite()
}
