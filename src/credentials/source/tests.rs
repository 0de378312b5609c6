use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::credentials::{
    sts::tests::{Wire, answer_xml},
    testing::{START, assume_one_role, clock, credentials_config, on_time, settle},
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
    (BaseIdentity::new("scripted", SharedCredentialsProvider::new(source.clone()), None, clock.clone()), source, clock)
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
    base.renew_when_due().await;
    assert_eq!(source.asked(), 1);
    clock.advance(Duration::from_secs(1));
    base.renew_when_due().await;
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA1");
}

#[tokio::test]
async fn a_renewal_that_fails_keeps_the_old_ones_until_they_end() {
    let (base, source, clock) = rig(3600);
    base.check().await.unwrap();
    *source.life.lock().unwrap() = None;
    clock.advance(Duration::from_secs(3300));
    for _ in 0..10 {
        base.renew_when_due().await;
        base.check().await.unwrap();
    }
    assert_eq!(source.asked(), 2, "and the source is not asked all the time");
    clock.advance(Duration::from_secs(294));
    base.renew_when_due().await;
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
        async move { base.renew_when_due().await }
    });
    settle().await;
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA0", "the old ones will do");
    source.hangs.add_permits(1);
    renewing.await.unwrap();
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA1");
}

#[tokio::test]
async fn a_failure_is_not_repeated_for_each_who_asks() {
    let (base, source, clock) = rig(3600);
    *source.life.lock().unwrap() = None;
    for _ in 0..50 {
        assert!(matches!(base.check().await, Err(BaseIdentityError::Unavailable(..))));
    }
    assert_eq!(source.asked(), 1);
    *source.life.lock().unwrap() = Some(Duration::from_secs(3600));
    clock.advance(FAILURE_STANDS);
    base.check().await.unwrap();
}

#[tokio::test]
async fn a_file_of_keys_is_followed_and_what_cannot_be_used_leaves_the_old_ones() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let path = folder.path().join("credentials");
    let sts = credentials_config(assume_one_role()).sts;
    let base = BaseIdentity::open(&CredentialsSource::File(path.clone()), &sts, &on_time(&clock)).unwrap();
    let missing = base.check().await.unwrap_err();
    assert!(matches!(&missing, BaseIdentityError::SetUp(_, why) if why.contains(&path.display().to_string())), "{missing}");

    let keys = |number: u32| format!("[default]\naws_access_key_id = AKIA{number}\naws_secret_access_key = secret\n");
    let later = async || {
        clock.advance(PAUSE);
        base.renew_when_due().await;
        base.credentials().await.unwrap().access_key_id().to_owned()
    };
    std::fs::write(&path, keys(1)).unwrap();
    assert_eq!(later().await, "AKIA1");
    std::fs::write(&path, keys(2)).unwrap();
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA1", "nobody waits for the file");
    assert_eq!(later().await, "AKIA2");
    std::fs::write(&path, "junk").unwrap();
    assert_eq!(later().await, "AKIA2");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(later().await, "AKIA2");
    std::fs::write(&path, keys(3)).unwrap();
    base.forget();
    clock.advance(FAILURE_STANDS);
    assert_eq!(base.credentials().await.unwrap().access_key_id(), "AKIA3", "AWS rejected the others");
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
async fn operators_see_when_the_credentials_end_that_were_loaded_last() {
    let (base, source, clock) = rig(3600);
    let metrics = Metrics::new().unwrap();
    base.report_to(&metrics);
    let shown = || metrics.base_credentials_expiry.get() - START as f64;
    assert_eq!(metrics.base_credentials_expiry.get(), 0.0, "none yet");
    base.check().await.unwrap();
    assert_eq!(shown(), 3600.0);
    // A role's session is not the base identity's.
    let (_, short, _) = rig(60);
    base.another("a role", SharedCredentialsProvider::new(short)).check().await.unwrap();
    assert_eq!(shown(), 3600.0);
    clock.advance(Duration::from_secs(3400));
    *source.life.lock().unwrap() = None;
    base.renew_when_due().await;
    assert_eq!(shown(), 3600.0, "the old ones serve");
    *source.life.lock().unwrap() = Some(Duration::from_secs(3600));
    clock.advance(PAUSE);
    base.renew_when_due().await;
    assert_eq!(shown(), 3600.0 + 3415.0, "rotated");
    base.forget();
    clock.advance(Duration::from_secs(10));
    base.check().await.unwrap();
    assert_eq!(shown(), 3600.0 + 3425.0, "loaded anew after AWS rejected them");

    // One that is tried, and shown when it has come into use.
    let config = credentials_config(assume_one_role());
    let endless = BaseIdentity::open(&config.source, &config.sts, &on_time(&clock)).unwrap();
    endless.check().await.unwrap();
    assert_eq!(shown(), 3600.0 + 3425.0);
    endless.report_to(&metrics);
    assert_eq!(metrics.base_credentials_expiry.get(), 0.0);
    endless.check().await.unwrap();
    assert_eq!(metrics.base_credentials_expiry.get(), 0.0);
}

#[tokio::test]
async fn a_static_key_needs_nobody() {
    let config = credentials_config(assume_one_role());
    let base = BaseIdentity::open(&config.source, &config.sts, &on_time(&clock())).unwrap();
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
    wire.headers([("date", httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(START + 1_200)))]);
    let skew = on_time(&clock());
    let client = sts::client(&config.sts, wire.client(), None, &skew);
    let identity = WebIdentity { client, token_file: token_file.clone(), role_arn: "arn:aws:iam::111122223333:role/base".into() };
    assert!(matches!(identity.credentials().await, Err(crate::credentials::StsError::Identity(_))), "no file yet");
    for token in ["first", "second", "third"] {
        std::fs::write(&token_file, format!("{token}\n")).unwrap();
        let credentials = identity.credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.session_token()), ("ASIAX", Some("TOKEN")));
        assert!(credentials.expiry().is_some());
    }
    let requests = wire.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(skew.clock().unix_seconds(), START + 1_200, "each answer says what time it is");
    for ((uri, authorization, body), token) in requests.iter().zip(["first", "second", "third"]) {
        assert_eq!((uri.as_str(), authorization), ("https://sts.eu-west-1.amazonaws.com/", &None));
        assert!(
            body.contains("Action=AssumeRoleWithWebIdentity") && body.split('&').any(|part| part == format!("WebIdentityToken={token}")),
            "{body}"
        );
    }
}
