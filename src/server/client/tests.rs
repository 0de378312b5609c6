use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType, string::Ia5String};

use super::*;

fn ia5(text: &str) -> Ia5String {
    text.try_into().unwrap()
}

fn uri(text: &str) -> SanType {
    SanType::URI(ia5(text))
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(ia5(text))
}

fn read(names: Vec<SanType>, change: impl FnOnce(&mut CertificateParams)) -> Result<ClientCertificate, Unusable> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2031, 5, 6);
    change(&mut params);
    ClientCertificate::of_verified(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
}

fn names(names: Vec<SanType>) -> Result<ClientCertificate, Unusable> {
    read(names, |_| {})
}

#[test]
fn a_workload_s_certificate_says_who_it_is() {
    let client = read(vec![uri("spiffe://prod/ns/a/sa/b"), dns("B.internal")], |params| {
        params.distinguished_name.push(DnType::OrganizationName, "Ex, \"Inc\"");
        params.distinguished_name.push(DnType::CommonName, "b\r\nx-tenant-id: globex");
    })
    .unwrap();
    assert_eq!(client.spiffe_id().unwrap().as_str(), "spiffe://prod/ns/a/sa/b");
    assert_eq!(client.dns_names(), ["b.internal"]);
    assert_eq!(client.subject(), r#"CN=b\0D\0Ax-tenant-id: globex,O=Ex\, \"Inc\""#);
    // date -u -d 2031-05-06 +%s
    assert_eq!(client.not_after().duration_since(UNIX_EPOCH).unwrap().as_secs(), 1_935_792_000);
    assert_eq!(client.not_before().duration_since(UNIX_EPOCH).unwrap().as_secs(), 1_767_225_600);
    assert_eq!(client.name(), "spiffe://prod/ns/a/sa/b");
    let header = client.header_value().unwrap();
    let header = header.to_str().unwrap();
    let begins = r#"spiffe-id="spiffe://prod/ns/a/sa/b", subject="CN=b\\0D\\0Ax-tenant-id: globex,O=Ex\\, \\\"Inc\\\"", dns=("b.internal"), sha256=:"#;
    assert!(header.starts_with(begins) && header.ends_with(":, not-after=@1935792000"), "{header}");
}

#[test]
fn a_certificate_without_names_is_known_by_its_fingerprint() {
    let client = names(vec![]).unwrap();
    assert_eq!((client.spiffe_id(), client.subject(), client.dns_names().len()), (None, "", 0));
    assert_eq!(client.name(), format!("sha256:{}", client.fingerprint()));
    assert_eq!(client.fingerprint().len(), 64);
    assert_ne!(client, names(vec![]).unwrap(), "another key is another certificate");
}

#[test]
fn what_is_no_svid_is_no_client() {
    let id = || uri("spiffe://prod/a");
    assert!(names(vec![id()]).is_ok());
    // Without a SPIFFE id the standard says nothing.
    assert_eq!(names(vec![uri("https://a"), uri("https://b")]).unwrap().spiffe_id(), None);
    for bad in [
        vec![id(), id()],
        vec![id(), uri("spiffe://prod/b")],
        vec![uri("https://a"), id()],
        vec![uri("spiffe://prod")],
        vec![uri("spiffe://prod/")],
        vec![uri("spiffe://prod/a/../b")],
        vec![uri("SPIFFE://prod/a")],
        vec![uri("spiffe://prod/a?x")],
        vec![uri("spiffe://prod/a\n")],
        vec![uri(&format!("spiffe://prod/{}", "a".repeat(2048)))],
    ] {
        assert_eq!(names(bad.clone()), Err(Unusable::Spiffe), "{bad:?}");
    }
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        assert_eq!(read(vec![id()], |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature, usage]), Err(Unusable::Spiffe));
    }
    assert_eq!(read(vec![id()], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), Err(Unusable::Spiffe));
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(names((0..64).map(|n| dns(&format!("{n}.internal"))).collect()).unwrap().dns_names().len(), 64);
    assert_eq!(names((0..65).map(|n| dns(&format!("{n}.internal"))).collect()), Err(Unusable::Names));
    assert_eq!(names((0..20).map(|_| dns(&"a".repeat(250))).collect()), Err(Unusable::Names));
    let subject = |length: usize| read(vec![], |params| params.distinguished_name.push(DnType::CommonName, "a".repeat(length)));
    assert!(subject(1021).is_ok());
    assert_eq!(subject(1022), Err(Unusable::Subject));
    // Escaped it is longer.
    assert_eq!(read(vec![], |params| params.distinguished_name.push(DnType::CommonName, "\u{7}".repeat(500))), Err(Unusable::Subject));
}

#[test]
fn what_is_malformed_is_refused() {
    for bad in ["a b", "a\nb", "a\0b", "", "a\"b"] {
        assert_eq!(names(vec![dns(bad)]), Err(Unusable::Malformed), "{bad:?}");
    }
    let good = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    for cut in [0, 1, 20, good.len() / 2, good.len() - 1] {
        assert_eq!(ClientCertificate::of_verified(&good[..cut]), Err(Unusable::Malformed));
        assert_eq!(validity(&good[..cut]), None);
    }
    assert_eq!(ClientCertificate::of_verified(&[good, vec![0]].concat()), Err(Unusable::Malformed));
}
