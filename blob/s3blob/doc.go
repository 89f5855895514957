// Package s3blob keeps blobs in an S3 bucket: a [bulk.BlobStore] and
// [bulk.URLSigner] for any number of processes.
//
//	client := s3blob.NewClient(cfg) // an aws.Config
//	blobs, err := s3blob.New(client, s3blob.Options{Bucket: "blobs"})
//
// A blob is one object, written under the condition that its key is not in use.
// A small blob is one PutObject; a larger one is uploaded in parts while it is
// read, so that its length need not be known, and appears when the last part is
// there. See [Options.PartSize] for the memory that takes.
//
// # Lost answers
//
// A conditional write that succeeded and whose answer was lost fails its own
// condition when it is sent again. So each Put writes a nonce into the metadata of
// its object, and one that meets an object where it expected none, or that does
// not know what became of its request, looks whether the object is its own.
//
// # What may stay behind
//
// A Put that fails aborts its upload. If S3 cannot be reached for that either,
// parts stay that nobody sees: the rule of [LifecycleRule] removes them.
//
// # Buckets with versions
//
// In a bucket that keeps versions Delete leaves the blob as an old version; the
// rule of [LifecycleRule] removes those after a day.
package s3blob
