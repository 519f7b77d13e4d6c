package embedded

import (
	"sync"
)

// DefaultAccount is the account of callers whose access key is not known.
const DefaultAccount = "111122223333"

// Account is one AWS account.
type Account struct {
	// ID is the account's twelve digits.
	ID string

	server *Server

	mu      sync.Mutex
	regions map[string]*Region
	trusted map[string]bool // accounts that may use this one's registries
}

// Region is what one account has in one region. Each service keeps its state
// in a field of its own, with a lock of its own; the zero value is an account
// that has nothing.
type Region struct {
	// Account is the account that the region's resources belong to.
	Account *Account
	// Name is the name of the region, such as "eu-west-1".
	Name string

	ecr       ecrState
	ecs       ecsState
	lambda    lambdaState
	appRunner appRunnerState
	ssm       ssmState
}

// Account returns the account with the id, and creates it when there is none.
func (s *Server) Account(id string) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := s.accounts[id]
	if account == nil {
		account = &Account{ID: id, server: s, regions: map[string]*Region{}, trusted: map[string]bool{}}
		s.accounts[id] = account
		s.addKey(&Principal{
			AccessKeyID: account.AccessKeyID(),
			Account:     id,
			ARN:         "arn:aws:iam::" + id + ":user/admin",
			UserID:      "AIDA" + id + "0000",
		})
	}
	return account
}

// lookupAccount returns the account with the id, if there is one.
func (s *Server) lookupAccount(id string) (*Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account, ok := s.accounts[id]
	return account, ok
}

// AccessKeyID returns the access key id of the account's administrator. The
// secret is not checked.
func (a *Account) AccessKeyID() string { return "AKIA" + a.ID + "0000" }

// Region returns the account's region with the name, and creates it when
// there is none.
func (a *Account) Region(name string) *Region {
	a.mu.Lock()
	defer a.mu.Unlock()
	region := a.regions[name]
	if region == nil {
		region = &Region{Account: a, Name: name}
		a.regions[name] = region
	}
	return region
}

// Trust lets the principals of other accounts use this account's registries
// and buckets, as repository and bucket policies do in AWS.
func (a *Account) Trust(accounts ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range accounts {
		a.trusted[id] = true
	}
}

// trusts reports whether principals of the account with the id may use this
// account's registries and buckets.
func (a *Account) trusts(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return id == a.ID || a.trusted[id]
}

// Must returns v, and panics if there is an error. It is for worlds that are
// filled with what is known to be right.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
