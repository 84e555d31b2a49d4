package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Conn is a TCP connection or TLS over one.
type Conn interface {
	net.Conn
	CloseWrite() error
}

const patience = 120 * time.Second

// Sink is the far end, and knows what became of each connection there.
type Sink struct {
	lock     sync.Mutex
	verdicts map[uint64]chan error
}

func (s *Sink) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		fatal(err)
		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			var plan Plan
			if err := binary.Read(conn, binary.BigEndian, &plan); err != nil {
				return // the client waits in vain for a verdict
			}
			s.verdict(plan.ID) <- run(conn.(Conn), plan, false)
		}()
	}
}

func (s *Sink) verdict(id uint64) chan error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.verdicts[id] == nil {
		s.verdicts[id] = make(chan error, 1)
	}
	return s.verdicts[id]
}

// exchange is one connection as a client, and the sink's verdict on it.
func (s *Sink) exchange(dial func() (Conn, error), plan Plan) (wrong []error) {
	conn, err := dial()
	if err != nil {
		return []error{fmt.Errorf("the client: %w", err)}
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if err := binary.Write(conn, binary.BigEndian, plan); err != nil {
		return []error{fmt.Errorf("the client: %w", err)}
	}
	if err := run(conn, plan, true); err != nil {
		wrong = append(wrong, fmt.Errorf("the client: %w", err))
	}
	select {
	case err := <-s.verdict(plan.ID):
		if err != nil {
			wrong = append(wrong, fmt.Errorf("the sink: %w", err))
		}
	case <-time.After(patience):
		wrong = append(wrong, errors.New("the sink saw nothing of it, or no end"))
	}
	s.lock.Lock()
	delete(s.verdicts, plan.ID)
	s.lock.Unlock()
	return wrong
}

// run is one end of a connection: writes and reads at the same time.
func run(conn Conn, plan Plan, client bool) error {
	mine, theirs, say, hear := plan.Client, plan.Sink, plan.Up, plan.Down
	first, half, breaks, broken := ClientFirst, ClientHalf, ClientBreak, SinkBreak
	if !client {
		mine, theirs, say, hear = theirs, mine, hear, say
		first, half, breaks, broken = SinkFirst, SinkHalf, SinkBreak, ClientBreak
	}
	switch plan.Kind {
	case breaks:
		// The other end never ends by itself. When it has said its bytes, as many as we hear, we break off.
		written := make(chan error, 1)
		go func() { written <- write(conn, mine, 0, say) }()
		if err := read(conn, theirs, mine, hear, false); err != nil {
			return err
		}
		if err := <-written; err != nil {
			return err
		}
		reset(conn)
		return nil
	case broken:
		written := make(chan error, 1)
		go func() { written <- write(conn, mine, 0, say) }()
		err := read(conn, theirs, mine, hear, true)
		<-written
		if err == nil {
			return errors.New("a broken connection came to a clean end")
		}
		if !errors.As(err, new(*net.OpError)) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return nil
	}
	heard := make(chan struct{})
	// What is kept until the other end has ended.
	var kept int64
	switch plan.Kind {
	case ClientFirst, SinkFirst:
		if plan.Kind != first {
			kept = say
		}
	case ClientHalf, SinkHalf:
		if plan.Kind != half {
			kept = say / 2
		}
	}
	written := make(chan error, 1)
	go func() { written <- speak(conn, mine, say, kept, heard) }()
	err := read(conn, theirs, mine, hear, true)
	if err != nil {
		conn.Close() // frees the writer
	}
	close(heard)
	return errors.Join(err, <-written)
}

func speak(conn Conn, mine Manner, say, kept int64, heard chan struct{}) error {
	if err := write(conn, mine, 0, say-kept); err != nil {
		return err
	}
	if kept > 0 {
		<-heard
	}
	if err := write(conn, mine, say-kept, say); err != nil {
		return err
	}
	return conn.CloseWrite()
}

// write says the bytes of this manner from one place to another.
func write(conn Conn, mine Manner, from, to int64) error {
	pieces := 0
	for from < to {
		size := min(to-from, 256<<10)
		if mine.Small && pieces < 200 {
			size = min(size, int64(1+pieces*37%1500))
		}
		at := (int64(mine.Offer) + from) % int64(len(block))
		size = min(size, int64(len(block))-at)
		if _, err := conn.Write(block[at : at+size]); err != nil {
			return fmt.Errorf("writing at %d of %d: %w", from, to, err)
		}
		from += size
		pieces++
	}
	return nil
}

// read hears so many bytes of the other's manner and, if it shall, the end behind them.
func read(conn Conn, theirs, mine Manner, length int64, end bool) error {
	buffer := make([]byte, 128<<10)
	var at int64
	for pieces := 0; at < length || end; pieces++ {
		room := buffer
		if mine.Slow && pieces < 100 {
			room = buffer[:1+pieces*91%3000]
			time.Sleep(time.Millisecond)
		}
		if mine.Stall > 0 && at >= length/3 {
			time.Sleep(time.Duration(mine.Stall) * time.Millisecond)
			mine.Stall = 0
		}
		n, err := conn.Read(room)
		if int64(n) > length-at {
			return fmt.Errorf("%d bytes too many", int64(n)-(length-at))
		}
		for got := room[:n]; len(got) > 0; {
			start := (int64(theirs.Offer) + at) % int64(len(block))
			expected := block[start:min(start+int64(len(got)), int64(len(block)))]
			if !bytes.Equal(got[:len(expected)], expected) {
				return fmt.Errorf("other bytes than were sent, within %d of %d", at, length)
			}
			got = got[len(expected):]
			at += int64(len(expected))
		}
		if err == io.EOF {
			if at < length {
				return fmt.Errorf("the end came after %d of %d bytes", at, length)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading at %d of %d: %w", at, length, err)
		}
	}
	return nil
}

// reset ends the connection with RST, for both directions.
func reset(conn Conn) {
	below := net.Conn(conn)
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		below = over.NetConn()
	}
	if tcp, ok := below.(*net.TCPConn); ok {
		tcp.SetLinger(0)
		tcp.Close()
	}
}
