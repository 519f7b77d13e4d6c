package embedded

import (
	"regexp"
	"slices"
)

// repositoryInput is what most requests about a repository begin with.
type repositoryInput struct {
	RegistryID     registryID `json:"registryId"`
	RepositoryName string     `json:"repositoryName"`
}

// repository returns the repository that the request names.
func (in *repositoryInput) repository(c *Call) (*Repository, error) {
	return c.ecrRepository(in.RegistryID, in.RepositoryName)
}

type encryption struct {
	EncryptionType string `json:"encryptionType"`
	KMSKey         string `json:"kmsKey,omitempty"`
}

type scanning struct {
	ScanOnPush bool `json:"scanOnPush"`
}

type exclusionFilter struct {
	FilterType string `json:"filterType"`
	Filter     string `json:"filter"`
}

// repositoryOutput is Repository in the service model.
type repositoryOutput struct {
	RepositoryARN              string            `json:"repositoryArn"`
	RegistryID                 string            `json:"registryId"`
	RepositoryName             string            `json:"repositoryName"`
	RepositoryURI              string            `json:"repositoryUri"`
	CreatedAt                  epoch             `json:"createdAt"`
	ImageTagMutability         Mutability        `json:"imageTagMutability"`
	Exclusions                 []exclusionFilter `json:"imageTagMutabilityExclusionFilters,omitempty"`
	ImageScanningConfiguration scanning          `json:"imageScanningConfiguration"`
	EncryptionConfiguration    encryption        `json:"encryptionConfiguration"`
}

// describe returns the repository as the API shows it.
func (r *Repository) describe() repositoryOutput {
	r.mu.Lock()
	defer r.mu.Unlock()
	return repositoryOutput{
		RepositoryARN: r.ARN(), RegistryID: r.region.Account.ID,
		RepositoryName: r.name, RepositoryURI: r.URI(), CreatedAt: epoch(r.created),
		ImageTagMutability: r.mutability, Exclusions: filters(r.exclusions),
		ImageScanningConfiguration: scanning{r.scan}, EncryptionConfiguration: r.encryption,
	}
}

type describeRepositoriesInput struct {
	page
	RegistryID      registryID `json:"registryId"`
	RepositoryNames []string   `json:"repositoryNames"`
}

type describeRepositoriesOutput struct {
	Repositories []repositoryOutput `json:"repositories"`
	NextToken    string             `json:"nextToken,omitempty"`
}

func describeRepositories(c *Call, in *describeRepositoriesInput) (any, error) {
	if in.RepositoryNames != nil {
		if in.page.given() {
			return nil, invalid("nextToken and maxResults cannot be given together with repositoryNames")
		}
		if err := checkLength("repositoryNames", in.RepositoryNames); err != nil {
			return nil, err
		}
		out := describeRepositoriesOutput{Repositories: []repositoryOutput{}}
		for _, name := range in.RepositoryNames {
			repo, err := c.ecrRepository(in.RegistryID, name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, repo.describe())
		}
		return out, nil
	}
	everything := func(r *Region) string { return r.repositoryARN("*") }
	region, err := c.ecrRegistry(in.RegistryID, everything)
	if err != nil {
		return nil, err
	}
	if region == nil {
		return nil, c.denied("arn:aws:ecr:"+c.Region.Name+":"+string(in.RegistryID)+":repository/*", "")
	}
	at, err := in.start(c, region.Account.ID+"/"+region.Name, 1000, 100)
	if err != nil {
		return nil, err
	}
	region.ecr.mu.Lock()
	defer region.ecr.mu.Unlock()
	repositories, next := entries(at, region.ecr.repositories.from, func(_ string, repo *Repository) (repositoryOutput, bool) {
		return repo.describe(), true
	})
	return describeRepositoriesOutput{repositories, next}, nil
}

type createRepositoryInput struct {
	repositoryInput
	Tags                       []resourceTag     `json:"tags"`
	ImageTagMutability         Mutability        `json:"imageTagMutability"`
	Exclusions                 []exclusionFilter `json:"imageTagMutabilityExclusionFilters"`
	ImageScanningConfiguration scanning          `json:"imageScanningConfiguration"`
	EncryptionConfiguration    *encryption       `json:"encryptionConfiguration"`
}

type createRepositoryOutput struct {
	Repository repositoryOutput `json:"repository"`
}

func createRepository(c *Call, in *createRepositoryInput) (any, error) {
	if err := checkRepositoryName(in.RepositoryName); err != nil {
		return nil, err
	}
	region, err := c.ecrRegistry(in.RegistryID, func(r *Region) string { return r.repositoryARN(in.RepositoryName) })
	if err != nil {
		return nil, err
	}
	if region == nil {
		return nil, c.denied("arn:aws:ecr:"+c.Region.Name+":"+string(in.RegistryID)+":repository/"+in.RepositoryName, "")
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	exclusions, err := readFilters(in.Exclusions)
	if err != nil {
		return nil, err
	}
	repo, err := region.CreateRepository(in.RepositoryName, RepositoryOptions{
		Tags: tags, Mutability: in.ImageTagMutability, Exclusions: exclusions, CreatedAt: c.Now,
	})
	if err != nil {
		return nil, err
	}
	repo.mu.Lock()
	repo.scan = in.ImageScanningConfiguration.ScanOnPush
	if in.EncryptionConfiguration != nil {
		repo.encryption = *in.EncryptionConfiguration
	}
	repo.mu.Unlock()
	return createRepositoryOutput{repo.describe()}, nil
}

type deleteRepositoryInput struct {
	repositoryInput
	Force bool `json:"force"`
}

func deleteRepository(c *Call, repo *Repository, in *deleteRepositoryInput) (any, error) {
	repo.mu.Lock()
	images := repo.images.len()
	repo.mu.Unlock()
	if images > 0 && !in.Force {
		return nil, errorf("RepositoryNotEmptyException",
			"The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images",
			repo.name, repo.region.Account.ID)
	}
	state := &repo.region.ecr
	state.mu.Lock()
	state.repositories.remove(repo.name)
	state.mu.Unlock()
	return createRepositoryOutput{repo.describe()}, nil
}

// exclusionFormat is the pattern of ImageTagMutabilityExclusionFilterValue.
var exclusionFormat = regexp.MustCompile(`^[0-9a-zA-Z._*-]{1,128}$`)

// checkMutability returns the error for a mode that does not exist, or with
// filters where it takes none.
func checkMutability(mode Mutability, exclusions []string) error {
	switch mode {
	case Mutable, Immutable:
		if len(exclusions) > 0 {
			return invalidAt("imageTagMutabilityExclusionFilters", "must not be given for %s", mode)
		}
	case MutableWithExclusion, ImmutableWithExclusion:
		if len(exclusions) == 0 || len(exclusions) > 5 {
			return invalidAt("imageTagMutabilityExclusionFilters", "must have length between 1 and 5")
		}
	default:
		return invalidAt("imageTagMutability", "must satisfy enum value set: [MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]")
	}
	for _, filter := range exclusions {
		if !exclusionFormat.MatchString(filter) {
			return mustMatch("filter", exclusionFormat)
		}
	}
	return nil
}

// filters returns the exclusions as the API shows them.
func filters(exclusions []string) []exclusionFilter {
	var out []exclusionFilter
	for _, e := range exclusions {
		out = append(out, exclusionFilter{"WILDCARD", e})
	}
	return out
}

// readFilters returns the exclusions of a request.
func readFilters(in []exclusionFilter) ([]string, error) {
	var out []string
	for _, f := range in {
		if f.FilterType != "WILDCARD" {
			return nil, invalidAt("filterType", "must satisfy enum value set: [WILDCARD]")
		}
		out = append(out, f.Filter)
	}
	return out, nil
}

type mutabilityInput struct {
	repositoryInput
	ImageTagMutability Mutability        `json:"imageTagMutability"`
	Exclusions         []exclusionFilter `json:"imageTagMutabilityExclusionFilters"`
}

type mutabilityOutput struct {
	RegistryID         string            `json:"registryId"`
	RepositoryName     string            `json:"repositoryName"`
	ImageTagMutability Mutability        `json:"imageTagMutability"`
	Exclusions         []exclusionFilter `json:"imageTagMutabilityExclusionFilters,omitempty"`
}

func putImageTagMutability(c *Call, repo *Repository, in *mutabilityInput) (any, error) {
	exclusions, err := readFilters(in.Exclusions)
	if err != nil {
		return nil, err
	}
	if err := checkMutability(in.ImageTagMutability, exclusions); err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	repo.mutability, repo.exclusions = in.ImageTagMutability, slices.Clone(exclusions)
	return mutabilityOutput{repo.region.Account.ID, repo.name, repo.mutability, filters(repo.exclusions)}, nil
}
