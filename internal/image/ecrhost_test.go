package image

import (
	"strings"
	"testing"
)

// ecrHosts are all forms of the host of one registry.
func ecrHosts() []string {
	var hosts []string
	for _, service := range []string{".dkr.ecr.", ".dkr.ecr-fips.", ".dkr-ecr.", ".dkr-ecr-fips."} {
		for _, suffix := range []string{
			"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws", "on.amazonwebservices.com.cn",
			"sc2s.sgov.gov", "c2s.ic.gov", "cloud.adc-e.uk", "csp.hci.ic.gov",
		} {
			hosts = append(hosts, "111122223333"+service+"eu-west-1."+suffix)
		}
	}
	return hosts
}

func TestParseECRHostReadsEveryForm(t *testing.T) {
	hosts := ecrHosts()
	if len(hosts) != 36 {
		t.Fatalf("%d forms, want 36", len(hosts))
	}
	for _, host := range hosts {
		want := ECRHost{Account: "111122223333", Region: "eu-west-1", FIPS: strings.Contains(host, "-fips.")}
		for _, form := range []string{host, host + ":443", strings.ToUpper(host)} {
			got, ok := ParseECRHost(form)
			if !ok || got != want {
				t.Errorf("ParseECRHost(%q) = %+v, %v, want %+v", form, got, ok, want)
			}
			if !got.SameRegistry(ECRHost{Account: "111122223333", Region: "eu-west-1"}) {
				t.Errorf("%q is not the same registry", form)
			}
		}
	}
}

func TestParseECRHost(t *testing.T) {
	tests := []struct {
		name, host string
		want       ECRHost
		ok         bool
	}{
		{"public", "public.ecr.aws", ECRHost{Public: true}, true},
		{"public, new", "ecr-public.aws.com", ECRHost{Public: true}, true},
		{"public with port", "Public.ECR.aws:443", ECRHost{Public: true}, true},
		{"region of several words", "111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov", ECRHost{Account: "111122223333", Region: "us-iso-east-1"}, true},
		{"European region", "111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu", ECRHost{Account: "111122223333", Region: "eusc-de-east-1"}, true},
		{"empty", "", ECRHost{}, false},
		{"account of 11 digits", "11112222333.dkr.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"account of 13 digits", "1111222233334.dkr.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"account with a letter", "11112222333a.dkr.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"only an account", "111122223333", ECRHost{}, false},
		{"evil suffix", "111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil.example", ECRHost{}, false},
		{"evil suffix without a dot", "111122223333.dkr.ecr.eu-west-1.amazonaws.communist.example", ECRHost{}, false},
		{"evil prefix", "evil.111122223333.dkr.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"evil prefix without a dot", "x111122223333.dkr.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"evil partition", "111122223333.dkr.ecr.eu-west-1.evilamazonaws.com", ECRHost{}, false},
		{"two regions", "111122223333.dkr.ecr.eu-west-1.us-east-1.amazonaws.com", ECRHost{}, false},
		{"no region", "111122223333.dkr.ecr..amazonaws.com", ECRHost{}, false},
		{"region missing", "111122223333.dkr.ecr.amazonaws.com", ECRHost{}, false},
		{"region only", "111122223333.dkr.ecr.eu-west-1", ECRHost{}, false},
		{"region starts with a hyphen", "111122223333.dkr.ecr.-west-1.amazonaws.com", ECRHost{}, false},
		{"region ends with a hyphen", "111122223333.dkr.ecr.eu-west-.amazonaws.com", ECRHost{}, false},
		{"region with an underscore", "111122223333.dkr.ecr.eu_west.amazonaws.com", ECRHost{}, false},
		{"other service", "111122223333.dkr.ecs.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"API endpoint", "api.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"no number after the colon", "111122223333.dkr.ecr.eu-west-1.amazonaws.com:", ECRHost{}, false},
		{"port is no number", "111122223333.dkr.ecr.eu-west-1.amazonaws.com:https", ECRHost{}, false},
		{"path after the port", "111122223333.dkr.ecr.eu-west-1.amazonaws.com:443/web", ECRHost{}, false},
		{"dot at the end", "111122223333.dkr.ecr.eu-west-1.amazonaws.com.", ECRHost{}, false},
		{"newline at the end", "111122223333.dkr.ecr.eu-west-1.amazonaws.com\n", ECRHost{}, false},
		{"letter that folds into ASCII", "111122223333.d\u212ar.ecr.eu-west-1.amazonaws.com", ECRHost{}, false},
		{"public with suffix", "public.ecr.aws.evil.example", ECRHost{}, false},
		{"public with prefix", "xpublic.ecr.aws", ECRHost{}, false},
		{"Docker Hub", "docker.io", ECRHost{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseECRHost(tt.host)
			if got != tt.want || ok != tt.ok {
				t.Errorf("ParseECRHost(%q) = %+v, %v, want %+v, %v", tt.host, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestSameRegistry(t *testing.T) {
	private := ECRHost{Account: "111122223333", Region: "eu-west-1"}
	tests := []struct {
		name string
		a, b ECRHost
		want bool
	}{
		{"FIPS", private, ECRHost{Account: "111122223333", Region: "eu-west-1", FIPS: true}, true},
		{"other region", private, ECRHost{Account: "111122223333", Region: "eu-west-2"}, false},
		{"other account", private, ECRHost{Account: "444455556666", Region: "eu-west-1"}, false},
		{"public", ECRHost{Public: true}, ECRHost{Public: true}, true},
		{"public and private", private, ECRHost{Public: true}, false},
	}
	for _, tt := range tests {
		if got := tt.a.SameRegistry(tt.b); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzParseECRHost(f *testing.F) {
	for _, host := range ecrHosts() {
		f.Add(host)
	}
	f.Add("111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil.example")
	f.Add("public.ecr.aws:443")
	f.Fuzz(func(t *testing.T, host string) {
		h, ok := ParseECRHost(host)
		if !ok {
			if h != (ECRHost{}) {
				t.Fatalf("%q is no ECR host and still %+v", host, h)
			}
			return
		}
		name, _, _ := strings.Cut(strings.ToLower(host), ":")
		if !h.Public && (!strings.HasPrefix(name, h.Account+".dkr") || !strings.Contains(name, "."+h.Region+".") || len(h.Account) != 12) {
			t.Fatalf("%q gives %+v", host, h)
		}
		if again, ok := ParseECRHost(name); !ok || again != h {
			t.Fatalf("%q gives %+v, and without its port %+v", host, h, again)
		}
	})
}
