package awsapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
)

// ErrRepeatedToken means that AWS answered with a page token that it had given
// before. The pages read so far are not the whole list, and reading on could
// go in circles for ever.
var ErrRepeatedToken = errors.New("the page token was given before, so the list cannot be read to its end")

// ErrNoList means that AWS answered 200 without the list that was asked for, or
// with null for it. That is not an empty list: it says nothing of what there is.
var ErrNoList = errors.New("the answer has no list")

// Stream reads a list page by page. fetch gets the token of a page, which is
// nil for the first, and returns its items and the token of the next page;
// a nil or an empty token ends the list. Items that are nil are no list at all,
// since the SDK leaves nil only what an answer does not hold: a page without
// items is empty. Stream yields each page as it comes.
//
// After an error, which is fetch's, the context's, ErrNoList or ErrRepeatedToken,
// nothing more is yielded: what came before it is a part of the list, never the whole.
func Stream[T any](ctx context.Context, fetch func(ctx context.Context, token *string) (items []T, next *string, err error)) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		// Hashes, since tokens of some services are kilobytes long, and a list
		// may have a hundred thousand pages.
		seen := map[[sha256.Size]byte]struct{}{}
		var token *string
		for page := 1; ; page++ {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			items, next, err := fetch(ctx, token)
			if err != nil {
				yield(nil, err)
				return
			}
			if items == nil {
				yield(nil, fmt.Errorf("page %d: %w", page, ErrNoList))
				return
			}
			if !yield(items, nil) {
				return
			}
			if next == nil || *next == "" {
				return
			}
			sum := sha256.Sum256([]byte(*next))
			if _, again := seen[sum]; again {
				yield(nil, fmt.Errorf("page %d: %w", page, ErrRepeatedToken))
				return
			}
			seen[sum] = struct{}{}
			token = next
		}
	}
}

// Pages reads a list to its end and returns all its items in their order. See
// Stream for fetch. With an error it returns the items of the pages that came
// before, which are not the whole list.
func Pages[T any](ctx context.Context, fetch func(ctx context.Context, token *string) (items []T, next *string, err error)) ([]T, error) {
	var all []T
	for items, err := range Stream(ctx, fetch) {
		if err != nil {
			return all, err
		}
		all = append(all, items...)
	}
	return all, nil
}
