package embedded

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"strconv"
)

// encoded is an answer that is JSON already. A page of images is encoded while
// its repository is locked, and without reflection, which would be most of the
// cost.
type encoded []byte

// rawAnswer is an answer that is its own encoding, such as the content of an
// object (restXML).
type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

// contentType returns what the protocol's answers are.
func (p protocol) contentType() string {
	switch p {
	case json10:
		return "application/x-amz-json-1.0"
	case json11:
		return "application/x-amz-json-1.1"
	case query:
		return "text/xml"
	case restXML:
		return "application/xml"
	default:
		return "application/json"
	}
}

// writeAnswer encodes and sends the answer, and does the faults that happen
// after the service acted.
func writeAnswer(w http.ResponseWriter, c *Call, answer any, fault Fault) {
	body, err := encode(c, answer)
	if err != nil {
		writeError(w, c.service.protocol, internalFailure(err.Error()), c)
		return
	}
	status := http.StatusOK
	if raw, ok := answer.(*rawAnswer); ok {
		maps.Copy(w.Header(), raw.header)
		status = raw.status
	}
	if fault.Kind == FaultRepeatToken {
		body = c.repeatToken(body)
	}
	if fault.Kind == FaultMalformed {
		body = body[:len(body)/2]
	}
	length := len(body)
	if fault.Kind == FaultTruncate {
		body = body[:length/2]
	}
	send(w, c.service.protocol, status, body, length, c)
	if fault.Kind == FaultTruncate {
		_ = http.NewResponseController(w).Flush() // the answer breaks off either way
		panic(http.ErrAbortHandler)
	}
}

// nothing returns an answer in which everything is absent.
func (p protocol) nothing() any {
	switch p {
	case query:
		return struct{}{}
	case restXML:
		return &rawAnswer{status: http.StatusOK, body: []byte("{}")}
	default:
		return encoded("{}")
	}
}

// encode returns the answer as the protocol writes it.
func encode(c *Call, answer any) ([]byte, error) {
	if raw, ok := answer.(*rawAnswer); ok {
		return raw.body, nil
	}
	switch c.service.protocol {
	case query:
		return encodeXML(c, answer)
	case restXML:
		body, err := xml.Marshal(answer)
		if err != nil {
			return nil, fmt.Errorf("encode the answer of %s: %w", c.Operation, err)
		}
		return append([]byte(xml.Header), body...), nil
	default:
	}
	if answer == nil {
		return []byte("{}"), nil
	}
	if ready, ok := answer.(encoded); ok {
		return ready, nil
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encode the answer of %s: %w", c.Operation, err)
	}
	return body, nil
}

// encodeXML wraps the answer in the envelope of the Query protocol.
func encodeXML(c *Call, answer any) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<%sResponse xmlns="%s">`, c.Operation, c.service.namespace)
	enc := xml.NewEncoder(&b)
	if err := enc.EncodeElement(answer, xml.StartElement{Name: xml.Name{Local: c.Operation + "Result"}}); err != nil {
		return nil, fmt.Errorf("encode the answer of %s: %w", c.Operation, err)
	}
	fmt.Fprintf(&b, `<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>`, requestID(c), c.Operation)
	return b.Bytes(), nil
}

// writeError sends an error as the protocol writes it. The call may be nil.
func writeError(w http.ResponseWriter, p protocol, e *Error, c *Call) {
	var body []byte
	switch p {
	case restXML:
		body = encodeS3Error(e, c)
		if e.region != "" {
			w.Header().Set("X-Amz-Bucket-Region", e.region)
		}
	case query:
		type detail struct {
			Type, Code, Message string
		}
		sender := "Sender"
		if e.status() >= http.StatusInternalServerError {
			sender = "Receiver"
		}
		var b bytes.Buffer
		b.WriteString("<ErrorResponse>")
		// Three strings always encode.
		_ = xml.NewEncoder(&b).EncodeElement(detail{sender, e.Code, e.Message}, xml.StartElement{Name: xml.Name{Local: "Error"}})
		fmt.Fprintf(&b, "<RequestId>%s</RequestId></ErrorResponse>", requestID(c))
		body = b.Bytes()
	default:
		w.Header().Set("X-Amzn-Errortype", e.Code)
		body, _ = json.Marshal(map[string]string{"__type": e.Code, "message": e.Message}) // strings always encode
	}
	send(w, p, e.status(), body, len(body), c)
}

// encodeS3Error returns an error as Amazon S3 writes it. The call may be nil.
func encodeS3Error(e *Error, c *Call) []byte {
	out := struct {
		XMLName                            xml.Name `xml:"Error"`
		Code, Message, Resource, RequestId string
	}{Code: e.Code, Message: e.Message, RequestId: requestID(c)}
	if c != nil {
		out.Resource = c.request.URL.Path
	}
	if out.Code == "InternalFailure" {
		out.Code = "InternalError" // its name here
	}
	body, _ := xml.Marshal(out) // strings always encode
	return append([]byte(xml.Header), body...)
}

// send writes head and body. The length is that which the head promises.
func send(w http.ResponseWriter, p protocol, status int, body []byte, length int, c *Call) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", p.contentType())
	}
	h.Set("X-Amzn-Requestid", requestID(c))
	if p == restXML {
		h.Set("X-Amz-Request-Id", requestID(c))
	}
	if status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(status)
	if c == nil || c.request.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // an error means that the client went away, and what was put is returned as it is
	}
}

// requestID returns an id that tells the number of the call.
func requestID(c *Call) string {
	n := 0
	if c != nil {
		n = c.number
	}
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
}
