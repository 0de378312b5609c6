use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::credentials::{
    sts::tests::{Wire, answer_xml},
    testing::{assume_one_role, clock, credentials_config, settle},
};

/// A source that counts how often it is asked.
#[derive(Debug, Clone)]
pub(in crate::credentials) struct Scripted {
    clock: Clock,
    life: Arc<StdMutex<Option<Duration>>>,
    asked: Arc<AtomicUsize>,
    hangs: Arc<tokio::sync::Semaphore>,
}

impl ProvideCredentials for Scripted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            drop(self.hangs.acquire().await.unwrap());
            let life = self.life.lock().unwrap().ok_or_else(|| CredentialsError::not_loaded("scripted"))?;
            Ok(Credentials::new(format!("AKIA{number}"), "base-secret", None, Some(self.clock.now() + life), "scripted"))
        })
    }
}

pub(in crate::credentials) fn rig(life: u64) -> (BaseIdentity, Scripted, Clock) {
    let clock = clock();
    let life = Arc::new(StdMutex::new(Some(Duration::from_secs(life))));
    let source = Scripted { clock: clock.clone(), life, asked: Arc::default(), hangs: Arc::new(tokio::sync::Semaphore::new(1)) };
    (BaseIdentity::new("scripted", SharedCredentialsProvider::new(source.clone()), clock.clone()), source, clock)
}

impl Scripted {
    pub(in crate::credentials) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn the_source_is_asked_once_and_again_ahead_of_the_end() {
    let (base, source, clock) = rig(3600);
    for _ in 0..10 {
        base.check().await.unwrap();
    }
    assert_eq!(source.asked(), 1);
    clock.advance(Duration::from_secs(3299));
    base.check().await.unwrap();
    assert_eq!(source.asked(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA1");
}

#[tokio::test]
async fn a_renewal_that_fails_keeps_the_old_ones_until_they_end() {
    let (base, source, clock) = rig(3600);
    base.check().await.unwrap();
    *source.life.lock().unwrap() = None;
    clock.advance(Duration::from_secs(3300));
    for _ in 0..10 {
        base.check().await.unwrap();
    }
    assert_eq!(source.asked(), 2, "and the source is not asked all the time");
    clock.advance(Duration::from_secs(294));
    base.check().await.unwrap();
    clock.advance(Duration::from_secs(1));
    let error = base.check().await.unwrap_err();
    assert!(error.to_string().contains("scripted"), "{error}");
}

#[tokio::test]
async fn credentials_that_have_ended_are_none() {
    let (base, _, _) = rig(5);
    assert!(base.check().await.is_err());
}

#[tokio::test]
async fn many_ask_as_one_and_a_slow_renewal_stands_in_nobodys_way() {
    let (base, source, clock) = rig(3600);
    source.hangs.forget_permits(1);
    let cold: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let base = base.clone();
                async move { base.check().await }
            })
        })
        .collect();
    settle().await;
    source.hangs.add_permits(1);
    for task in cold {
        task.await.unwrap().unwrap();
    }
    assert_eq!(source.asked(), 1);

    clock.advance(Duration::from_secs(3400));
    source.hangs.forget_permits(1);
    let renewing = tokio::spawn({
        let base = base.clone();
        async move { base.credentials().await }
    });
    settle().await;
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA0", "the old ones will do");
    source.hangs.add_permits(1);
    assert_eq!(renewing.await.unwrap().unwrap().access_key_id(), "AKIA1");
}

#[tokio::test]
async fn what_sts_did_not_accept_is_asked_for_again() {
    let (base, source, _) = rig(3600);
    base.check().await.unwrap();
    base.forget();
    base.check().await.unwrap();
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn a_static_key_needs_nobody() {
    let config = credentials_config(assume_one_role());
    let base = BaseIdentity::open(&config.source, &config.sts, clock()).await.unwrap();
    base.check().await.unwrap();
    let credentials = base.credentials().await.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("AKIABASE", "base-secret"));
    assert!(!format!("{base:?}").contains("base-secret"));
}

#[tokio::test]
async fn web_identity_sends_the_files_token_unsigned_and_reads_the_file_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let wire = Wire::answering(200, &answer_xml("AssumeRoleWithWebIdentity", "", "<Expiration>2027-01-15T09:00:00Z</Expiration>"));
    let config = credentials_config(assume_one_role());
    let client = sts::client(&config.sts, wire.client(), None);
    let identity = WebIdentity { client, token_file: token_file.clone(), role_arn: "arn:aws:iam::111122223333:role/base".into() };
    assert!(matches!(identity.credentials().await, Err(StsError::Identity(_))), "no file yet");
    for token in ["first", "second"] {
        std::fs::write(&token_file, format!("{token}\n")).unwrap();
        let credentials = identity.credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.session_token()), ("ASIAX", Some("TOKEN")));
        assert!(credentials.expiry().is_some());
    }
    let requests = wire.requests();
    assert_eq!(requests.len(), 2);
    for ((uri, authorization, body), token) in requests.iter().zip(["first", "second"]) {
        assert_eq!((uri.as_str(), authorization), ("https://sts.eu-west-1.amazonaws.com/", &None));
        assert!(
            body.contains("Action=AssumeRoleWithWebIdentity") && body.split('&').any(|part| part == format!("WebIdentityToken={token}")),
            "{body}"
        );
    }
}
