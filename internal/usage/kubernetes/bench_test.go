package kubernetes

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// BenchmarkCollect reads a cluster of 50,000 pods of 5,000 Deployments, with
// objects as large as real ones, over HTTP. It reports what the findings keep,
// and how much memory the process took from the system at most.
func BenchmarkCollect(b *testing.B) {
	const pods, pages = 50_000, 50_000 / pageSize
	filler := strings.Repeat(`{"manager":"kubelet","fieldsV1":{"f:status":{}}},`, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		page, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		switch {
		case r.URL.Path == "/apis":
			io.WriteString(w, emptyDiscovery)
		case r.URL.Path != "/api/v1/pods":
			io.WriteString(w, emptyList)
		default:
			next := ""
			if page+1 < pages {
				next = strconv.Itoa(page + 1)
			}
			fmt.Fprintf(w, `{"kind":"PodList","metadata":{"continue":%q},"items":[`, next)
			for i := range pageSize {
				n := page*pageSize + i
				if i > 0 {
					io.WriteString(w, ",")
				}
				fmt.Fprintf(w, `{"metadata":{"namespace":"n%[1]d","name":"p%[2]d","uid":"%[2]d","ownerReferences":[{"kind":"Deployment","name":"d%[3]d","uid":"d%[3]d","controller":true}],"managedFields":[%[4]s{}]},`+
					`"spec":{"containers":[{"name":"app","image":"registry.example.com/app%[3]d:1"},{"name":"proxy","image":"registry.example.com/proxy:1"}]},`+
					`"status":{"phase":"Running","containerStatuses":[{"name":"app","imageID":"registry.example.com/app%[3]d@%[5]s"},{"name":"proxy","imageID":"registry.example.com/proxy@%[5]s"}]}}`,
					n%100, n, n/10, filler, digest("ab"))
			}
			io.WriteString(w, "]}")
		}
	}))
	defer s.Close()
	for b.Loop() {
		findings, err := sourceFor(&rest.Config{Host: s.URL}, Config{}).Collect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(len(findings.Observations)), "observations")
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-kept")
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-system")
		runtime.KeepAlive(findings)
	}
}
