package main

import (
	"cmp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestSummary(t *testing.T) {
	for _, test := range []struct {
		name   string
		events string
		want   string
		wantCI string // where it differs
		ok     bool   // without CI
		strict bool   // with CI
	}{
		{
			name: "passed, with a subtest and a package without tests",
			events: `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"pass","Package":"m/a","Test":"TestX/sub","Elapsed":0.1}
{"Action":"pass","Package":"m/a","Test":"TestX","Elapsed":0.1}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"pass","Package":"m/a","Elapsed":1.234}
{"Action":"skip","Package":"m/b","Elapsed":0}
`,
			want: `ok    m/a (1.23s, tests: 2)
      m/b (no tests)

2 passed, 0 failed, 0 skipped
`,
			ok: true, strict: true,
		},
		{
			name: "failed",
			events: `{"Action":"output","Package":"m/a","Test":"TestX","Output":"    x_test.go:4: boo\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"--- FAIL: TestX (0.00s)\n"}
{"Action":"fail","Package":"m/a","Test":"TestX","Elapsed":0}
{"Action":"output","Package":"m/a","Output":"FAIL\n"}
{"Action":"fail","Package":"m/a","Elapsed":0.5}
`,
			want: `FAIL  m/a TestX (0s)
          x_test.go:4: boo
      --- FAIL: TestX (0.00s)
FAIL  m/a (500ms)
      FAIL

Failed:
      m/a TestX

0 passed, 1 failed, 0 skipped
`,
		},
		{
			name: "skipped",
			events: `{"Action":"output","Package":"m/a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"    x_test.go:4: no cluster\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"--- SKIP: TestX (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestX","Elapsed":0}
{"Action":"pass","Package":"m/a","Test":"TestY","Elapsed":0}
{"Action":"pass","Package":"m/a","Elapsed":0.5}
`,
			want: `ok    m/a (500ms, tests: 2)

Skipped:
      m/a TestX: x_test.go:4: no cluster

1 passed, 0 failed, 1 skipped
`,
			wantCI: `ok    m/a (500ms, tests: 2)

Skipped:
      m/a TestX: x_test.go:4: no cluster
A skipped test fails this run, since CI=true.

1 passed, 0 failed, 1 skipped
`,
			ok: true,
		},
		{
			name: "a build that failed counts once",
			events: `{"ImportPath":"m/a [m/a.test]","Action":"build-output","Output":"a.go:2: undefined: x\n"}
{"ImportPath":"m/a [m/a.test]","Action":"build-fail"}
{"Action":"start","Package":"m/a"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a [build failed]\n"}
{"Action":"fail","Package":"m/a","Elapsed":0,"FailedBuild":"m/a [m/a.test]"}
{"Action":"pass","Package":"m/b","Test":"TestY","Elapsed":0}
{"Action":"pass","Package":"m/b","Elapsed":0.5}
`,
			want: `FAIL  m/a [m/a.test] does not build
      a.go:2: undefined: x
FAIL  m/a (0s)
      FAIL	m/a [build failed]
ok    m/b (500ms, tests: 1)

Failed:
      m/a [m/a.test] (does not build)

1 passed, 1 failed, 0 skipped
`,
		},
		{
			name: "a package that failed without a test",
			events: `{"Action":"output","Package":"m/a","Output":"exit status 3\n"}
{"Action":"fail","Package":"m/a","Elapsed":0}
`,
			want: `FAIL  m/a (0s)
      exit status 3

Failed:
      m/a
No test ran.

0 passed, 1 failed, 0 skipped
`,
		},
		{
			name: "tests that did not end",
			events: `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"m/a","Elapsed":600}
`,
			want: `FAIL  m/a TestX did not end
      panic: test timed out
FAIL  m/a (10m0s)

Failed:
      m/a TestX (did not end)

0 passed, 1 failed, 0 skipped
`,
		},
		{
			name: "events that were cut off",
			events: `{"Action":"pass","Package":"m/a","Test":"TestX","Elapsed":0}
{"Action":"run","Package":"m/a","Test":"TestY"}
`,
			want: `
Failed:
      m/a (did not end)

1 passed, 1 failed, 0 skipped
`,
		},
		{
			name: "a fuzz run of a package whose tests ran before",
			events: `{"Action":"pass","Package":"m/a","Test":"FuzzX","Elapsed":0}
{"Action":"pass","Package":"m/a","Elapsed":0.5}
{"Action":"output","Package":"m/a","Test":"FuzzX","Output":"fuzz: elapsed: 0s, gathering baseline coverage: 0/1 completed\n"}
{"Action":"output","Package":"m/a","Test":"FuzzX","Output":"fuzz: elapsed: 3s, execs: 29912 (20553/sec)\n"}
{"Action":"output","Package":"m/a","Test":"FuzzX","Output":"--- PASS: FuzzX (3.00s)\n"}
{"Action":"pass","Package":"m/a","Test":"FuzzX","Elapsed":3}
{"Action":"pass","Package":"m/a","Elapsed":3.1}
`,
			want: `ok    m/a (500ms, tests: 1)
fuzz  m/a FuzzX: elapsed: 3s, execs: 29912 (20553/sec)
ok    m/a (3.1s, tests: 1)

2 passed, 0 failed, 0 skipped
`,
			ok: true, strict: true,
		},
		{
			name: "lines that are no events",
			events: `go: cannot find main module
{"not": "an event"}
`,
			want: `go: cannot find main module
{"not": "an event"}
No test ran.

0 passed, 0 failed, 0 skipped
`,
		},
		{
			name: "nothing",
			want: `No test ran.

0 passed, 0 failed, 0 skipped
`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, ci := range []bool{false, true} {
				var out strings.Builder
				s := newSummary(&out)
				if err := s.read(strings.NewReader(test.events)); err != nil {
					t.Fatal(err)
				}
				want, wantOut := test.ok, test.want
				if ci {
					want, wantOut = test.strict, cmp.Or(test.wantCI, test.want)
				}
				if got := s.finish(ci); got != want {
					t.Errorf("CI %t: all is well: %t, want %t", ci, got, want)
				}
				if diff := gocmp.Diff(wantOut, out.String()); diff != "" {
					t.Errorf("CI %t: output (-want +got):\n%s", ci, diff)
				}
			}
		})
	}
}
