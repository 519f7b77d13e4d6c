package embedded

import (
	"encoding/json"
	"net/http"
	"time"
)

// FaultKind is a way in which a call can go wrong.
type FaultKind int

const (
	// FaultNone lets the call through.
	FaultNone FaultKind = iota
	// FaultError answers with Code, Message and Status, without acting.
	FaultError
	// FaultInternal answers with HTTP 500, without acting.
	FaultInternal
	// FaultDropBefore closes the connection before the service acted.
	FaultDropBefore
	// FaultDropAfter closes the connection after the service acted.
	FaultDropAfter
	// FaultTruncate acts, and closes the connection in the middle of the answer.
	FaultTruncate
	// FaultMalformed acts, and answers with HTTP 200 and half of the JSON.
	FaultMalformed
	// FaultRepeatToken acts, and answers with the page token of the request as
	// the token of the next page. A request without a token is answered as ever.
	FaultRepeatToken
	// FaultEmptyObject answers with HTTP 200 and an object in which everything is
	// absent, without acting: {}, or an empty result of the Query protocol. An
	// object in Amazon S3 then has the content {}.
	FaultEmptyObject
	// FaultHang waits for For, or until the client goes away when For is 0,
	// and then answers as ever if the client is still there.
	FaultHang
)

// Fault says how one call goes wrong. The zero value lets it through.
type Fault struct {
	Kind FaultKind
	// Code, Message and Status are the answer of FaultError. The defaults are
	// ServerException, the code's name and HTTP 400.
	Code, Message string
	Status        int
	// For is how long FaultHang waits.
	For time.Duration
}

// FaultFunc chooses the fault of a call. It is given the running number of
// the call (from 1, over all services), and its service and operation, such
// as "ecr" and "DescribeImages". It is called by many goroutines at once.
type FaultFunc func(n int, service, operation string) Fault

// FaultAt returns a FaultFunc that gives the fault to call number n alone.
func FaultAt(n int, fault Fault) FaultFunc {
	return func(call int, _, _ string) Fault {
		if call == n {
			return fault
		}
		return Fault{}
	}
}

// FaultOn returns a FaultFunc that gives the fault to every call of one
// operation, such as "ecr" and "DescribeImages".
func FaultOn(service, operation string, fault Fault) FaultFunc {
	return func(_ int, s, op string) Fault {
		if s == service && op == operation {
			return fault
		}
		return Fault{}
	}
}

// SetFaults replaces the function that chooses faults; nil means none.
func (s *Server) SetFaults(faults FaultFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

// fault returns the fault of a call.
func (s *Server) fault(c *Call) Fault {
	s.mu.Lock()
	faults := s.faults
	s.mu.Unlock()
	if faults == nil {
		return Fault{}
	}
	return faults(c.number, c.Service, c.Operation)
}

// before does what happens before the service acts. It returns the answer
// when the fault keeps the service from acting.
func (f Fault) before(c *Call) error {
	switch f.Kind {
	case FaultDropBefore:
		panic(http.ErrAbortHandler)
	case FaultInternal:
		return internalFailure("The request processing has failed because of an unknown error")
	case FaultError:
		e := &Error{Code: f.Code, Message: f.Message, Status: f.Status}
		if e.Code == "" {
			e.Code = "ServerException"
		}
		if e.Message == "" {
			e.Message = e.Code
		}
		return e
	case FaultHang:
		if f.For == 0 {
			<-c.Context.Done()
			panic(http.ErrAbortHandler)
		}
		if c.Server.wait(c.Context, f.For) != nil {
			panic(http.ErrAbortHandler)
		}
	default: // the others happen after the service acted
	}
	return nil
}

// repeatToken replaces the page token of an encoded answer with that of the
// request.
func (c *Call) repeatToken(answer []byte) []byte {
	in, out := c.service.tokenIn, c.service.tokenOut
	if c.service.protocol == restXML {
		return repeatXMLToken(answer, out, c.Query.Get(in))
	}
	if in == "" {
		in = "nextToken"
	}
	if out == "" {
		out = in
	}
	var request, response map[string]any
	token := any(c.Query.Get(in))
	if json.Unmarshal(c.Body, &request) == nil && request[in] != nil {
		token = request[in]
	}
	if token == "" || json.Unmarshal(answer, &response) != nil {
		return answer
	}
	response[out] = token
	changed, err := json.Marshal(response)
	if err != nil {
		return answer
	}
	return changed
}
