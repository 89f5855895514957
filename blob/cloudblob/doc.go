// Package cloudblob keeps blobs in a bucket of gocloud.dev/blob: a [bulk.BlobStore]
// on Amazon S3, Google Cloud Storage, Azure Blob Storage, files or memory, and on
// other drivers of that interface.
//
//	bucket, err := gcsblob.OpenBucket(ctx, client, "my-bulkops-blobs", nil)
//	blobs, err := cloudblob.New(bucket, cloudblob.Options{})
//
// The package imports no driver: a program links the one whose bucket it opens.
// Keys are those of [bulk.BlobStore]; a prefix, a slash at its end, comes with
// [blob.PrefixedBucket].
//
// # What a driver has to do
//
// A blob is put if its key is free, by one atomic step of the service
// ([blob.WriterOptions.IfNotExist]). Two workers of one job are kept apart by it. The
// drivers of gocloud.dev v0.47.0:
//
//   - s3blob, gcsblob, azureblob and memblob do so. Servers that say they are S3
//     may ignore the condition: [Store.Check] finds that out, and a program should
//     call it when it starts.
//   - fileblob looks first and renames then, so two puts at once may both succeed.
//     [New] refuses its buckets without [Options.OneProcess]. It does not flush
//     files to the disk either: blobs survive the end of the process, and maybe not
//     that of the machine.
//
// The suite runs on memblob, fileblob, and s3blob against a server. Nobody has run it
// against Google's and Azure's services yet.
//
// # Lost answers
//
// A conditional write that succeeded and whose answer was lost fails its own
// condition when the driver sends it again. So each Put leaves a nonce in the
// metadata of its object, and one that meets an object where it expected none, or
// does not know what became of its request, looks whether the object is its own.
//
// # Missing buckets
//
// Drivers report a missing bucket, and some also a denied permission, as they report
// a missing object. An import must not take one for the other, as it would give up a
// job whose payload is there. So a Get or Delete that finds nothing lists the key, and
// fails for good if the bucket cannot be listed: the program needs the permission to.
//
// # Old blobs
//
// A rule of the bucket has to remove blobs once they are older than 30 days, or than
// [bulk.Config.Retention]: see the service's documentation on lifecycles.
package cloudblob
