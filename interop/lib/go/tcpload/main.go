// tcpload [FLAGS] PROXY SINK: many connections to PROXY, which must carry them to SINK, where this program listens too. Each has a plan
// (plan.go): how much goes either way, who ends its direction first, who stalls or reads slowly, who breaks off. Both ends compare every byte
// with what it must be, and check how the other ends. Prints one JSON object: what was carried, and all that was wrong.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

type Result struct {
	Connections int            `json:"connections"`
	Kinds       map[string]int `json:"kinds"`
	Up          int64          `json:"up"`
	Down        int64          `json:"down"`
	Seconds     float64        `json:"seconds"`
	Wrong       []string       `json:"wrong"`
}

var (
	total   = flag.Int64("bytes", 1<<30, "bytes in both directions together, about")
	most    = flag.Int64("size", 16<<20, "most bytes of one direction")
	clients = flag.Int("clients", 48, "connections at once")
	seed    = flag.Uint64("seed", 1, "of all that is random")
	breaks  = flag.Bool("breaks", false, "every connection is broken off by one end")
	ca      = flag.String("ca", "", "the proxy is spoken to in TLS, its certificate is of this authority")
	name    = flag.String("name", "localhost", "and has this name")
	chain   = flag.String("chain", "", "the sink speaks TLS with this certificate")
	key     = flag.String("key", "", "and this key")
)

func main() {
	flag.Parse()
	listener, err := net.Listen("tcp", flag.Arg(1))
	fatal(err)
	dial := dialler(flag.Arg(0))
	sink := &Sink{verdicts: map[uint64]chan error{}}
	go sink.serve(wrapped(listener))

	result := Result{Kinds: map[string]int{}, Wrong: []string{}}
	began := time.Now()
	var lock sync.Mutex
	var group sync.WaitGroup
	for worker := range *clients {
		group.Add(1)
		go func() {
			defer group.Done()
			random := rand.New(rand.NewPCG(*seed, uint64(worker)))
			for {
				plan := newPlan(random, *most, *breaks)
				lock.Lock()
				enough := result.Up+result.Down >= *total || len(result.Wrong) >= 20
				if !enough {
					result.Connections++
					result.Kinds[plan.Kind.String()]++
					result.Up += plan.Up
					result.Down += plan.Down
				}
				lock.Unlock()
				if enough {
					return
				}
				for _, err := range sink.exchange(dial, plan) {
					lock.Lock()
					result.Wrong = append(result.Wrong, fmt.Sprintf("%v: %v", plan, err))
					lock.Unlock()
				}
			}
		}()
	}
	group.Wait()
	result.Seconds = time.Since(began).Seconds()
	fatal(json.NewEncoder(os.Stdout).Encode(result))
}

func dialler(address string) func() (Conn, error) {
	plain := func() (*net.TCPConn, error) {
		conn, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	if *ca == "" {
		return func() (Conn, error) { return plain() }
	}
	pem, err := os.ReadFile(*ca)
	fatal(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: *name, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	return func() (Conn, error) {
		conn, err := plain()
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, config), nil
	}
}

func wrapped(listener net.Listener) net.Listener {
	if *chain == "" {
		return listener
	}
	pair, err := tls.LoadX509KeyPair(*chain, *key)
	fatal(err)
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
