// h2peers PROXY_PORT H1_PORT H2_PORT: Go's net/http servers of both versions behind the proxy (h1.example, h2.example), its clients of both
// versions in front of it, all in plain text. Prints PASS and FAIL lines.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var failed bool

func check(label, claim string, holds bool, seen ...any) {
	if holds {
		fmt.Printf("PASS %s: %s\n", label, claim)
		return
	}
	failed = true
	fmt.Printf("FAIL %s: %s: %v\n", label, claim, seen)
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ---- the upstream

var hanging, givenUp atomic.Int32

func serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/mirror":
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		buffer := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buffer)
			w.Write(buffer[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	case "/hang":
		hanging.Add(1)
		<-r.Context().Done()
		givenUp.Add(1)
	case "/cut":
		w.Write(make([]byte, 100_000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "/early-413":
		w.WriteHeader(413)
		io.WriteString(w, "too large")
	case "/hints":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		w.WriteHeader(200)
	case "/trailers":
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Declared")
		w.Write(body)
		w.Header().Set("X-Declared", hash(body))
		w.Header().Set(http.TrailerPrefix+"X-Undeclared", r.Trailer.Get("X-Up"))
	default:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		fmt.Fprintf(w, "%s %s %d %s", r.Method, r.URL.RequestURI(), len(body), hash(body))
	}
}

func listen(port string, h2 bool) {
	var protocols http.Protocols
	protocols.SetHTTP1(!h2)
	protocols.SetUnencryptedHTTP2(h2)
	server := http.Server{Addr: "127.0.0.1:" + port, Handler: http.HandlerFunc(serve), Protocols: &protocols}
	go func() { fmt.Println("FAIL", server.ListenAndServe()) }()
}

// ---- the client

type asker struct {
	label, base, host string
	client            *http.Client
}

type answer struct {
	status  int
	body    []byte
	trailer http.Header
	err     error
}

func (a asker) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		panic(err)
	}
	request.Host = a.host
	return request
}

func (a asker) do(request *http.Request) answer {
	response, err := a.client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, body, response.Trailer, err}
}

func (a asker) ask(method, path string, body io.Reader) answer {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return a.do(a.request(ctx, method, path, body))
}

// Hides the length from net/http.
func stream(data []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(data)} }

func checks(a asker) {
	big := make([]byte, 8<<20)
	rand.New(rand.NewSource(1)).Read(big)
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		want := fmt.Sprintf("%s /m?x=%%20y 4 %s", method, hash([]byte("data")))
		got := a.ask(method, "/m?x=%20y", bytes.NewReader([]byte("data")))
		check(a.label, method, string(got.body) == want, got.status, string(got.body), got.err)
	}
	got := a.ask("HEAD", "/h", nil)
	check(a.label, "HEAD", got.status == 200 && len(got.body) == 0, got)
	want := fmt.Sprintf("POST /up %d %s", len(big), hash(big))
	check(a.label, "8 MiB up with a length", string(a.ask("POST", "/up", bytes.NewReader(big)).body) == want)
	check(a.label, "8 MiB up without", string(a.ask("POST", "/up", stream(big)).body) == want)
	got = a.ask("POST", "/mirror", stream(big))
	check(a.label, "8 MiB up and down at the same time", bytes.Equal(got.body, big), got.status, len(got.body), got.err)

	many(a, big)
	pingPong(a)
	trailers(a, big)
	hints(a)
	endings(a)
}

func many(a asker, big []byte) {
	var wrong atomic.Int32
	var group sync.WaitGroup
	for n := range 400 {
		group.Add(1)
		go func() {
			defer group.Done()
			data := big[:n*100]
			if got := a.ask("POST", fmt.Sprintf("/n/%d", n), bytes.NewReader(data)); string(got.body) != fmt.Sprintf("POST /n/%d %d %s", n, n*100, hash(data)) {
				wrong.Add(1)
			}
		}()
	}
	group.Wait()
	check(a.label, "400 requests at once each get their own answer", wrong.Load() == 0, wrong.Load())
}

// One exchange in which each part is sent only when the one before has come back.
func pingPong(a asker) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	reader, writer := io.Pipe()
	response, err := a.client.Do(a.request(ctx, "POST", "/mirror", reader))
	if err != nil {
		check(a.label, "ping pong", false, err)
		return
	}
	turns := 0
	for buffer := make([]byte, 5); turns < 100; turns++ {
		part := fmt.Sprintf("%05d", turns)
		io.WriteString(writer, part)
		if _, err := io.ReadFull(response.Body, buffer); err != nil || string(buffer) != part {
			break
		}
	}
	writer.Close()
	rest, err := io.ReadAll(response.Body)
	check(a.label, "100 turns of ping pong in one exchange", turns == 100 && len(rest) == 0 && err == nil, turns, len(rest), err)
}

func trailers(a asker, big []byte) {
	request := a.request(context.Background(), "POST", "/trailers", stream(big[:100_000]))
	request.Trailer = http.Header{"X-Up": {"from below"}}
	request.Header.Set("Te", "trailers")
	got := a.do(request)
	check(a.label, "trailers up and down, declared or not", got.trailer.Get("X-Declared") == hash(big[:100_000]) && got.trailer.Get("X-Undeclared") == "from below",
		got.status, got.trailer, got.err)
}

func hints(a asker) {
	var seen []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		seen = append(seen, fmt.Sprint(code, header.Get("Link")))
		return nil
	}}
	got := a.do(a.request(httptrace.WithClientTrace(context.Background(), trace), "GET", "/hints", nil))
	check(a.label, "103 and then the answer", got.status == 200 && len(seen) == 1 && seen[0] == "103</style.css>; rel=preload", got.status, seen)
}

func endings(a asker) {
	reader, writer := io.Pipe()
	go func() {
		for range 1000 {
			if _, err := writer.Write(make([]byte, 10_000)); err != nil {
				return
			}
		}
		writer.Close()
	}()
	got := a.ask("POST", "/early-413", reader)
	check(a.label, "an early 413 comes while the upload runs", got.status == 413 && string(got.body) == "too large", got.status, got.err)
	reader.CloseWithError(errors.New("over"))

	got = a.ask("GET", "/cut", nil)
	check(a.label, "a cut response is an error", got.err != nil || got.status >= 500, got.status, len(got.body))

	before := [2]int32{hanging.Load(), givenUp.Load()}
	ctx, cancel := context.WithCancel(context.Background())
	for range 10 {
		go a.do(a.request(ctx, "GET", "/hang", nil))
	}
	until(func() bool { return hanging.Load() == before[0]+10 })
	cancel()
	until(func() bool { return givenUp.Load() == before[1]+10 })
	check(a.label, "10 requests given up are given up at the upstream", givenUp.Load() == before[1]+10, hanging.Load()-before[0], givenUp.Load()-before[1])
	got = a.ask("GET", "/after", nil)
	check(a.label, "and the next is served", got.status == 200, got.status, got.err)
}

func until(condition func() bool) {
	for end := time.Now().Add(5 * time.Second); !condition() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

func main() {
	proxy := os.Args[1]
	listen(os.Args[2], false)
	listen(os.Args[3], true)
	clients := map[string]*http.Client{}
	for _, version := range []string{"h1", "h2"} {
		var protocols http.Protocols
		protocols.SetHTTP1(version == "h1")
		protocols.SetUnencryptedHTTP2(version == "h2")
		clients[version] = &http.Client{Transport: &http.Transport{Protocols: &protocols, MaxConnsPerHost: 32}}
	}
	for _, pair := range [][2]string{{"h2", "h1"}, {"h2", "h2"}, {"h1", "h2"}} {
		checks(asker{label: pair[0] + " to " + pair[1], base: "http://127.0.0.1:" + proxy, host: pair[1] + ".example", client: clients[pair[0]]})
	}
	if failed {
		os.Exit(1)
	}
}
