package main

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Kind says in which order the directions end.
type Kind uint8

const (
	Both        Kind = iota // each as soon as it has said all
	ClientFirst             // the sink begins when the client has ended
	SinkFirst               // the client begins when the sink has ended
	ClientHalf              // the sink keeps half of what it has to say until the client has ended
	SinkHalf                // and the other way round
	ClientBreak             // the client resets the connection when it has said its bytes; the sink says more than ever arrives
	SinkBreak               // and the other way round
)

var kinds = []string{"both", "client first", "sink first", "client half", "sink half", "client breaks", "sink breaks"}

func (k Kind) String() string { return kinds[k] }

// Plan is what the client tells the sink at the start of a connection.
type Plan struct {
	ID       uint64
	Kind     Kind
	Up, Down int64 // bytes from the client, from the sink
	Client   Manner
	Sink     Manner
}

// Manner is how one end reads and writes.
type Manner struct {
	Stall uint16 // milliseconds that it once stops reading for
	Slow  bool   // reads a little at a time for a while
	Small bool   // writes in small pieces for a while
	Offer uint32 // where in the block its bytes begin
}

func newPlan(random *rand.Rand, most int64, breaks bool) Plan {
	plan := Plan{ID: random.Uint64(), Up: size(random, most), Down: size(random, most), Client: manner(random), Sink: manner(random)}
	if breaks {
		plan.Kind = ClientBreak + Kind(random.IntN(2))
		// Who hears a byte knows that the other end is there to be broken off.
		plan.Up, plan.Down = max(plan.Up, 1), max(plan.Down, 1)
	} else {
		plan.Kind = Kind(random.IntN(int(ClientBreak)))
	}
	return plan
}

// As many of each order of magnitude; some have none at all.
func size(random *rand.Rand, most int64) int64 {
	if random.IntN(16) == 0 {
		return 0
	}
	return int64(math.Exp(random.Float64() * math.Log(float64(most))))
}

func manner(random *rand.Rand) Manner {
	m := Manner{Slow: random.IntN(4) == 0, Small: random.IntN(4) == 0, Offer: uint32(random.IntN(len(block)))}
	if random.IntN(4) == 0 {
		m.Stall = uint16(random.IntN(400))
	}
	return m
}

func (p Plan) String() string {
	return fmt.Sprintf("%v, %d bytes up, %d down, client %+v, sink %+v", p.Kind, p.Up, p.Down, p.Client, p.Sink)
}

// What every byte is taken from. The length is odd, so that pieces of a usual size never look alike.
var block = func() []byte {
	made := make([]byte, 8<<20+9)
	rand.NewChaCha8([32]byte{7}).Read(made)
	return made
}()
