// tlspeers [FLAGS] PROXY_PORT: Go's net/http over TLS on both sides of the proxy. Upstream are a server of HTTP/1.1 alone (-h1 PORT; hosts
// h1.example and auto1.example) and one of both versions (-h2 PORT; auto2.example), which ask the proxy for its certificate. Clients of both
// versions of HTTP and of TLS are in front, each with a certificate of its own. Prints PASS and FAIL lines.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	h1Port     = flag.String("h1", "", "port of the server of HTTP/1.1 alone")
	h2Port     = flag.String("h2", "", "port of the server of both")
	ca         = flag.String("ca", "", "file of the authority of all")
	serverPair = flag.String("server", "", "chain,key of the servers")
	clientPair = flag.String("client", "", "chain,key of the clients")
	failed     bool
)

func check(label, claim string, holds bool, seen ...any) {
	if holds {
		fmt.Printf("PASS %s: %s\n", label, claim)
		return
	}
	failed = true
	fmt.Printf("FAIL %s: %s: %v\n", label, claim, seen)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func pair(files string) tls.Certificate {
	chain, key, _ := strings.Cut(files, ",")
	made, err := tls.LoadX509KeyPair(chain, key)
	fatal(err)
	return made
}

func roots() *x509.CertPool {
	pem, err := os.ReadFile(*ca)
	fatal(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// serve says in x-seen what it knows of the connection, and sends back what came: /mirror as it comes, all others when it is here.
func serve(w http.ResponseWriter, r *http.Request) {
	name := "none"
	if len(r.TLS.PeerCertificates) > 0 {
		name = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	w.Header().Set("x-seen", fmt.Sprintf("%s %s %s", r.Proto, r.TLS.ServerName, name))
	if r.URL.Path == "/mirror" {
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("x-sum", hash(body))
	w.Write(body)
}

func start(port string, protocols ...string) {
	config := &tls.Config{Certificates: []tls.Certificate{pair(*serverPair)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots(), NextProtos: protocols}
	listener, err := tls.Listen("tcp", "127.0.0.1:"+port, config)
	fatal(err)
	server := &http.Server{Handler: http.HandlerFunc(serve), TLSConfig: config}
	if len(protocols) == 1 {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	go server.Serve(listener)
}

// Client is of one version of TLS and HTTP, and of all hosts.
func client(proxy string, version uint16, h2 bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots(), MinVersion: version, MaxVersion: version, Certificates: []tls.Certificate{pair(*clientPair)},
			ClientSessionCache: tls.NewLRUClientSessionCache(16)},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+proxy)
		},
		ForceAttemptHTTP2: h2,
		MaxConnsPerHost:   20,
	}
	if !h2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func post(c *http.Client, url string, body []byte) (*http.Response, []byte, error) {
	answer, err := c.Post(url, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	came, err := io.ReadAll(answer.Body)
	return answer, came, err
}

func exchanges(label, host, seen string, c *http.Client, proto string, version uint16) {
	url := "https://" + host
	random := make([]byte, 8<<20)
	rand.New(rand.NewSource(1)).Read(random)
	for _, size := range []int{0, 1, 16384, 16385, len(random)} {
		answer, came, err := post(c, url+"/sum", random[:size])
		good := err == nil && answer.StatusCode == 200 && bytes.Equal(came, random[:size]) && answer.Header.Get("x-sum") == hash(random[:size])
		check(label, fmt.Sprintf("%d bytes there and back", size), good, answer, len(came), err)
		if err == nil && size == 1 {
			check(label, "client and proxy agree on version and protocol", answer.Proto == proto && answer.TLS.Version == version, answer.Proto, answer.TLS.Version)
			check(label, "and so do proxy and upstream, which has the proxy's certificate", answer.Header.Get("x-seen") == seen, answer.Header.Get("x-seen"))
		}
	}
	if proto == "HTTP/2.0" {
		_, came, err := post(c, url+"/mirror", random)
		check(label, "a stream both ways at once", err == nil && bytes.Equal(came, random), len(came), err)
	}
	var group sync.WaitGroup
	var lock sync.Mutex
	wrong := []any{}
	for n := range 200 {
		group.Add(1)
		go func() {
			defer group.Done()
			part := random[n*1000 : n*1000+n*50]
			answer, came, err := post(c, url+"/sum", part)
			if err != nil || answer.StatusCode != 200 || !bytes.Equal(came, part) {
				lock.Lock()
				wrong = append(wrong, n, err, len(came))
				lock.Unlock()
			}
		}()
	}
	group.Wait()
	check(label, "200 requests at once", len(wrong) == 0, wrong...)

	c.CloseIdleConnections()
	resumed := false
	trace := &httptrace.ClientTrace{TLSHandshakeDone: func(state tls.ConnectionState, _ error) { resumed = state.DidResume }}
	request, _ := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "GET", url+"/again", nil)
	answer, err := c.Do(request)
	if err == nil {
		answer.Body.Close()
	}
	check(label, "on a new connection the session is used again", err == nil && answer.StatusCode == 200 && resumed, answer, err, resumed)
	c.CloseIdleConnections()
}

func main() {
	flag.Parse()
	start(*h1Port, "http/1.1")
	start(*h2Port, "h2", "http/1.1")
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			for host, seen := range map[string]string{"h1": "HTTP/1.1", "auto1": "HTTP/1.1", "auto2": "HTTP/2.0"} {
				label := fmt.Sprintf("%s, %s to %s", name, proto, host)
				exchanges(label, host+".example", seen+" up.example proxy.example", client(flag.Arg(0), version, h2), proto, version)
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}
