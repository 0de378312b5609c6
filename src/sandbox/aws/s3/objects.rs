//! Operations on single objects, on many at once, and on uploads in parts.

use bytes::{Bytes, BytesMut};
use s3s::{
    S3Request, S3Response, S3Result,
    crypto::{Checksum, Md5},
    dto::*,
};

use super::{
    super::{failure::Failure, keys::random, policy::Context},
    Backend, Place,
    body::{self, Announced},
    conditions::Conditions,
    hex, refused,
    store::{self, Attributes},
};

impl Backend {
    pub(super) fn read_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (bucket, key) = (&req.input.bucket, &req.input.key);
        self.authorise(&req, "s3:GetObject", Place::Object(bucket, key), &Context::default())?;
        let object = self.find(&req, bucket, key)?;
        let conditions = Conditions { if_match: req.input.if_match.as_ref(), if_none_match: req.input.if_none_match.as_ref() };
        conditions.check_read(&object).map_err(refused)?;
        let total = object.bytes.len();
        let (bytes, content_range) = match req.input.range {
            None => (object.bytes, None),
            Some(range) => {
                let range = range.check(total as u64)?;
                let (start, end) = (as_index(range.start), as_index(range.end));
                (object.bytes.slice(start..end), Some(format!("bytes {start}-{}/{total}", end.saturating_sub(1))))
            }
        };
        let attributes = object.attributes;
        let partial = content_range.is_some();
        let mut response = S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(bytes.len()).ok(),
            content_range,
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            content_type: attributes.content_type,
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            cache_control: attributes.cache_control,
            metadata: attributes.metadata,
            ..GetObjectOutput::default()
        });
        response.status = partial.then_some(http::StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    pub(super) fn stat_object(&self, req: &S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let (bucket, key) = (&req.input.bucket, &req.input.key);
        self.authorise(req, "s3:GetObject", Place::Object(bucket, key), &Context::default())?;
        let object = self.find(req, bucket, key)?;
        let conditions = Conditions { if_match: req.input.if_match.as_ref(), if_none_match: req.input.if_none_match.as_ref() };
        conditions.check_read(&object).map_err(refused)?;
        let attributes = object.attributes;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.bytes.len()).ok(),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            content_type: attributes.content_type,
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            cache_control: attributes.cache_control,
            metadata: attributes.metadata,
            ..HeadObjectOutput::default()
        }))
    }

    pub(super) async fn write_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.authorise(&req, "s3:PutObject", Place::Object(&req.input.bucket, &req.input.key), &Context::default())?;
        let (trailers, input) = (req.trailing_headers, req.input);
        let announced = Announced {
            md5: input.content_md5,
            crc32: input.checksum_crc32,
            crc32c: input.checksum_crc32c,
            crc64nvme: input.checksum_crc64nvme,
            sha1: input.checksum_sha1,
            sha256: input.checksum_sha256,
        };
        let upload = body::read(&self.store, input.body, announced, trailers).await?;
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding.filter(|e| e != "aws-chunked"),
            content_disposition: input.content_disposition,
            cache_control: input.cache_control,
            metadata: input.metadata,
        };
        let etag = upload.etag;
        let object = store::Object { bytes: upload.bytes, etag: etag.clone(), modified: self.verifier.clock.now(), attributes };
        let conditions = Conditions { if_match: input.if_match.as_ref(), if_none_match: input.if_none_match.as_ref() };
        self.store.put_if(&input.bucket, &input.key, object, &conditions).map_err(refused)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..PutObjectOutput::default() }))
    }

    pub(super) fn copy(&self, req: &S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &req.input;
        self.authorise(req, "s3:PutObject", Place::Object(&input.bucket, &input.key), &Context::default())?;
        let conditions =
            Conditions { if_match: input.copy_source_if_match.as_ref(), if_none_match: input.copy_source_if_none_match.as_ref() };
        let mut object = self.source(req, &input.copy_source, &conditions)?;
        if input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == MetadataDirective::REPLACE) {
            object.attributes = Attributes {
                content_type: input.content_type.clone(),
                content_encoding: input.content_encoding.clone(),
                content_disposition: input.content_disposition.clone(),
                cache_control: input.cache_control.clone(),
                metadata: input.metadata.clone(),
            };
        }
        object.modified = self.verifier.clock.now();
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified.into()),
            ..CopyObjectResult::default()
        };
        self.store.put(&input.bucket, &input.key, object).map_err(refused)?;
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    /// Each key is asked about by itself; those that the caller may not delete are listed as errors, as AWS does.
    pub(super) fn delete_many(&self, req: &S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = &req.input;
        if input.delete.objects.len() > 1_000 {
            return Err(refused(Failure::operation(400, "MalformedXML", "at most 1,000 keys can be deleted at once")));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in &input.delete.objects {
            let place = Place::Object(&input.bucket, &object.key);
            match self.authorise(req, "s3:DeleteObject", place, &Context::default()) {
                Ok(()) => {
                    self.store.delete(&input.bucket, &object.key).map_err(refused)?;
                    deleted.push(DeletedObject { key: Some(object.key.clone()), ..DeletedObject::default() });
                }
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key.clone()),
                    message: error.message().map(str::to_owned),
                    ..Error::default()
                }),
            }
        }
        let deleted = (!input.delete.quiet.unwrap_or(false)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), ..DeleteObjectsOutput::default() }))
    }

    pub(super) fn start_upload(&self, req: &S3Request<CreateMultipartUploadInput>) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = &req.input;
        self.authorise(req, "s3:PutObject", Place::Object(&input.bucket, &input.key), &Context::default())?;
        let attributes = Attributes {
            content_type: input.content_type.clone(),
            content_encoding: input.content_encoding.clone(),
            content_disposition: input.content_disposition.clone(),
            cache_control: input.cache_control.clone(),
            metadata: input.metadata.clone(),
        };
        let id = hex(&random::<16>().map_err(refused)?);
        self.store.start_upload(id.clone(), &input.bucket, &input.key, attributes).map_err(refused)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn write_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.authorise(&req, "s3:PutObject", Place::Object(&req.input.bucket, &req.input.key), &Context::default())?;
        let (trailers, input) = (req.trailing_headers, req.input);
        let announced = Announced {
            md5: input.content_md5,
            crc32: input.checksum_crc32,
            crc32c: input.checksum_crc32c,
            crc64nvme: input.checksum_crc64nvme,
            sha1: input.checksum_sha1,
            sha256: input.checksum_sha256,
        };
        let part = body::read(&self.store, input.body, announced, trailers).await?;
        self.keep_part(&input.upload_id, (&input.bucket, &input.key), input.part_number, part.bytes, &part.etag)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(part.etag)), ..UploadPartOutput::default() }))
    }

    pub(super) fn copy_part(&self, req: &S3Request<UploadPartCopyInput>) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = &req.input;
        self.authorise(req, "s3:PutObject", Place::Object(&input.bucket, &input.key), &Context::default())?;
        let conditions =
            Conditions { if_match: input.copy_source_if_match.as_ref(), if_none_match: input.copy_source_if_none_match.as_ref() };
        let mut bytes = self.source(req, &input.copy_source, &conditions)?.bytes;
        if let Some(range) = &input.copy_source_range {
            let range = Range::parse(range).map_err(|_| refused(Failure::operation(400, "InvalidArgument", "the range is malformed")))?;
            let range = range.check(bytes.len() as u64)?;
            bytes = bytes.slice(as_index(range.start)..as_index(range.end));
        }
        let etag = hex(Md5::checksum(&bytes).as_ref());
        self.keep_part(&input.upload_id, (&input.bucket, &input.key), input.part_number, bytes, &etag)?;
        let result = CopyPartResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(self.verifier.clock.now().into()),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    fn keep_part(&self, id: &str, place: (&str, &str), number: i32, bytes: Bytes, etag: &str) -> S3Result<()> {
        if !(1..=10_000).contains(&number) {
            return Err(refused(Failure::operation(400, "InvalidArgument", "Part number must be from 1 to 10000")));
        }
        self.store.put_part(id, place, number, bytes, etag.to_owned()).map_err(refused)
    }

    /// The smallest size of a part, 5 MiB on AWS, is not enforced.
    pub(super) fn complete_upload(
        &self,
        req: &S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = &req.input;
        let place = (input.bucket.as_str(), input.key.as_str());
        self.authorise(req, "s3:PutObject", Place::Object(place.0, place.1), &Context::default())?;
        let listed = input.multipart_upload.as_ref().and_then(|m| m.parts.as_deref()).unwrap_or_default();
        let wanted: Vec<(i32, Option<String>)> =
            listed.iter().map(|p| (p.part_number.unwrap_or_default(), p.e_tag.as_ref().map(|e| e.value().to_owned()))).collect();
        if wanted.is_empty() || !wanted.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(refused(Failure::operation(400, "InvalidPartOrder", "Parts must be listed in ascending order.")));
        }
        let (parts, attributes) = self.store.parts(&input.upload_id, place, &wanted).map_err(refused)?;
        let mut room = self.store.room();
        let (mut bytes, mut sums) = (BytesMut::new(), Vec::new());
        for (part, _) in &parts {
            room.take(part.len()).map_err(refused)?;
            bytes.extend_from_slice(part);
            sums.extend_from_slice(Md5::checksum(part).as_ref());
        }
        drop((room, parts));
        // The parts' room is given back first, so that an upload as large as half the cap can be completed.
        self.store.end_upload(&input.upload_id, place).map_err(refused)?;
        let etag = format!("{}-{}", hex(Md5::checksum(&sums).as_ref()), wanted.len());
        let object = store::Object { bytes: bytes.freeze(), etag: etag.clone(), modified: self.verifier.clock.now(), attributes };
        self.store.put(place.0, place.1, object).map_err(refused)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            e_tag: Some(ETag::Strong(etag)),
            location: Some(format!("/{}/{}", place.0, place.1)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    /// The object that is copied from, if the caller may read it.
    fn source<T>(&self, req: &S3Request<T>, source: &CopySource, conditions: &Conditions<'_>) -> S3Result<store::Object> {
        let CopySource::Bucket { bucket, key, version_id: None } = source else {
            return Err(refused(Failure::operation(501, "NotImplemented", "this double copies from plain buckets only")));
        };
        self.authorise(req, "s3:GetObject", Place::Object(bucket, key), &Context::default())?;
        let object = self.find(req, bucket, key)?;
        conditions.check_write(Some(&object)).map_err(refused)?;
        Ok(object)
    }

    /// An object that may be read. That it is not there is told only to those who may list the bucket, as AWS does.
    fn find<T>(&self, req: &S3Request<T>, bucket: &str, key: &str) -> S3Result<store::Object> {
        if let Some(object) = self.store.get(bucket, key).map_err(refused)? {
            return Ok(object);
        }
        self.authorise(req, "s3:ListBucket", Place::Bucket(bucket), &Context::default())?;
        Err(refused(Failure::operation(404, "NoSuchKey", "The specified key does not exist.")))
    }
}

/// Lengths of what is in memory fit an index.
fn as_index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
