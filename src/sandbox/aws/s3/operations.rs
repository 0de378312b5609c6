//! What `s3s` calls: each operation asks the caller's policies about the very input that it then acts on.

use s3s::{S3Request, S3Response, S3Result, dto::*};

use super::{
    super::{failure::Failure, policy::Context},
    Backend, Caller, Place,
    listing::{self, Page, Query},
    refused,
};

#[async_trait::async_trait]
impl s3s::S3 for Backend {
    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.authorise(&req, "s3:ListAllMyBuckets", Place::All, &Context::default())?;
        let owner = owner(&req)?;
        let named = |(name, created): (String, std::time::SystemTime)| Bucket {
            name: Some(name),
            creation_date: Some(created.into()),
            ..Bucket::default()
        };
        let buckets = self.store.buckets(&owner).into_iter().map(named).collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() }))
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        // Not through `authorise`: a bucket of another account answers "exists already" here, not "denied".
        let Some(caller) = req.extensions.get::<Caller>() else { return Err(refused(Failure::MissingAuthentication)) };
        let bucket = &req.input.bucket;
        let allowed = caller.principal.authorise("s3:CreateBucket", &Place::Bucket(bucket).arn(), &Context::default());
        allowed.map_err(|d| refused(d.into()))?;
        self.store.create_bucket(bucket, &caller.principal.account, self.verifier.clock.now()).map_err(refused)?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.authorise(&req, "s3:DeleteBucket", Place::Bucket(&req.input.bucket), &Context::default())?;
        self.store.delete_bucket(&req.input.bucket).map_err(refused)?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.authorise(&req, "s3:ListBucket", Place::Bucket(&req.input.bucket), &Context::default())?;
        self.exists(&req.input.bucket)?;
        let region = Some(self.verifier.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region: region, ..HeadBucketOutput::default() }))
    }

    async fn get_bucket_location(&self, req: S3Request<GetBucketLocationInput>) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.authorise(&req, "s3:GetBucketLocation", Place::Bucket(&req.input.bucket), &Context::default())?;
        self.exists(&req.input.bucket)?;
        let location = BucketLocationConstraint::from(self.verifier.region.clone());
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: Some(location) }))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = &req.input;
        let context = listing_context(input.prefix.as_ref(), input.delimiter.as_ref(), input.max_keys);
        self.authorise(&req, "s3:ListBucket", Place::Bucket(&input.bucket), &context)?;
        let query = Query {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: input.marker.as_deref().unwrap_or_default(),
            max_keys: input.max_keys,
        };
        let page = listing::list(&self.store, &query).map_err(refused)?;
        let url = is_url(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsOutput {
            is_truncated: Some(page.next.is_some()),
            max_keys: i32::try_from(page.max_keys).ok(),
            next_marker: page.next.as_ref().map(|next| listing::encode(next, url)),
            contents: Some(contents(&page, url)),
            common_prefixes: Some(common_prefixes(&page, url)),
            name: Some(input.bucket.clone()),
            prefix: input.prefix.as_ref().map(|p| listing::encode(p, url)),
            marker: input.marker.as_ref().map(|m| listing::encode(m, url)),
            delimiter: input.delimiter.as_ref().map(|d| listing::encode(d, url)),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = &req.input;
        let context = listing_context(input.prefix.as_ref(), input.delimiter.as_ref(), input.max_keys);
        self.authorise(&req, "s3:ListBucket", Place::Bucket(&input.bucket), &context)?;
        // Tokens are opaque to clients; here a token is the hexadecimal of the last entry.
        let token = input.continuation_token.as_deref().map(from_hex).transpose().map_err(refused)?;
        let query = Query {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: token.as_deref().or(input.start_after.as_deref()).unwrap_or_default(),
            max_keys: input.max_keys,
        };
        let page = listing::list(&self.store, &query).map_err(refused)?;
        let url = is_url(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsV2Output {
            is_truncated: Some(page.next.is_some()),
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            max_keys: i32::try_from(page.max_keys).ok(),
            next_continuation_token: page.next.as_ref().map(|next| super::hex(next.as_bytes())),
            contents: Some(contents(&page, url)),
            common_prefixes: Some(common_prefixes(&page, url)),
            name: Some(input.bucket.clone()),
            prefix: input.prefix.as_ref().map(|p| listing::encode(p, url)),
            delimiter: input.delimiter.as_ref().map(|d| listing::encode(d, url)),
            continuation_token: input.continuation_token.clone(),
            start_after: input.start_after.as_ref().map(|s| listing::encode(s, url)),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.read_object(req)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.stat_object(&req)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.write_object(req).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(&req)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = &req.input;
        self.authorise(&req, "s3:DeleteObject", Place::Object(&input.bucket, &input.key), &Context::default())?;
        self.store.delete(&input.bucket, &input.key).map_err(refused)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.delete_many(&req)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.start_upload(&req)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.write_part(req).await
    }

    async fn upload_part_copy(&self, req: S3Request<UploadPartCopyInput>) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.copy_part(&req)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_upload(&req)
    }

    async fn abort_multipart_upload(&self, req: S3Request<AbortMultipartUploadInput>) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = &req.input;
        self.authorise(&req, "s3:AbortMultipartUpload", Place::Object(&input.bucket, &input.key), &Context::default())?;
        self.store.end_upload(&input.upload_id, (&input.bucket, &input.key)).map_err(refused)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

impl Backend {
    fn exists(&self, bucket: &str) -> S3Result<()> {
        self.store.get(bucket, "").map(drop).map_err(refused)
    }
}

fn owner<T>(request: &S3Request<T>) -> S3Result<String> {
    let caller = request.extensions.get::<Caller>().ok_or_else(|| refused(Failure::MissingAuthentication))?;
    Ok(caller.principal.account.clone())
}

/// The condition keys of a listing: present when the parameter was given, even empty.
fn listing_context(prefix: Option<&String>, delimiter: Option<&String>, max_keys: Option<i32>) -> Context {
    Context::default()
        .with_all("s3:prefix", prefix.cloned())
        .with_all("s3:delimiter", delimiter.cloned())
        .with_all("s3:max-keys", max_keys.map(|m| m.to_string()))
}

fn is_url(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|e| e.as_str() == EncodingType::URL)
}

fn contents(page: &Page, url: bool) -> Vec<Object> {
    let entry = |(key, object): &(String, super::store::Object)| Object {
        key: Some(listing::encode(key, url)),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.modified.into()),
        size: i64::try_from(object.bytes.len()).ok(),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    };
    page.objects.iter().map(entry).collect()
}

fn common_prefixes(page: &Page, url: bool) -> Vec<CommonPrefix> {
    page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(listing::encode(p, url)) }).collect()
}

fn from_hex(text: &str) -> Result<String, Failure> {
    let invalid = || Failure::operation(400, "InvalidArgument", "The continuation token provided is incorrect");
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0).ok_or_else(invalid)?;
    String::from_utf8(digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()).map_err(|_| invalid())
}
