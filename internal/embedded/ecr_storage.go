package embedded

type storageClassInput struct {
	repositoryInput
	ImageID            *imageID `json:"imageId"`
	TargetStorageClass string   `json:"targetStorageClass"`
}

type storageClassOutput struct {
	RegistryID     string  `json:"registryId"`
	RepositoryName string  `json:"repositoryName"`
	ImageID        imageID `json:"imageId"`
	ImageStatus    string  `json:"imageStatus"`
}

// updateImageStorageClass archives an image, or starts to restore it. Asking
// for what is already so changes nothing. An image on its way back cannot be
// archived.
func updateImageStorageClass(c *Call, repo *Repository, in *storageClassInput) (any, error) {
	if in.ImageID == nil {
		return nil, invalidAt("imageId", "must not be null")
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	img, failed := repo.find(*in.ImageID)
	if failed != nil {
		switch failed.FailureCode {
		case "MissingDigestAndTag", "InvalidImageDigest", "InvalidImageTag":
			return nil, invalid("%s", failed.FailureReason)
		}
		return nil, repo.imageNotFound(*in.ImageID)
	}
	status := img.status(c.Now)
	switch in.TargetStorageClass {
	case "ARCHIVE":
		switch status {
		case statusActive:
			img.toArchive(c.Now)
		case statusActivating:
			return nil, errorf("ImageStorageClassUpdateNotSupportedException",
				"The image with digest '%s' is being restored", img.digest)
		}
	case "STANDARD":
		img.restore(c.Now, c.Server.restore)
	default:
		return nil, invalidAt("targetStorageClass", "must satisfy enum value set: [STANDARD, ARCHIVE]")
	}
	return storageClassOutput{
		repo.region.Account.ID, repo.name, imageID{img.digest, in.ImageID.ImageTag}, img.status(c.Now),
	}, nil
}
