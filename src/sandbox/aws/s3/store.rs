//! Buckets and objects in memory, bounded.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::SystemTime,
};

use bytes::Bytes;

use super::{
    super::{failure::Failure, observe::lock},
    conditions::Conditions,
};

/// What an entry costs beside its bytes, so that many empty objects also reach the cap.
const ENTRY_COST: u64 = 1_024;
const MAX_BUCKETS: usize = 1_000;
const MAX_UPLOADS: usize = 1_000;

/// All buckets. Every method is one short critical section.
#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    pub(super) max_object: u64,
    max_total: u64,
}

#[derive(Debug, Default)]
struct Inner {
    buckets: BTreeMap<String, Bucket>,
    uploads: HashMap<String, Upload>,
    /// Bytes held by objects, parts and bodies on their way in.
    used: u64,
}

#[derive(Debug)]
struct Bucket {
    owner: String,
    created: SystemTime,
    objects: BTreeMap<String, Object>,
}

/// An object; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) attributes: Attributes,
}

/// What an upload says about an object, given back on reading.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: Option<HashMap<String, String>>,
}

#[derive(Debug)]
struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<i32, (Bytes, String)>,
}

/// Room taken for bytes that are not yet stored; given back when dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    store: &'a Store,
    taken: u64,
}

impl Store {
    pub(super) fn new(max_object: u64, max_total: u64) -> Self {
        Self { inner: Mutex::default(), max_object, max_total }
    }

    /// Room for a body that is about to be read.
    pub(super) fn room(&self) -> Room<'_> {
        Room { store: self, taken: 0 }
    }

    pub(super) fn create_bucket(&self, name: &str, owner: &str, now: SystemTime) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        if let Some(bucket) = inner.buckets.get(name) {
            return Err(match bucket.owner == owner {
                true => Failure::operation(409, "BucketAlreadyOwnedByYou", "The bucket is there already and is yours."),
                false => Failure::operation(409, "BucketAlreadyExists", "The bucket is there already."),
            });
        }
        if inner.buckets.len() >= MAX_BUCKETS {
            return Err(Failure::operation(400, "TooManyBuckets", "There are too many buckets."));
        }
        inner.buckets.insert(name.to_owned(), Bucket { owner: owner.to_owned(), created: now, objects: BTreeMap::new() });
        Ok(())
    }

    /// The buckets of one account, with the time each was made.
    pub(super) fn buckets(&self, owner: &str) -> Vec<(String, SystemTime)> {
        lock(&self.inner).buckets.iter().filter(|(_, b)| b.owner == owner).map(|(name, b)| (name.clone(), b.created)).collect()
    }

    pub(super) fn owner(&self, bucket: &str) -> Option<String> {
        lock(&self.inner).buckets.get(bucket).map(|b| b.owner.clone())
    }

    pub(super) fn delete_bucket(&self, name: &str) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        if !inner.bucket(name)?.objects.is_empty() {
            return Err(Failure::operation(409, "BucketNotEmpty", "The bucket you tried to delete is not empty."));
        }
        inner.buckets.remove(name);
        Ok(())
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Option<Object>, Failure> {
        Ok(lock(&self.inner).bucket(bucket)?.objects.get(key).cloned())
    }

    /// Puts an object in the place of whatever was there.
    pub(super) fn put(&self, bucket: &str, key: &str, object: Object) -> Result<(), Failure> {
        self.put_if(bucket, key, object, &Conditions::default())
    }

    /// Puts an object if what is there meets the conditions; both in one step.
    pub(super) fn put_if(&self, bucket: &str, key: &str, object: Object, conditions: &Conditions<'_>) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        conditions.check_write(inner.bucket(bucket)?.objects.get(key))?;
        let cost = cost(key, object.bytes.len());
        let freed = inner.bucket(bucket)?.objects.get(key).map_or(0, |old| self::cost(key, old.bytes.len()));
        if object.bytes.len() as u64 > self.max_object || inner.used - freed + cost > self.max_total {
            return Err(Failure::TooLarge);
        }
        inner.used = inner.used - freed + cost;
        inner.bucket(bucket)?.objects.insert(key.to_owned(), object);
        Ok(())
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        if let Some(old) = inner.bucket(bucket)?.objects.remove(key) {
            inner.used -= cost(key, old.bytes.len());
        }
        Ok(())
    }

    /// Up to `limit` objects from `after` on (itself left out), in the order of their keys' bytes, which all begin with `prefix`.
    pub(super) fn range(&self, bucket: &str, prefix: &str, after: &str, limit: usize) -> Result<Vec<(String, Object)>, Failure> {
        use std::ops::Bound;
        let mut inner = lock(&self.inner);
        let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let objects = inner.bucket(bucket)?.objects.range::<str, _>((from, Bound::Unbounded));
        Ok(objects.take_while(|(k, _)| k.starts_with(prefix)).take(limit).map(|(k, o)| (k.clone(), o.clone())).collect())
    }

    pub(super) fn start_upload(&self, id: String, bucket: &str, key: &str, attributes: Attributes) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        inner.bucket(bucket)?;
        if inner.uploads.len() >= MAX_UPLOADS {
            return Err(Failure::Throttled);
        }
        let upload = Upload { bucket: bucket.to_owned(), key: key.to_owned(), attributes, parts: BTreeMap::new() };
        inner.uploads.insert(id, upload);
        Ok(())
    }

    pub(super) fn put_part(&self, id: &str, place: (&str, &str), number: i32, bytes: Bytes, etag: String) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        let cost = cost("", bytes.len());
        let freed = inner.upload(id, place)?.parts.get(&number).map_or(0, |(old, _)| self::cost("", old.len()));
        if inner.used - freed + cost > self.max_total {
            return Err(Failure::TooLarge);
        }
        inner.used = inner.used - freed + cost;
        inner.upload(id, place)?.parts.insert(number, (bytes, etag));
        Ok(())
    }

    /// The parts asked for, in that order, and the attributes. The upload stays until [`Store::end_upload`].
    pub(super) fn parts(
        &self,
        id: &str,
        place: (&str, &str),
        wanted: &[(i32, Option<String>)],
    ) -> Result<(Vec<(Bytes, String)>, Attributes), Failure> {
        let mut inner = lock(&self.inner);
        let upload = inner.upload(id, place)?;
        let find = |(number, etag): &(i32, Option<String>)| {
            let part = upload.parts.get(number).filter(|(_, have)| etag.as_ref().is_none_or(|e| e == have));
            part.cloned().ok_or_else(|| Failure::operation(400, "InvalidPart", "A part is not there or its ETag differs."))
        };
        let parts = wanted.iter().map(find).collect::<Result<_, _>>()?;
        Ok((parts, upload.attributes.clone()))
    }

    pub(super) fn end_upload(&self, id: &str, place: (&str, &str)) -> Result<(), Failure> {
        let mut inner = lock(&self.inner);
        inner.upload(id, place)?;
        if let Some(upload) = inner.uploads.remove(id) {
            inner.used -= upload.parts.values().map(|(bytes, _)| cost("", bytes.len())).sum::<u64>();
        }
        Ok(())
    }
}

impl Inner {
    fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Failure> {
        self.buckets.get_mut(name).ok_or_else(|| Failure::operation(404, "NoSuchBucket", "The specified bucket does not exist"))
    }

    /// An upload, if it is for this bucket and key: an id alone does not give access to another key's parts.
    fn upload(&mut self, id: &str, (bucket, key): (&str, &str)) -> Result<&mut Upload, Failure> {
        let upload = self.uploads.get_mut(id).filter(|u| u.bucket == bucket && u.key == key);
        upload.ok_or_else(|| Failure::operation(404, "NoSuchUpload", "The specified multipart upload does not exist."))
    }
}

impl Room<'_> {
    /// Takes room for `more` bytes.
    pub(super) fn take(&mut self, more: usize) -> Result<(), Failure> {
        let mut inner = lock(&self.store.inner);
        let more = more as u64;
        if self.taken + more > self.store.max_object || inner.used + more > self.store.max_total {
            return Err(Failure::TooLarge);
        }
        inner.used += more;
        self.taken += more;
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        lock(&self.store.inner).used -= self.taken;
    }
}

fn cost(key: &str, bytes: usize) -> u64 {
    (key.len() + bytes) as u64 + ENTRY_COST
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn object(size: usize) -> Object {
        Object { bytes: vec![0; size].into(), etag: String::new(), modified: UNIX_EPOCH, attributes: Attributes::default() }
    }

    #[test]
    fn the_caps_hold_and_room_comes_back() {
        let store = Store::new(1_000, 4_900);
        store.create_bucket("b", "1", UNIX_EPOCH).unwrap();
        assert_eq!(store.put("b", "k", object(1_001)).err(), Some(Failure::TooLarge));
        store.put("b", "k1", object(1_000)).unwrap();
        store.put("b", "k2", object(1_000)).unwrap();
        assert_eq!(store.put("b", "k3", object(1_000)).err(), Some(Failure::TooLarge), "the total cap does not hold");
        store.put("b", "k2", object(900)).unwrap();
        let mut room = store.room();
        assert_eq!(room.take(990).err(), Some(Failure::TooLarge));
        room.take(500).unwrap();
        assert_eq!(room.take(501).err(), Some(Failure::TooLarge));
        drop(room);
        store.delete("b", "k1").unwrap();
        store.delete("b", "k2").unwrap();
        assert_eq!(lock(&store.inner).used, 0);
    }

    #[test]
    fn an_upload_belongs_to_its_key() {
        let store = Store::new(1_000, 100_000);
        store.create_bucket("b", "1", UNIX_EPOCH).unwrap();
        store.start_upload("id".to_owned(), "b", "acme/k", Attributes::default()).unwrap();
        let part = |key| store.put_part("id", ("b", key), 1, Bytes::from_static(b"x"), "e".to_owned()).is_ok();
        assert!(part("acme/k") && !part("other/k"));
        assert!(store.parts("id", ("b", "other/k"), &[(1, None)]).is_err());
        assert!(store.end_upload("id", ("b", "other/k")).is_err());
        store.end_upload("id", ("b", "acme/k")).unwrap();
        assert_eq!(lock(&store.inner).used, 0);
    }
}
